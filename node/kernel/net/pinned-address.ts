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

/** For what tries one address at a time, again and again: the next one of a name at each try. */
export class AddressTurns {
  #tries = 0;

  next(found: readonly [FoundAddress, ...FoundAddress[]]): string {
    const { address } = found[this.#tries % found.length]!;
    this.#tries += 1;
    return address;
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
