import { RestreamError } from "./errors.ts";

const schemes = ["rtmp", "rtmps"] as const;
const form = /^([A-Za-z][A-Za-z0-9+.-]*):(\/\/[^/?#@]+)\/([^?#]+\/.+)$/s;

/** A target as it is connected to. */
export interface TargetAddress {
  /** As the name service or the network takes it: `0x7f.1` is 127.0.0.1 here. */
  readonly hostname: string;
  /** The same address with that host. It holds the key. */
  readonly url: string;
}

/** `rtmp://HOST[:PORT]/APP/KEY`, or `rtmps:`. @throws RESTREAM_URL_INVALID, RESTREAM_SCHEME_REFUSED */
export function parseTarget(text: string): TargetAddress {
  const [, name, authority, path] = form.exec(text) ?? [];
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) throw new RestreamError({ code: "RESTREAM_URL_INVALID" });
  if (!(schemes as readonly string[]).includes(scheme)) {
    throw new RestreamError({ code: "RESTREAM_SCHEME_REFUSED", scheme });
  }
  // Of other schemes a host is not read.
  const host = name === undefined ? null : URL.parse(`http:${authority}`);
  if (host === null || host.hostname === "") throw new RestreamError({ code: "RESTREAM_URL_INVALID" });
  const port = /:(\d+)$/.exec(authority!)?.[1];
  const url = `${scheme}://${host.hostname}${port === undefined ? "" : `:${Number(port)}`}/${path}`;
  return { hostname: host.hostname, url };
}

/** An address as its owner is shown it: where it leads, and nothing of the key. */
export function maskTarget(text: string): string {
  const [, scheme = "", host = ""] = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/(?:[^/?#]*@)?([^/?#]*)/.exec(text) ?? [];
  return `${scheme}://${host}/***`;
}
