import { bytesToHex, type Hex } from "@leat/sdk/protocol/hex.ts";
import { SrtError } from "./errors.ts";

/** What a publisher names: the stream key, or the key's hash, which is no secret and comes with a passphrase. */
export type SrtPublishTarget =
  | { readonly type: "key"; readonly key: string }
  | { readonly type: "hash"; readonly keyHash: Hex };

/** What a viewer names: a stream by its slug, one of its rungs, and what lets it in. */
export interface SrtPlayTarget {
  readonly type: "play";
  readonly slug: string;
  readonly rung: string | undefined;
  readonly token: string | undefined;
}

export type SrtTarget = SrtPublishTarget | SrtPlayTarget;

/** Before the fields of SRT's access control. */
const FIELDS = "#!::";
const MAX_KEY = 256;
const hashName = /^sha256-([A-Za-z0-9_-]{43})$/;
const plainKey = /^[!-~]+$/;
const PLAY = "play:";
/** As in the addresses of a stream's files: `SLUG`, `SLUG/RUNG`, and a token before the rung, `SLUG/~TOKEN/RUNG`. */
const played = /^([A-Za-z0-9_-]{1,64})(?:\/~([A-Za-z0-9._~-]+))?(?:\/([A-Za-z0-9_-]{1,64}))?$/;

/**
 * Reads a stream id in either form. Who publishes says `NAME`, or `#!::r=NAME,m=publish`; who watches `play:SLUG/RUNG`,
 * or `#!::r=SLUG/RUNG,token=TOKEN`, where `m=request` may stand as well: it is SRT's usual mode. Other fields are
 * ignored, in any order.
 * @throws SRT_STREAMID_INVALID, SRT_MODE_UNSUPPORTED
 */
export function parseStreamId(streamId: string): SrtTarget {
  if (streamId.startsWith(PLAY)) return parsePlayed(streamId.slice(PLAY.length));
  if (!streamId.startsWith(FIELDS)) return parseName(streamId);
  const fields = new Map<string, string>();
  for (const field of streamId.slice(FIELDS.length).split(",")) {
    const at = field.indexOf("=");
    const name = field.slice(0, at);
    if (at < 1 || fields.has(name)) throw new SrtError({ code: "SRT_STREAMID_INVALID" });
    fields.set(name, field.slice(at + 1));
  }
  const mode = fields.get("m") ?? "request";
  const name = fields.get("r") ?? "";
  if (mode === "publish") return parseName(name);
  if (mode === "request") return parsePlayed(name, fields.get("token"));
  throw new SrtError({ code: "SRT_MODE_UNSUPPORTED", mode: mode === "bidirectional" ? mode : "unknown" });
}

/** The name of a key that may be seen by whoever sees the packets. */
export function nameOfHash(keyHash: Hex): string {
  return `sha256-${Buffer.from(keyHash.slice(2), "hex").toString("base64url")}`;
}

/** Where a player is sent for a stream's best rung; `/RUNG` behind it names another. */
export function playAddress(url: string, slug: string): string {
  return `${url.replace(/\/$/, "")}?streamid=${PLAY}${slug}`;
}

function parsePlayed(name: string, given?: string): SrtPlayTarget {
  const match = played.exec(name);
  if (match === null) throw new SrtError({ code: "SRT_STREAMID_INVALID" });
  const [, slug, token, rung] = match;
  return { type: "play", slug: slug!, rung, token: given ?? token };
}

function parseName(name: string): SrtPublishTarget {
  const hash = hashName.exec(name)?.[1];
  if (hash !== undefined) {
    const bytes = Buffer.from(hash, "base64url");
    // 43 letters hold two bits more than 32 bytes: one hash has one name.
    if (bytes.toString("base64url") === hash) return { type: "hash", keyHash: bytesToHex(bytes) };
  }
  if (name.length > MAX_KEY || !plainKey.test(name)) throw new SrtError({ code: "SRT_STREAMID_INVALID" });
  return { type: "key", key: name };
}
