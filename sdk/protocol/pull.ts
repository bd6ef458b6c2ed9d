import { type Static, Type } from "typebox";
import { closedObject } from "./schemas.ts";

/** Where a stream comes from that nobody publishes: an ingest node fetches it. May hold a password. */
export const pullUrlSchema = Type.String({
  minLength: 8,
  maxLength: 2_048,
  pattern: "^[A-Za-z][A-Za-z0-9+.-]*:[!-~]+$",
});

/** `always`: from the stream's making on. `viewers`: from the first viewer on, until some time after the last has left. */
export const pullWhenSchema = Type.Union([Type.Literal("always"), Type.Literal("viewers")]);
export type PullWhen = Static<typeof pullWhenSchema>;

/** As a buyer writes it. */
export const pullRequestSchema = closedObject({ url: pullUrlSchema, when: Type.Optional(pullWhenSchema) });
export type PullRequest = Static<typeof pullRequestSchema>;

/** As the balancer keeps it. */
export interface PullSetting {
  readonly url: string;
  readonly when: PullWhen;
}

/** What kinds of source a node may say that it fetches. */
export const pullSchemeSchema = Type.String({ pattern: "^[a-z]{3,8}$" });

/** With these a node gives a source back: it tries no more by itself. */
export const pullGivenBack: ReadonlySet<string> = new Set([
  "PULL_PULLS_EXCEEDED",
  "PULL_NOT_YOURS",
  "STREAM_ENDED",
  "STREAM_UNKNOWN",
]);
