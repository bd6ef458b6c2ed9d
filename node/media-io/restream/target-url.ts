import { readSrtNames } from "../srt/address.ts";
import { isPassphrase } from "../srt/passphrase.ts";
import { RestreamError } from "./errors.ts";

const form = /^([A-Za-z][A-Za-z0-9+.-]*):(\/\/[^/?#@]+)\/([^?#]+\/.+)$/s;

const srtForm = /^srt:(\/\/[^/?#@]+)\/?(?:\?(.*))?$/is;

/** A target as it is connected to. What is not its host may hold the key. */
export type TargetAddress = RtmpAddress | SrtAddress;

interface Host {
  /** As the name service or the network takes it: `0x7f.1` is 127.0.0.1 here. */
  readonly hostname: string;
}

export interface RtmpAddress extends Host {
  readonly scheme: "rtmp" | "rtmps";
  /** The same address with that host. */
  readonly url: string;
}

export interface SrtAddress extends Host {
  readonly scheme: "srt";
  readonly port: number;
  readonly streamId: string | undefined;
  readonly passphrase: string | undefined;
  readonly latencyMs: number | undefined;
}

/**
 * `rtmp://HOST[:PORT]/APP/KEY`, the same of `rtmps:`, or `srt://HOST:PORT?streamid=ID&passphrase=WORDS&latency=MS`.
 * @throws RESTREAM_URL_INVALID, RESTREAM_PASSPHRASE_INVALID, RESTREAM_SCHEME_REFUSED
 */
export function parseTarget(text: string): TargetAddress {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) throw new RestreamError({ code: "RESTREAM_URL_INVALID" });
  if (scheme === "srt") return parseSrt(text);
  if (scheme !== "rtmp" && scheme !== "rtmps") throw new RestreamError({ code: "RESTREAM_SCHEME_REFUSED", scheme });
  const [, , authority, path] = form.exec(text) ?? [];
  const { hostname, port } = readHost(authority);
  return { scheme, hostname, url: `${scheme}://${hostname}${port === undefined ? "" : `:${port}`}/${path}` };
}

function parseSrt(text: string): SrtAddress {
  const [, authority, query = ""] = srtForm.exec(text) ?? [];
  const { hostname, port } = readHost(authority);
  const names = readSrtNames(query);
  if (port === undefined || names === undefined) throw new RestreamError({ code: "RESTREAM_URL_INVALID" });
  const { streamId, passphrase, latencyMs } = names;
  if (passphrase !== undefined && !isPassphrase(passphrase)) {
    throw new RestreamError({ code: "RESTREAM_PASSPHRASE_INVALID" });
  }
  return { scheme: "srt", hostname, port, streamId, passphrase, latencyMs };
}

/** Of other schemes a host is not read. */
function readHost(authority: string | undefined): { readonly hostname: string; readonly port: number | undefined } {
  const host = authority === undefined ? null : URL.parse(`http:${authority}`);
  if (host === null || host.hostname === "") throw new RestreamError({ code: "RESTREAM_URL_INVALID" });
  const port = /:(\d+)$/.exec(authority!)?.[1];
  return { hostname: host.hostname, port: port === undefined ? undefined : Number(port) };
}

/** An address as its owner is shown it: where it leads, and nothing of the key. */
export function maskTarget(text: string): string {
  const [, scheme = "", host = ""] = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/(?:[^/?#]*@)?([^/?#]*)/.exec(text) ?? [];
  return `${scheme}://${host}/***`;
}
