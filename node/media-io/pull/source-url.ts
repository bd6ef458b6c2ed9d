import { isPassphrase } from "../srt/passphrase.ts";
import { PullError } from "./errors.ts";

/**
 * Schemes that a source may have, and which their addresses are read like: of one that `URL` does not know a host is not
 * read, and `0x7f.1` would stay what it is.
 */
const schemes = { http: "http", https: "https", srt: "ftp" } as const;
export type PullScheme = keyof typeof schemes;

/** A source as it is connected to. */
export interface PullSource {
  readonly scheme: PullScheme;
  /** Of a scheme that `URL` knows, whatever the source's own is. */
  readonly url: URL;
}

/** libsrt's. */
const MAX_STREAM_ID_BYTES = 512;
const form = /^([A-Za-z][A-Za-z0-9+.-]*):(\/\/[^/?#].*)$/s;

/** @throws PULL_URL_INVALID, PULL_PASSPHRASE_INVALID, PULL_SCHEME_REFUSED */
export function parseSource(text: string): PullSource {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) throw new PullError({ code: "PULL_URL_INVALID" });
  if (!isPullScheme(scheme)) throw new PullError({ code: "PULL_SCHEME_REFUSED", scheme });
  const rest = form.exec(text)?.[2];
  const url = rest === undefined ? null : URL.parse(`${schemes[scheme]}:${rest}`);
  if (url === null || url.hostname === "" || !isEscaped(url.username + url.password)) {
    throw new PullError({ code: "PULL_URL_INVALID" });
  }
  if (scheme === "srt") checkSrt(url);
  return { scheme, url };
}

/** SRT's name and secret of a stream, where the address has them. */
export function readSrt({ searchParams }: URL): { readonly streamId: string; readonly passphrase: string | undefined } {
  return { streamId: searchParams.get("streamid") ?? "", passphrase: searchParams.get("passphrase") ?? undefined };
}

/** What libsrt would not take, and what we do not do: wait for the source to call. */
function checkSrt(url: URL): void {
  const { streamId, passphrase } = readSrt(url);
  const isCaller = (url.searchParams.get("mode") ?? "caller") === "caller";
  const isFit = url.port !== "" && isCaller && Buffer.byteLength(streamId) <= MAX_STREAM_ID_BYTES;
  if (!isFit) throw new PullError({ code: "PULL_URL_INVALID" });
  if (passphrase !== undefined && !isPassphrase(passphrase)) {
    throw new PullError({ code: "PULL_PASSPHRASE_INVALID" });
  }
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

function isPullScheme(scheme: string): scheme is PullScheme {
  return Object.hasOwn(schemes, scheme);
}

/** An address as its owner is shown it: without what may be secret in it. */
export function maskSource(text: string): string {
  const [, scheme, host = "", path = "", query = ""] =
    /^([A-Za-z][A-Za-z0-9+.-]*:)\/\/([^/?#]*)([^?#]*)(.*)$/s.exec(text) ?? [];
  if (scheme === undefined) return "***";
  const at = host.lastIndexOf("@");
  return `${scheme}//${at < 0 ? host : `***@${host.slice(at + 1)}`}${path}${query === "" ? "" : "?***"}`;
}
