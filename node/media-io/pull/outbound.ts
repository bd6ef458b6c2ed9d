import { Buffer } from "node:buffer";
import type { IncomingMessage } from "node:http";
import { isIP, type Socket } from "node:net";
import { type AddressKind, allowNetworks, kindOfAddress } from "../../kernel/net/address-policy.ts";
import type { ResolveName } from "../../kernel/net/name-lookup.ts";
import { type AddressRules, pinAddress } from "../../kernel/net/pinned-address.ts";
import { connectPinned } from "../../kernel/net/pinned-connection.ts";
import { openPinned, outboundFault } from "../../kernel/net/pinned-request.ts";
import { PullError } from "./errors.ts";
import type { PullOptions } from "./options.ts";
import { credentialsOf, type PullSource, parseSource } from "./source-url.ts";

export interface ByteRange {
  readonly from: number;
  readonly sizeBytes: number;
}

/** An answer of a source that said yes. */
export interface PulledAnswer {
  readonly response: IncomingMessage;
  /** Where it came from in the end: what it names is relative to it. */
  readonly url: URL;
}

const kindCodes = {
  loopback: "PULL_ADDRESS_LOOPBACK",
  private: "PULL_ADDRESS_PRIVATE",
  shared: "PULL_ADDRESS_SHARED",
  linkLocal: "PULL_ADDRESS_LINK_LOCAL",
  multicast: "PULL_ADDRESS_MULTICAST",
  mapped: "PULL_ADDRESS_MAPPED",
  nat64: "PULL_ADDRESS_NAT64",
  reserved: "PULL_ADDRESS_RESERVED",
} as const satisfies Record<Exclude<AddressKind, "public">, string>;

/** The only way from a buyer's address to a connection. */
export class Outbound {
  readonly #options: Pick<PullOptions, "timeoutMs" | "maxRedirects">;
  readonly #rules: AddressRules;

  constructor(options: Pick<PullOptions, "allow" | "timeoutMs" | "maxRedirects">, resolve?: ResolveName) {
    this.#options = options;
    const allows = allowNetworks(options.allow);
    this.#rules = resolve === undefined ? { allows } : { allows, resolve };
  }

  /** Whether the policy lets a source be connected to, as its name stands now. @throws PullError */
  async check(text: string, signal: AbortSignal): Promise<void> {
    await this.pin(parseSource(text).url, signal);
  }

  /** The addresses of a name that is looked up now, all of which may be connected to. @throws PullError */
  pin(url: URL, signal: AbortSignal): ReturnType<typeof pinAddress> {
    return this.#timed(signal, () => pinAddress(url.hostname, this.#rules));
  }

  /** A connection of its own to where a source is, made to an address that was looked at. @throws PullError */
  dial({ url, port }: PullSource, isSecure: boolean, signal: AbortSignal): Promise<Socket> {
    const { hostname } = url;
    return this.#timed(signal, (until) => connectPinned({ hostname, port, isSecure, signal: until, ...this.#rules }));
  }

  /**
   * Gets an address by HTTP. Each redirect is judged as the address itself was, and looked up anew.
   * @param range Asks for these bytes alone.
   * @throws PullError
   */
  async get(from: URL, signal: AbortSignal, range?: ByteRange): Promise<PulledAnswer> {
    const { maxRedirects: limit } = this.#options;
    const wanted = range === undefined ? 200 : 206;
    let url = from;
    for (let redirects = 0; ; redirects += 1) {
      const response = await this.#timed(signal, (until) => this.#send(url, range, until, signal));
      const { statusCode: status = 0, headers } = response;
      if (status === wanted) return { response, url };
      response.destroy();
      if (status < 300 || status > 399 || headers.location === undefined) {
        throw new PullError({ code: "PULL_STATUS_REFUSED", status });
      }
      if (redirects === limit) throw new PullError({ code: "PULL_REDIRECTS_EXCEEDED", limit });
      const next = resolveAddress(headers.location, url);
      if (url.protocol === "https:" && next.protocol === "http:") {
        throw new PullError({ code: "PULL_REDIRECT_INSECURE" });
      }
      // What was given for one server is not for the next.
      if (next.origin === url.origin && next.username === "" && next.password === "") {
        [next.username, next.password] = [url.username, url.password];
      }
      url = next;
    }
  }

  async #send(url: URL, range: ByteRange | undefined, until: AbortSignal, signal: AbortSignal) {
    const credentials = basicOf(url);
    const plain = new URL(url);
    [plain.username, plain.password, plain.hash] = ["", "", ""];
    const headers = {
      accept: "*/*",
      // What is packed small could become anything.
      "accept-encoding": "identity",
      "user-agent": "leat",
      ...(credentials === undefined ? {} : { authorization: credentials }),
      ...(range === undefined ? {} : { range: `bytes=${range.from}-${range.from + range.sizeBytes - 1}` }),
    };
    // The time limit is for the head of the answer alone: its body goes on for as long as the stream does.
    const gone = new AbortController();
    const leave = () => gone.abort(until.reason);
    until.addEventListener("abort", leave, { once: true });
    try {
      until.throwIfAborted();
      const both = AbortSignal.any([signal, gone.signal]);
      return await openPinned(plain, { method: "GET", headers, signal: both, ...this.#rules });
    } finally {
      until.removeEventListener("abort", leave);
    }
  }

  async #timed<T>(signal: AbortSignal, work: (until: AbortSignal) => Promise<T>): Promise<T> {
    const { timeoutMs } = this.#options;
    const timeout = AbortSignal.timeout(timeoutMs);
    const until = AbortSignal.any([timeout, signal]);
    const { promise, reject } = Promise.withResolvers<never>();
    const leave = () => reject(until.reason);
    until.addEventListener("abort", leave, { once: true });
    try {
      signal.throwIfAborted();
      return await Promise.race([work(until), promise]);
    } catch (error) {
      signal.throwIfAborted();
      if (timeout.aborted) throw new PullError({ code: "PULL_TIMEOUT", timeoutMs }, { cause: error });
      throw pullFault(error);
    } finally {
      until.removeEventListener("abort", leave);
    }
  }
}

/** What a redirect or a playlist names, judged as an address that a buyer gave. @throws PullError */
export function resolveAddress(reference: string, base: URL): URL {
  const url = URL.parse(reference, base);
  if (url === null) throw new PullError({ code: "PULL_URL_INVALID" });
  const { scheme, url: parsed } = parseSource(url.href);
  if (scheme !== "http" && scheme !== "https") throw new PullError({ code: "PULL_SCHEME_REFUSED", scheme });
  return parsed;
}

/** Names what went wrong in a word that a buyer may hear. */
export function pullFault(error: unknown): PullError {
  if (error instanceof PullError) return error;
  const fault = outboundFault(error);
  const { detail } = fault;
  const cause = { cause: error };
  if (detail.code === "OUTBOUND_ADDRESS_REFUSED") {
    const { host, address } = detail;
    const kind = kindOfAddress(address);
    if (isIP(host) === 0 || kind === "public") {
      return new PullError({ code: "PULL_NAME_REFUSED", host, reason: "inside" }, cause);
    }
    return new PullError({ code: kindCodes[kind], host }, cause);
  }
  if (detail.code === "OUTBOUND_NAME_UNKNOWN") {
    return new PullError({ code: "PULL_NAME_REFUSED", host: detail.host, reason: "unknown" }, cause);
  }
  const reason = detail.code === "OUTBOUND_FAILED" ? detail.reason : detail.code;
  return new PullError({ code: "PULL_UNREACHABLE", reason }, cause);
}

function basicOf(url: URL): string | undefined {
  const known = credentialsOf(url);
  if (known === undefined) return undefined;
  return `Basic ${Buffer.from(`${known.username}:${known.password}`).toString("base64")}`;
}
