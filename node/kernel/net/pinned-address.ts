import { isIP, type LookupFunction } from "node:net";
import { CodedError } from "@leat/sdk/base/errors.ts";
import { createNameLookup, type FoundAddress, type ResolveName } from "./name-lookup.ts";

/** Why nothing came of a connection to an address that somebody else chose. For our eyes: it tells what is in our network. */
export class OutboundError extends CodedError<
  | { code: "OUTBOUND_SCHEME_REFUSED"; scheme: string }
  | { code: "OUTBOUND_ADDRESS_REFUSED"; host: string; address: string }
  | { code: "OUTBOUND_NAME_UNKNOWN"; host: string }
  | { code: "OUTBOUND_TIMEOUT"; timeoutMs: number }
  | { code: "OUTBOUND_ANSWER_TOO_LARGE"; limit: number }
  | { code: "OUTBOUND_FAILED"; reason: string }
> {}

export interface AddressRules {
  /** Which addresses may be connected to. */
  readonly allows: (address: string) => boolean;
  readonly resolve?: ResolveName;
}

const resolveName = createNameLookup();

/**
 * Looks a host up once. Every address that it has must be an allowed one: of several, the one that is tried could
 * otherwise be the wrong one.
 * @param hostname As `URL` gives it, IPv6 in brackets.
 * @throws OUTBOUND_ADDRESS_REFUSED, OUTBOUND_NAME_UNKNOWN
 */
export async function pinAddress(
  hostname: string,
  { allows, resolve = resolveName }: AddressRules,
): Promise<readonly [FoundAddress, ...FoundAddress[]]> {
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  const family = isIP(host);
  const found =
    family === 0
      ? await resolve(host).catch((cause) => {
          throw new OutboundError({ code: "OUTBOUND_NAME_UNKNOWN", host }, { cause });
        })
      : [{ address: host, family }];
  const [first, ...others] = found;
  if (first === undefined) throw new OutboundError({ code: "OUTBOUND_NAME_UNKNOWN", host });
  const refused = found.find(({ address }) => !allows(address));
  if (refused !== undefined) {
    throw new OutboundError({ code: "OUTBOUND_ADDRESS_REFUSED", host, address: refused.address });
  }
  return [first, ...others];
}

/** For what tries one address of a name at a time, again and again: the one that worked, and others where it fails. */
export class AddressTurns {
  /** Since one worked. */
  readonly #failed = new Set<string>();
  /** Nobody knows yet whether it works. */
  #newest: string | undefined;
  #good: string | undefined;

  /** @param found As the name stands now, in whatever order. */
  next(found: readonly [FoundAddress, ...FoundAddress[]]): string {
    if (this.#newest !== undefined) this.#failed.add(this.#newest);
    if (found.every(({ address }) => this.#failed.has(address))) this.#failed.clear();
    const left = found.map(({ address }) => address).filter((address) => !this.#failed.has(address));
    this.#newest = left.find((address) => address === this.#good) ?? left[0]!;
    return this.#newest;
  }

  /** The one that was given last does what it is to do. */
  worked(): void {
    if (this.#newest === undefined) return;
    this.#good = this.#newest;
    this.#newest = undefined;
    this.#failed.clear();
  }
}

/** Gives a connection the addresses that were looked at, whatever the name says a moment later. */
export function lookupPinned(found: readonly [FoundAddress, ...FoundAddress[]]): LookupFunction {
  return (_host, { all }, done) => {
    if (all === true) {
      done(
        null,
        found.map((one) => ({ ...one })),
      );
    } else done(null, found[0].address, found[0].family);
  };
}
