import { type RtmpPlace, readPlace } from "@leat/transcoder/rtmp/client.ts";
import type { Credentials } from "../rtsp/authorization.ts";
import { readSrtNames, type SrtNames } from "../srt/address.ts";
import { isPassphrase } from "../srt/passphrase.ts";
import { PullError } from "./errors.ts";

/**
 * Schemes that a source may have, and where it listens if it does not say. A host is read as that of a scheme that `URL`
 * knows: of others it is not read, and `0x7f.1` would stay what it is.
 */
const schemes = {
  http: { readAs: "http", port: 80 },
  https: { readAs: "https", port: 443 },
  srt: { readAs: "ftp", port: undefined },
  rtmp: { readAs: "ftp", port: 1935 },
  rtmps: { readAs: "ftp", port: 443 },
  rtsp: { readAs: "ftp", port: 554 },
  rtsps: { readAs: "ftp", port: 322 },
} as const;
export type PullScheme = keyof typeof schemes;
/** In the order in which nodes name them. */
export const pullSchemes = Object.keys(schemes) as readonly PullScheme[];

/** A source as it is connected to. */
export interface PullSource {
  readonly scheme: PullScheme;
  /** Of a scheme that `URL` knows, whatever the source's own is. */
  readonly url: URL;
  readonly port: number;
}

/** `URL` reads a backslash as a slash: what is secret behind one would be shown as part of the host. */
const form = /^([A-Za-z][A-Za-z0-9+.-]*):(\/\/[^/?#\\][^?#\\]*(?:[?#].*)?)$/s;

/** @throws PULL_URL_INVALID, PULL_PASSPHRASE_INVALID, PULL_SCHEME_REFUSED */
export function parseSource(text: string): PullSource {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) throw new PullError({ code: "PULL_URL_INVALID" });
  if (!isPullScheme(scheme)) throw new PullError({ code: "PULL_SCHEME_REFUSED", scheme });
  const rest = form.exec(text)?.[2];
  const url = rest === undefined ? null : URL.parse(`${schemes[scheme].readAs}:${rest}`);
  if (url === null || url.hostname === "" || ![url.username, url.password].every(isEscaped)) {
    throw new PullError({ code: "PULL_URL_INVALID" });
  }
  const port = readPort(rest!) ?? schemes[scheme].port;
  if (port === undefined || port === 0) throw new PullError({ code: "PULL_URL_INVALID" });
  if (scheme === "srt") readSrt(url);
  if (scheme === "rtmp" || scheme === "rtmps") placeOf(url);
  return { scheme, url, port };
}

/** `URL` leaves out a port that is the usual one of the scheme that it reads: of two it is not the same one. */
function readPort(rest: string): number | undefined {
  const port = URL.parse(`http:${rest}`)?.port || URL.parse(`ftp:${rest}`)?.port;
  return port ? Number(port) : undefined;
}

/** Application and stream of an RTMP server: a query belongs to the stream's name. @throws PULL_URL_INVALID */
export function placeOf({ pathname, search, username, password }: URL): RtmpPlace {
  const place = readPlace(pathname + search);
  // What servers ask a name and a password by has no description.
  if (place === undefined || username !== "" || password !== "") throw new PullError({ code: "PULL_URL_INVALID" });
  return place;
}

/** SRT's name and secret of a stream, where the address has them. @throws PULL_URL_INVALID, PULL_PASSPHRASE_INVALID */
export function readSrt({ search, hash }: URL): SrtNames {
  const names = readSrtNames(`${search}${search === "" ? "" : hash}`.slice(1));
  if (names === undefined) throw new PullError({ code: "PULL_URL_INVALID" });
  if (names.passphrase !== undefined && !isPassphrase(names.passphrase)) {
    throw new PullError({ code: "PULL_PASSPHRASE_INVALID" });
  }
  return names;
}

/** Whether what is escaped in it can be read. */
function isEscaped(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

/** Host and port as they stand in an address: without a port that goes without saying. */
export function authorityOf({ scheme, url, port }: PullSource): string {
  return port === schemes[scheme].port ? url.hostname : `${url.hostname}:${port}`;
}

/** Name and password that the address has; undefined where it has neither. */
export function credentialsOf({ username, password }: URL): Credentials | undefined {
  if (username === "" && password === "") return undefined;
  return { username: decodeURIComponent(username), password: decodeURIComponent(password) };
}

function isPullScheme(scheme: string): scheme is PullScheme {
  return Object.hasOwn(schemes, scheme);
}

/** An address as its owner is shown it: without what may be secret in it. */
export function maskSource(text: string): string {
  const [, scheme, host = "", path = "", query = ""] =
    /^([A-Za-z][A-Za-z0-9+.-]*:)\/\/([^/?#]*)([^?#]*)(.*)$/s.exec(text) ?? [];
  if (scheme === undefined) return "***";
  const at = host.lastIndexOf("@");
  const place = `${scheme}//${at < 0 ? host : `***@${host.slice(at + 1)}`}`;
  // By RTMP the name of a stream is often all that keeps it private.
  if (/^rtmps?:$/i.test(scheme)) return `${place}${/^\/?[^/]*\/?/.exec(path)![0]}***`;
  return `${place}${path}${query === "" ? "" : "?***"}`;
}
