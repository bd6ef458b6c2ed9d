import { lookup as lookupName } from "node:dns/promises";
import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { isIP } from "node:net";
import { CodedError } from "@leat/sdk/base/errors.ts";
import { unlessAborted } from "../abort.ts";
import { isPublicAddress } from "./address-policy.ts";

/** Why nothing came of a request to an address that somebody else chose. For our eyes: it tells what is in our network. */
export class PinnedRequestError extends CodedError<
  | { code: "OUTBOUND_SCHEME_REFUSED"; scheme: string }
  | { code: "OUTBOUND_ADDRESS_REFUSED"; host: string }
  | { code: "OUTBOUND_NAME_UNKNOWN"; host: string }
  | { code: "OUTBOUND_TIMEOUT"; timeoutMs: number }
  | { code: "OUTBOUND_ANSWER_TOO_LARGE"; limit: number }
  | { code: "OUTBOUND_FAILED"; reason: string }
> {}

export interface FoundAddress {
  readonly address: string;
  readonly family: number;
}

export interface PinnedRequestOptions {
  /** Lets private and loopback ranges and plain `http:` pass: for a network of one's own. */
  readonly allowPrivate: boolean;
  readonly timeoutMs: number;
  readonly maxAnswerBytes: number;
  readonly signal?: AbortSignal;
  readonly resolve?: (host: string) => Promise<readonly FoundAddress[]>;
}

export interface PinnedAnswer {
  readonly status: number;
  readonly body: Uint8Array;
}

const resolveName = (host: string) => lookupName(host, { all: true });

/**
 * Posts to an address that somebody else chose, so that it cannot lead into this machine's own network: the name is
 * looked up once, every address that it has must be a public one, and the connection goes to the address that was
 * looked at, whatever the name says a moment later. Redirects are answers like others and are not followed. The whole
 * exchange, the look-up too, has one time limit.
 * @throws PinnedRequestError
 */
export async function postPinned(
  target: string,
  { headers, body }: { readonly headers: Readonly<Record<string, string>>; readonly body: string },
  options: PinnedRequestOptions,
): Promise<PinnedAnswer> {
  const { timeoutMs } = options;
  const timeout = AbortSignal.timeout(timeoutMs);
  const signal = options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal]);
  try {
    const url = new URL(target);
    const isPlain = url.protocol === "http:";
    // An answer in the clear could be anybody's.
    if (url.protocol !== "https:" && !(isPlain && options.allowPrivate)) {
      throw new PinnedRequestError({ code: "OUTBOUND_SCHEME_REFUSED", scheme: url.protocol });
    }
    const pinned = await unlessAborted(findAddress(url.hostname, options), signal);
    return await exchange(url, pinned, { headers, body, signal, limit: options.maxAnswerBytes });
  } catch (error) {
    if (timeout.aborted) throw new PinnedRequestError({ code: "OUTBOUND_TIMEOUT", timeoutMs }, { cause: error });
    if (error instanceof PinnedRequestError) throw error;
    const reason = (error as NodeJS.ErrnoException).code ?? "UNKNOWN";
    throw new PinnedRequestError({ code: "OUTBOUND_FAILED", reason }, { cause: error });
  }
}

async function findAddress(
  hostname: string,
  { resolve = resolveName, allowPrivate }: PinnedRequestOptions,
): Promise<FoundAddress> {
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  const family = isIP(host);
  let found: readonly FoundAddress[] = [{ address: host, family }];
  if (family === 0) {
    found = await resolve(host).catch((cause) => {
      throw new PinnedRequestError({ code: "OUTBOUND_NAME_UNKNOWN", host }, { cause });
    });
  }
  const [first] = found;
  if (first === undefined) throw new PinnedRequestError({ code: "OUTBOUND_NAME_UNKNOWN", host });
  if (!allowPrivate && !found.every(({ address }) => isPublicAddress(address))) {
    throw new PinnedRequestError({ code: "OUTBOUND_ADDRESS_REFUSED", host });
  }
  return first;
}

interface Exchange {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly signal: AbortSignal;
  readonly limit: number;
}

async function exchange(url: URL, pinned: FoundAddress, { headers, body, signal, limit }: Exchange) {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const request = (url.protocol === "https:" ? requestHttps : requestHttp)(url, {
    method: "POST",
    headers: { ...headers, "content-length": String(Buffer.byteLength(body)) },
    // A connection of its own: none that was made for another look-up.
    agent: false,
    signal,
    lookup: (_host, { all }, done) => {
      if (all === true) done(null, [{ ...pinned }]);
      else done(null, pinned.address, pinned.family);
    },
  });
  request.once("response", resolve);
  // Stays: what goes wrong after the answer has come is told by the answer.
  request.on("error", reject);
  request.end(body);
  const response = await promise;
  try {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > limit) throw new PinnedRequestError({ code: "OUTBOUND_ANSWER_TOO_LARGE", limit });
      chunks.push(chunk);
    }
    return { status: response.statusCode ?? 0, body: Buffer.concat(chunks) };
  } finally {
    request.destroy();
  }
}
