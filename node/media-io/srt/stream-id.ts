import { bytesToHex, type Hex } from "@leat/sdk/protocol/hex.ts";
import { SrtError } from "./errors.ts";

/** What a publisher names: the stream key, or the key's hash, which is no secret and comes with a passphrase. */
export type SrtTarget =
  | { readonly type: "key"; readonly key: string }
  | { readonly type: "hash"; readonly keyHash: Hex };

/** Before the fields of SRT's access control. */
const FIELDS = "#!::";
const MAX_KEY = 256;
const hashName = /^sha256-([A-Za-z0-9_-]{43})$/;
const plainKey = /^[!-~]+$/;

/**
 * Reads a stream id in either form: `NAME`, or `#!::r=NAME,m=publish` with other fields, which are ignored, in any
 * order. A mode that is not given is "request", as SRT has it, and nobody watches by SRT here.
 * @throws SRT_STREAMID_INVALID, SRT_MODE_UNSUPPORTED
 */
export function parseStreamId(streamId: string): SrtTarget {
  if (!streamId.startsWith(FIELDS)) return parseName(streamId);
  const fields = new Map<string, string>();
  for (const field of streamId.slice(FIELDS.length).split(",")) {
    const at = field.indexOf("=");
    const name = field.slice(0, at);
    if (at < 1 || fields.has(name)) throw new SrtError({ code: "SRT_STREAMID_INVALID" });
    fields.set(name, field.slice(at + 1));
  }
  const mode = fields.get("m") ?? "request";
  if (mode !== "publish") {
    const known = ["request", "bidirectional"].includes(mode);
    throw new SrtError({ code: "SRT_MODE_UNSUPPORTED", mode: known ? mode : "unknown" });
  }
  return parseName(fields.get("r") ?? "");
}

/** The name of a key that may be seen by whoever sees the packets. */
export function nameOfHash(keyHash: Hex): string {
  return `sha256-${Buffer.from(keyHash.slice(2), "hex").toString("base64url")}`;
}

function parseName(name: string): SrtTarget {
  const hash = hashName.exec(name)?.[1];
  if (hash !== undefined) {
    const bytes = Buffer.from(hash, "base64url");
    // 43 letters hold two bits more than 32 bytes: one hash has one name.
    if (bytes.toString("base64url") === hash) return { type: "hash", keyHash: bytesToHex(bytes) };
  }
  if (name.length > MAX_KEY || !plainKey.test(name)) throw new SrtError({ code: "SRT_STREAMID_INVALID" });
  return { type: "key", key: name };
}
