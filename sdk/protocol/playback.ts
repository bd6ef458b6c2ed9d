import { type Static, Type } from "typebox";
import { addressSchema, closedObject, listSchema } from "./schemas.ts";

/** Who may watch a stream: set by its buyer, kept by the balancer, given to every edge with the job. */

/** Keys of one policy: a few that are in use, and the next ones while keys are rotated. */
export const MAX_PLAYBACK_KEYS = 16;
/** A token with a few claims has some 300 characters; it travels in every address that a player asks for. */
export const MAX_PLAYBACK_TOKEN = 2_048;
/** How long a token may stand: a week, as the longest stream. What is lost or leaked ends by itself. */
export const MAX_TOKEN_SECONDS = 604_800;
/** How long a webhook's answer may be kept. */
export const MAX_WEBHOOK_TTL_SECONDS = 3_600;

const coordinate = Type.String({ pattern: "^[A-Za-z0-9_-]{43}$" });
export const keyIdSchema = Type.String({ pattern: "^[A-Za-z0-9._-]{1,64}$" });

/** A public key as JWK, with nothing beside its point: a private key does not pass. */
export const playbackKeySchema = Type.Union([
  closedObject({
    kid: keyIdSchema,
    alg: Type.Literal("ES256"),
    publicKey: closedObject({ kty: Type.Literal("EC"), crv: Type.Literal("P-256"), x: coordinate, y: coordinate }),
  }),
  closedObject({
    kid: keyIdSchema,
    alg: Type.Literal("EdDSA"),
    publicKey: closedObject({ kty: Type.Literal("OKP"), crv: Type.Literal("Ed25519"), x: coordinate }),
  }),
]);
export type PlaybackKey = Static<typeof playbackKeySchema>;

/** One more than a buyer may set: the balancer's own, by which the buyer's agent gets in. */
const keysSchema = listSchema(playbackKeySchema, MAX_PLAYBACK_KEYS + 1);
const webhookUrlSchema = Type.String({ pattern: "^https?://[!-~]+$", maxLength: 512 });
/** Shared by a buyer's server and whoever asks or tells it: the edges of a stream, the balancer for its events. */
export const webhookSecretSchema = Type.String({ pattern: "^[!-~]{16,128}$" });

/** As edges get it. A policy that an edge does not know does not pass its schema, and the edge refuses the job. */
export const playbackPolicySchema = Type.Union([
  closedObject({ type: Type.Literal("public") }),
  closedObject({ type: Type.Literal("jwt"), keys: keysSchema }),
  closedObject({
    type: Type.Literal("webhook"),
    url: webhookUrlSchema,
    secret: webhookSecretSchema,
    /** Tokens signed by these need no webhook. */
    keys: keysSchema,
    /** Whose stream it is, as the balancer says: all of a buyer's streams share the places at which owners are asked. */
    buyer: Type.Optional(addressSchema),
    /** Whether viewers get in while the webhook cannot be asked; they do not where it is absent. */
    failOpen: Type.Optional(Type.Boolean()),
  }),
]);
export type PlaybackPolicy = Static<typeof playbackPolicySchema>;
export type WebhookPolicy = Extract<PlaybackPolicy, { type: "webhook" }>;

/** As a buyer writes it: keys as JWK or as PEM. */
export const playbackRequestSchema = Type.Union([
  closedObject({ type: Type.Literal("public") }),
  closedObject({
    type: Type.Literal("jwt"),
    keys: Type.Array(
      closedObject({
        kid: keyIdSchema,
        alg: Type.Union([Type.Literal("ES256"), Type.Literal("EdDSA")]),
        publicKey: Type.Union([
          Type.String({ minLength: 1, maxLength: 1_024 }),
          Type.Record(Type.String({ maxLength: 16 }), Type.String({ maxLength: 512 }), { maxProperties: 12 }),
        ]),
      }),
      { minItems: 1, maxItems: MAX_PLAYBACK_KEYS },
    ),
  }),
  closedObject({
    type: Type.Literal("webhook"),
    url: webhookUrlSchema,
    secret: webhookSecretSchema,
    failOpen: Type.Optional(Type.Boolean()),
  }),
]);
export type PlaybackRequest = Static<typeof playbackRequestSchema>;
