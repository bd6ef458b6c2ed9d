import { CodedError } from "@leat/sdk/base/errors.ts";

/** Why a publish by WHIP is refused or ends. */
export class WhipError extends CodedError<
  | { code: "WHIP_KEY_MISSING" }
  | { code: "WHIP_TICKET_INVALID" }
  | { code: "WHIP_NOTHING_SENT" }
  | { code: "WHIP_FRAME_TOO_LARGE"; limit: number }
  | { code: "WHIP_CONFIG_CHANGES_EXCEEDED"; limit: number }
  | { code: "WHIP_PICTURES_REORDERED" }
  | { code: "WHIP_LAYERS_UNSUPPORTED"; layer: number }
  | { code: "WHIP_IDLE"; timeoutMs: number }
  | { code: "WHIP_SINK_BEHIND"; limit: number }
> {}

export type WhipCode = WhipError["detail"]["code"];

/** What is answered over HTTP; the others end a session that has begun. */
export const whipMeanings: Readonly<Partial<Record<WhipCode, readonly [status: number, message: string]>>> = {
  WHIP_KEY_MISSING: [401, "give the stream key: /whip/KEY or Authorization: Bearer"],
  WHIP_TICKET_INVALID: [401, "this is no ticket: post to the front door again"],
  WHIP_NOTHING_SENT: [422, "the offer sends neither video nor audio"],
};
