import { PullError } from "./errors.ts";

/** Schemes that a source may have, and what their addresses are read like. */
const schemes = { http: "http", https: "https" } as const;
export type PullScheme = keyof typeof schemes;
export const pullSchemes: readonly PullScheme[] = ["http", "https"];

/** A source as it is connected to. */
export interface PullSource {
  readonly scheme: PullScheme;
  /** Of `http:` or `https:` whatever the scheme is: of others a host is not read, and `0x7f.1` would stay what it is. */
  readonly url: URL;
}

const form = /^([A-Za-z][A-Za-z0-9+.-]*):(\/\/[^/?#].*)$/s;

/** @throws PULL_URL_INVALID, PULL_SCHEME_REFUSED */
export function parseSource(text: string): PullSource {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) throw new PullError({ code: "PULL_URL_INVALID" });
  if (!isPullScheme(scheme)) throw new PullError({ code: "PULL_SCHEME_REFUSED", scheme });
  const rest = form.exec(text)?.[2];
  const url = rest === undefined ? null : URL.parse(`${schemes[scheme]}:${rest}`);
  if (url === null || url.hostname === "" || !isEscaped(url.username + url.password)) {
    throw new PullError({ code: "PULL_URL_INVALID" });
  }
  return { scheme, url };
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
