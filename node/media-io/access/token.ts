import { createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { isIP } from "node:net";
import { MAX_PLAYBACK_TOKEN, MAX_TOKEN_SECONDS, type PlaybackKey } from "@leat/sdk/protocol/playback.ts";
import { PlaybackError } from "./errors.ts";

/** What a token says, checked for its form and its signature. Times are seconds since 1970. */
export interface TokenClaims {
  /** The stream or asset that may be watched: its id or its short form. */
  readonly sub: string;
  readonly exp: number;
  readonly nbf?: number;
  readonly iat?: number;
  readonly ip: readonly string[];
  readonly origin: readonly string[];
}

/** Who asks, as the server sees it. Undefined: not known, and not compared. */
export interface Viewer {
  readonly address?: string | undefined;
  readonly origin?: string | undefined;
}

/** How far the signer's clock may be off. */
const SKEW_SECONDS = 60;
/** Addresses or origins that one token may name. */
const MAX_BOUND = 8;
const BASE64URL = /^[A-Za-z0-9_-]+$/;

/**
 * Reads a JWT and proves who signed it. Its own header chooses nothing: the key that it names says which algorithm
 * there is, so that neither `none` nor an HMAC over a public key comes into question.
 * @throws PlaybackError
 */
export function readToken(token: string, keys: readonly PlaybackKey[]): TokenClaims {
  if (token.length > MAX_PLAYBACK_TOKEN) throw invalid("length");
  const parts = token.split(".");
  const [header, payload, signature] = parts;
  if (parts.length !== 3 || !parts.every((part) => BASE64URL.test(part))) throw invalid("form");
  const { kid, alg, typ, crit } = readJson(header!, "header");
  if (typ !== undefined && (typeof typ !== "string" || typ.toLowerCase() !== "jwt")) throw invalid("typ");
  // Extensions that must be understood: none is.
  if (crit !== undefined) throw invalid("crit");
  const key = keys.find((one) => one.kid === kid);
  if (key === undefined) throw new PlaybackError({ code: "PLAYBACK_TOKEN_KEY_UNKNOWN" });
  if (alg !== key.alg) throw invalid("alg");
  const claims = readClaims(readJson(payload!, "payload"));
  const signed = Buffer.from(`${header}.${payload}`);
  if (!verifyBytes(key, signed, Buffer.from(signature!, "base64url"))) {
    throw new PlaybackError({ code: "PLAYBACK_TOKEN_SIGNATURE_WRONG" });
  }
  return claims;
}

/** Whether what was read holds here and now. @param names The stream's id and its short form. @throws PlaybackError */
export function checkClaims(claims: TokenClaims, names: readonly string[], viewer: Viewer, nowMs: number): void {
  const now = nowMs / 1_000;
  if (claims.exp + SKEW_SECONDS <= now) throw new PlaybackError({ code: "PLAYBACK_TOKEN_EXPIRED" });
  if ((claims.nbf ?? 0) - SKEW_SECONDS > now || (claims.iat ?? 0) - SKEW_SECONDS > now) {
    throw new PlaybackError({ code: "PLAYBACK_TOKEN_EARLY" });
  }
  // Without `iat` what is left of it counts.
  const seconds = claims.exp - (claims.iat ?? now + SKEW_SECONDS);
  if (seconds > MAX_TOKEN_SECONDS) {
    throw new PlaybackError({ code: "PLAYBACK_TOKEN_LIFETIME_LONG", seconds, most: MAX_TOKEN_SECONDS });
  }
  if (!names.includes(claims.sub)) throw new PlaybackError({ code: "PLAYBACK_TOKEN_STREAM_WRONG" });
  const { address, origin } = viewer;
  if (address !== undefined && claims.ip.length > 0 && !claims.ip.includes(plainAddress(address))) {
    throw new PlaybackError({ code: "PLAYBACK_TOKEN_ADDRESS_WRONG" });
  }
  if (claims.origin.length > 0 && (origin === undefined || !claims.origin.includes(origin))) {
    throw new PlaybackError({ code: "PLAYBACK_TOKEN_ORIGIN_WRONG" });
  }
}

/** Signs as a buyer's server does. */
export function signToken(
  { kid, privateKey }: { readonly kid: string; readonly privateKey: KeyObject },
  claims: Readonly<Record<string, unknown>>,
): string {
  const isEd = privateKey.asymmetricKeyType === "ed25519";
  const header = { alg: isEd ? "EdDSA" : "ES256", typ: "JWT", kid };
  const text = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  const key = { key: privateKey, dsaEncoding: "ieee-p1363" as const };
  return `${text}.${sign(isEd ? null : "sha256", Buffer.from(text), key).toString("base64url")}`;
}

/** One spelling for one address: a server that listens on both families sees IPv4 as `::ffff:192.0.2.1`. */
export function plainAddress(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  return isIP(address) === 6 ? new URL(`http://[${address.split("%")[0]}]`).hostname.slice(1, -1) : address;
}

/** Made once for each key of each policy: taking in a point costs more than a signature's check. */
const imported = new WeakMap<PlaybackKey, KeyObject>();

function verifyBytes(key: PlaybackKey, bytes: Uint8Array, signature: Uint8Array): boolean {
  // Both algorithms' signatures are two numbers of 32 bytes.
  if (signature.length !== 64) return false;
  let known = imported.get(key);
  if (known === undefined) {
    known = createPublicKey({ key: { ...key.publicKey }, format: "jwk" });
    imported.set(key, known);
  }
  const isEd = key.alg === "EdDSA";
  return verify(isEd ? null : "sha256", bytes, { key: known, dsaEncoding: "ieee-p1363" }, signature);
}

function readJson(part: string, what: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Told below: what stands there is nobody's business.
  }
  throw invalid(what);
}

function readClaims({ sub, exp, nbf, iat, ip, origin }: Record<string, unknown>): TokenClaims {
  if (typeof sub !== "string" || sub.length > 128) throw invalid("sub");
  if (!isTime(exp)) throw invalid("exp");
  if (nbf !== undefined && !isTime(nbf)) throw invalid("nbf");
  if (iat !== undefined && !isTime(iat)) throw invalid("iat");
  const addresses = readList(ip, "ip").map((text) => {
    if (isIP(text) === 0) throw invalid("ip");
    return plainAddress(text);
  });
  return {
    sub,
    exp,
    ...(nbf === undefined ? {} : { nbf }),
    ...(iat === undefined ? {} : { iat }),
    ip: addresses,
    origin: readList(origin, "origin"),
  };
}

function isTime(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

/** A claim that binds, and is empty, would bind to nothing: it is refused rather than taken for absent. */
function readList(value: unknown, what: string): string[] {
  if (value === undefined) return [];
  const list: unknown[] = Array.isArray(value) ? value : [value];
  if (list.length === 0 || list.length > MAX_BOUND) throw invalid(what);
  return list.map((item) => {
    if (typeof item !== "string" || item === "" || item.length > 256) throw invalid(what);
    return item;
  });
}

function invalid(what: string): PlaybackError {
  return new PlaybackError({ code: "PLAYBACK_TOKEN_INVALID", what });
}
