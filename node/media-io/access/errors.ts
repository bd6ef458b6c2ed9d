import { CodedError } from "@leat/sdk/base/errors.ts";

/** Why somebody may not watch. A viewer is told the code and a sentence about it, never a fact of the policy. */
export class PlaybackError extends CodedError<
  | { code: "PLAYBACK_TOKEN_MISSING" }
  | { code: "PLAYBACK_TOKEN_INVALID"; what: string }
  | { code: "PLAYBACK_TOKEN_KEY_UNKNOWN" }
  | { code: "PLAYBACK_TOKEN_SIGNATURE_WRONG" }
  | { code: "PLAYBACK_TOKEN_EXPIRED" }
  | { code: "PLAYBACK_TOKEN_EARLY" }
  | { code: "PLAYBACK_TOKEN_LIFETIME_LONG"; seconds: number; most: number }
  | { code: "PLAYBACK_TOKEN_STREAM_WRONG" }
  | { code: "PLAYBACK_TOKEN_ADDRESS_WRONG" }
  | { code: "PLAYBACK_TOKEN_ORIGIN_WRONG" }
  | { code: "PLAYBACK_WEBHOOK_REFUSED" }
  | { code: "PLAYBACK_WEBHOOK_UNREACHABLE" }
  | { code: "PLAYBACK_WEBHOOK_BUSY" }
> {
  constructor(detail: PlaybackError["detail"], cause?: unknown) {
    super(detail, { message: playbackMeanings[detail.code][1], cause });
  }
}

export type PlaybackCode = PlaybackError["detail"]["code"];

/** HTTP status and sentence of each. */
export const playbackMeanings: Readonly<Record<PlaybackCode, readonly [status: number, message: string]>> = {
  PLAYBACK_TOKEN_MISSING: [401, "the stream is not public: add ?token= or Authorization: Bearer"],
  PLAYBACK_TOKEN_INVALID: [401, "the token cannot be read, or is not of a kind that is taken"],
  PLAYBACK_TOKEN_KEY_UNKNOWN: [401, "the stream has no key of the token's kid"],
  PLAYBACK_TOKEN_SIGNATURE_WRONG: [401, "the token was not signed by the key that it names"],
  PLAYBACK_TOKEN_EXPIRED: [401, "the token has expired"],
  PLAYBACK_TOKEN_EARLY: [401, "the token does not stand yet"],
  PLAYBACK_TOKEN_LIFETIME_LONG: [401, "the token stands for longer than a week"],
  PLAYBACK_TOKEN_STREAM_WRONG: [403, "the token is for another stream"],
  PLAYBACK_TOKEN_ADDRESS_WRONG: [403, "the token is for another address"],
  PLAYBACK_TOKEN_ORIGIN_WRONG: [403, "the token is for pages of another origin"],
  PLAYBACK_WEBHOOK_REFUSED: [403, "the stream's owner does not let this viewer in"],
  PLAYBACK_WEBHOOK_UNREACHABLE: [503, "the stream's owner cannot be asked now"],
  PLAYBACK_WEBHOOK_BUSY: [503, "too many viewers are being asked about; come back in a moment"],
};
