import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { isIP } from "node:net";
import { unlessAborted } from "../abort.ts";
import { isPublicAddress } from "./address-policy.ts";
import type { ResolveName } from "./name-lookup.ts";
import { type AddressRules, lookupPinned, OutboundError, pinAddress } from "./pinned-address.ts";

export interface PinnedRequestOptions {
  /** Lets private and loopback ranges and plain `http:` pass: for a network of one's own. */
  readonly allowPrivate: boolean;
  readonly timeoutMs: number;
  readonly maxAnswerBytes: number;
  readonly signal?: AbortSignal;
  readonly resolve?: ResolveName;
}

export interface PinnedAnswer {
  readonly status: number;
  readonly body: Uint8Array;
}

/**
 * Posts to an address that somebody else chose, so that it cannot lead into this machine's own network: the name is
 * looked up once, every address that it has must be a public one, and the connection goes to the address that was
 * looked at, whatever the name says a moment later. Redirects are answers like others and are not followed. The whole
 * exchange, the look-up too, has one time limit.
 * @throws OutboundError
 */
export async function postPinned(
  target: string,
  { headers, body }: { readonly headers: Readonly<Record<string, string>>; readonly body: string },
  options: PinnedRequestOptions,
): Promise<PinnedAnswer> {
  const { timeoutMs, maxAnswerBytes: limit } = options;
  const timeout = AbortSignal.timeout(timeoutMs);
  const signal = options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal]);
  try {
    const url = new URL(target);
    const rules = judgeScheme(url, options);
    const answer = await openPinned(url, { method: "POST", headers, body, signal, ...rules });
    try {
      const chunks: Buffer[] = [];
      let size = 0;
      for await (const chunk of answer as AsyncIterable<Buffer>) {
        size += chunk.length;
        if (size > limit) throw new OutboundError({ code: "OUTBOUND_ANSWER_TOO_LARGE", limit });
        chunks.push(chunk);
      }
      return { status: answer.statusCode ?? 0, body: Buffer.concat(chunks) };
    } finally {
      answer.destroy();
    }
  } catch (error) {
    if (timeout.aborted) throw new OutboundError({ code: "OUTBOUND_TIMEOUT", timeoutMs }, { cause: error });
    throw outboundFault(error);
  }
}

export type TargetRules = Pick<PinnedRequestOptions, "allowPrivate" | "resolve">;

/**
 * Whether `postPinned` could ever go to an address. A name is looked up at each request: it may lead elsewhere then, and
 * where it leads from here is nobody's to learn.
 * @throws OUTBOUND_SCHEME_REFUSED, OUTBOUND_ADDRESS_REFUSED
 */
export async function judgeTarget(url: URL, options: Pick<PinnedRequestOptions, "allowPrivate">): Promise<void> {
  const rules = judgeScheme(url, options);
  if (isLiteral(url.hostname)) await pinAddress(url.hostname, rules);
}

/** Whether a URL's host is an address, and no name. */
export function isLiteral(hostname: string): boolean {
  return isIP(hostname.replace(/^\[|\]$/g, "")) !== 0;
}

function judgeScheme({ protocol }: URL, { allowPrivate, resolve }: TargetRules): AddressRules {
  // An answer in the clear could be anybody's.
  if (protocol !== "https:" && !(protocol === "http:" && allowPrivate)) {
    throw new OutboundError({ code: "OUTBOUND_SCHEME_REFUSED", scheme: protocol });
  }
  const allows = (address: string) => allowPrivate || isPublicAddress(address);
  return resolve === undefined ? { allows } : { allows, resolve };
}

export interface OpenPinned {
  readonly method: "GET" | "POST";
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Ends the exchange, its answer too. */
  readonly signal: AbortSignal;
  /** Which addresses may be connected to. */
  readonly allows: (address: string) => boolean;
  readonly resolve?: ResolveName;
}

/**
 * One exchange by HTTP or HTTPS on a connection of its own, made for another look-up by nobody. Redirects are not
 * followed. Whoever gets the answer destroys it. Throws whatever went wrong; `outboundFault` names it.
 */
export async function openPinned(
  url: URL,
  { method, headers, body = "", signal, ...rules }: OpenPinned,
): Promise<IncomingMessage> {
  const found = await unlessAborted(pinAddress(url.hostname, rules), signal);
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const request = (url.protocol === "https:" ? requestHttps : requestHttp)(url, {
    method,
    headers: method === "GET" ? headers : { ...headers, "content-length": String(Buffer.byteLength(body)) },
    agent: false,
    signal,
    lookup: lookupPinned(found),
  });
  request.once("response", resolve);
  // Stays: what goes wrong after the answer has come is told by the answer.
  request.on("error", reject);
  // A connection that was given another use (101) ends without a response and without an error.
  request.once("close", () => reject(new OutboundError({ code: "OUTBOUND_FAILED", reason: "CLOSED" })));
  request.end(body);
  return promise;
}

/** What went wrong with an exchange, as a coded error. */
export function outboundFault(error: unknown): OutboundError {
  if (error instanceof OutboundError) return error;
  const reason = (error as NodeJS.ErrnoException).code ?? "UNKNOWN";
  return new OutboundError({ code: "OUTBOUND_FAILED", reason }, { cause: error });
}
