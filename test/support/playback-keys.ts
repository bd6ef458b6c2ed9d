import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { signToken } from "@leat/node/media-io/access/token.ts";
import type { PlaybackKey } from "@leat/sdk/protocol/playback.ts";

export interface PlaybackSigner {
  readonly key: PlaybackKey;
  readonly privateKey: KeyObject;
  sign(claims: Readonly<Record<string, unknown>>): string;
}

/** A key pair as a buyer's server holds it. */
export function makePlaybackSigner(alg: PlaybackKey["alg"], kid = "k1"): PlaybackSigner {
  const { privateKey, publicKey } =
    alg === "EdDSA" ? generateKeyPairSync("ed25519") : generateKeyPairSync("ec", { namedCurve: "P-256" });
  const key = { kid, alg, publicKey: publicKey.export({ format: "jwk" }) } as PlaybackKey;
  return { key, privateKey, sign: (claims) => signToken({ kid, privateKey }, claims) };
}
