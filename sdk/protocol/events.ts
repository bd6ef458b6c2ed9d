import { type Static, Type } from "typebox";
import { webhookSecretSchema } from "./playback.ts";
import { closedObject } from "./schemas.ts";

/** What an account's servers are told of, by webhook. docs/buyers/webhooks.md says what each carries. */
export const eventTypes = ["stream.started", "stream.ended", "stream.health", "viewer.refused", "balance.low"] as const;
export const eventTypeSchema = Type.Union(eventTypes.map((type) => Type.Literal(type)));
export type EventType = (typeof eventTypes)[number];

/** The body of a webhook. The same `id` again is the same event: it is told at least once. */
export interface WebhookEvent {
  readonly id: string;
  readonly type: EventType;
  /** Milliseconds since 1970. */
  readonly createdAtMs: number;
  readonly data: Readonly<Record<string, unknown>>;
}

/** 12 random bytes as base64url. */
export const endpointIdSchema = Type.String({ pattern: "^[A-Za-z0-9_-]{16}$" });

export const endpointRequestSchema = closedObject({
  url: Type.String({ pattern: "^https?://[!-~]+$", maxLength: 512 }),
  secret: webhookSecretSchema,
  /** All where it is absent. */
  events: Type.Optional(Type.Array(eventTypeSchema, { minItems: 1, maxItems: eventTypes.length, uniqueItems: true })),
});
export type EndpointRequest = Omit<Static<typeof endpointRequestSchema>, "events"> & {
  readonly events?: readonly EventType[];
};
