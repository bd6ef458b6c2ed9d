import { createPublicKey, type KeyObject } from "node:crypto";
import { CodedError } from "@leat/sdk/base/errors.ts";
import {
  type PlaybackKey,
  type PlaybackPolicy,
  type PlaybackRequest,
  playbackKeySchema,
} from "@leat/sdk/protocol/playback.ts";
import { Value } from "typebox/value";

/** A policy that a buyer wrote and that cannot be one. */
export class PolicyError extends CodedError<
  | { code: "PLAYBACK_KEY_INVALID" | "PLAYBACK_KEY_PRIVATE" | "PLAYBACK_KEY_TWICE"; kid: string }
  | { code: "PLAYBACK_KEY_ALGORITHM_WRONG"; kid: string; wanted: string }
  | { code: "PLAYBACK_WEBHOOK_URL_INVALID" }
  | { code: "PLAYBACK_WEBHOOK_SCHEME_REFUSED"; scheme: string }
  | { code: "PLAYBACK_WEBHOOK_ADDRESS_REFUSED"; host: string }
> {}

const curves = { ES256: "P-256", EdDSA: "Ed25519" } as const;

/** Refuses an owner's server that no viewer could ever be asked about at. @throws PolicyError */
export type JudgeOwner = (url: URL) => Promise<void>;

/** The policy as it is kept: every key as its bare public point. @throws PolicyError */
export async function readPolicy(request: PlaybackRequest, judgeOwner: JudgeOwner): Promise<PlaybackPolicy> {
  switch (request.type) {
    case "public":
      return request;
    case "jwt": {
      const keys = request.keys.map(readKey);
      for (const [at, { kid }] of keys.entries()) {
        if (keys.findIndex((other) => other.kid === kid) === at) continue;
        throw new PolicyError({ code: "PLAYBACK_KEY_TWICE", kid }, { message: `two keys are called ${kid}` });
      }
      return { type: "jwt", keys };
    }
    case "webhook": {
      const url = URL.parse(request.url);
      if (url === null || url.username !== "" || url.password !== "" || url.hash !== "") {
        const message = "the webhook's address cannot be read, or has a name, a password or a fragment in it";
        throw new PolicyError({ code: "PLAYBACK_WEBHOOK_URL_INVALID" }, { message });
      }
      await judgeOwner(url);
      return { ...request, url: url.href, keys: [] };
    }
  }
}

function readKey({ kid, alg, publicKey }: Extract<PlaybackRequest, { type: "jwt" }>["keys"][number]): PlaybackKey {
  const isPrivate = typeof publicKey === "string" ? publicKey.includes("PRIVATE KEY") : publicKey.d !== undefined;
  if (isPrivate) {
    const message = `the key ${kid} is a private one: it belongs to your server alone; give its public part`;
    throw new PolicyError({ code: "PLAYBACK_KEY_PRIVATE", kid }, { message });
  }
  let key: KeyObject;
  try {
    // What is no point of its curve does not pass here.
    key = createPublicKey(typeof publicKey === "string" ? publicKey : { key: { ...publicKey }, format: "jwk" });
  } catch (cause) {
    const message = `the key ${kid} is neither a public key in PEM nor a JWK`;
    throw new PolicyError({ code: "PLAYBACK_KEY_INVALID", kid }, { cause, message });
  }
  const found = { kid, alg, publicKey: key.asymmetricKeyType === "rsa" ? {} : key.export({ format: "jwk" }) };
  if (Value.Check(playbackKeySchema, found)) return found;
  const message = `the key ${kid} is of another kind than ${alg} wants: ${curves[alg]}`;
  throw new PolicyError({ code: "PLAYBACK_KEY_ALGORITHM_WRONG", kid, wanted: curves[alg] }, { message });
}
