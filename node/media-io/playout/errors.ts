import { CodedError } from "@leat/sdk/base/errors.ts";

/** Why a viewer by SRT or by one file gets no stream. */
export class PlayoutError extends CodedError<
  | { code: "PLAYOUT_STREAM_UNKNOWN" }
  | { code: "PLAYOUT_STREAM_ENDED" }
  | { code: "PLAYOUT_RUNG_UNKNOWN" }
  | { code: "PLAYOUT_RUNG_EMPTY" }
  | { code: "PLAYOUT_CODEC_UNSUPPORTED"; codec: string }
  | { code: "PLAYOUT_CONFIG_CHANGED"; rung: number }
  | { code: "PLAYOUT_STREAM_PAID" }
  | { code: "PLAYOUT_VIEWERS_EXCEEDED"; limit: number }
> {}

/** HTTP status and sentence of each; SRT tells the same numbers with 1,000 added. */
export const playoutMeanings: Readonly<
  Record<PlayoutError["detail"]["code"], readonly [status: number, message: string]>
> = {
  PLAYOUT_STREAM_UNKNOWN: [404, "no such stream is served here"],
  PLAYOUT_STREAM_ENDED: [410, "the stream is over"],
  PLAYOUT_RUNG_EMPTY: [503, "the rung has not begun; ask again in a moment"],
  PLAYOUT_RUNG_UNKNOWN: [404, "the stream has no such rung"],
  PLAYOUT_CODEC_UNSUPPORTED: [415, "the rung's codec cannot be carried this way: take another rung"],
  PLAYOUT_CONFIG_CHANGED: [409, "the rung became one of another kind, which one file cannot hold: take another rung"],
  PLAYOUT_STREAM_PAID: [402, "viewers pay for this stream, which they can by HLS alone"],
  PLAYOUT_VIEWERS_EXCEEDED: [503, "too many watch here this way; come back later"],
};
