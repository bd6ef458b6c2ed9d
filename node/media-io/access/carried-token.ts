import type { IncomingMessage } from "node:http";

/**
 * How a token reaches every request of a player. Playlists name their files relative to their own address, so a token
 * in the path (`/live/SLUG/~TOKEN/master.m3u8`) goes along by itself, with hls.js and native players alike, while every
 * viewer still gets the one buffer that a playlist is written into. The server takes it out before it looks for a
 * route: routes, logs and metrics never see it.
 */

const guarded = /^(\/live\/[A-Za-z0-9_-]{1,64})\/~([A-Za-z0-9._~-]+)(\/.*)$/;
const carried = new WeakMap<IncomingMessage, string>();

/** For fastify's `rewriteUrl`. */
export function takeCarriedToken(request: IncomingMessage): string {
  const url = request.url ?? "/";
  const match = guarded.exec(url);
  if (match === null) return url;
  const [, stream, token, rest] = match;
  carried.set(request, token!);
  return `${stream}${rest}`;
}

/** A token that is no part of an address: letters, digits and `._~-`. */
export const tokenPattern = /^[A-Za-z0-9._~-]+$/;

/** Puts a token into the address of a stream's file. */
export function carryToken(url: string, token: string): string {
  return url.replace(/(\/live\/[A-Za-z0-9_-]{1,64})\//, `$1/~${token}/`);
}

/** The token of a request, and whether its address already takes it along. */
export function findToken(request: {
  readonly raw: IncomingMessage;
  readonly query: unknown;
  readonly headers: IncomingMessage["headers"];
}): { readonly token: string; readonly isCarried: boolean } | undefined {
  const inPath = carried.get(request.raw);
  if (inPath !== undefined) return { token: inPath, isCarried: true };
  const { token } = (request.query ?? {}) as { token?: unknown };
  if (typeof token === "string" && token !== "") return { token, isCarried: false };
  const bearer = /^Bearer ([!-~]+)$/i.exec(request.headers.authorization ?? "")?.[1];
  // Who sends the header once sends it with every request.
  return bearer === undefined ? undefined : { token: bearer, isCarried: true };
}

/** Scheme, host name and port. */
const MAX_ORIGIN = 300;

/** The origin of the page that plays, as its browser tells. */
export function originOf(headers: IncomingMessage["headers"]): string | undefined {
  const { origin, referer } = headers;
  const found = origin ?? (referer === undefined ? undefined : URL.parse(referer)?.origin);
  // Longer than any host's name: no page's.
  return found === undefined || found.length > MAX_ORIGIN ? undefined : found;
}
