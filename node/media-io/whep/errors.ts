import { CodedError } from "@leat/sdk/base/errors.ts";

/** Why a viewer gets no stream by WHEP. */
export class WhepError extends CodedError<
  | { code: "WHEP_STREAM_UNKNOWN" }
  | { code: "WHEP_STREAM_ENDED" }
  | { code: "WHEP_RUNG_UNKNOWN" }
  | { code: "WHEP_NOTHING_WANTED" }
  | { code: "WHEP_CODEC_UNSUPPORTED"; offered: string }
  | { code: "WHEP_PICTURES_REORDERED" }
  | { code: "WHEP_STREAM_PAID" }
  | { code: "WHEP_CONNECTING_EXCEEDED"; limit: number }
> {}

/** HTTP status and sentence of each. */
export const whepMeanings: Readonly<Record<WhepError["detail"]["code"], readonly [status: number, message: string]>> = {
  WHEP_STREAM_UNKNOWN: [404, "no such stream is served here"],
  WHEP_STREAM_ENDED: [410, "the stream is over here"],
  WHEP_RUNG_UNKNOWN: [404, "the stream has no such rung"],
  WHEP_NOTHING_WANTED: [422, "the offer receives neither video nor audio"],
  WHEP_CODEC_UNSUPPORTED: [422, "the stream has no rung in a codec of the offer: H.264, VP9 and AV1 are known"],
  WHEP_PICTURES_REORDERED: [422, "the rung's pictures refer to later ones, which WebRTC cannot show: take another"],
  WHEP_STREAM_PAID: [402, "viewers pay for this stream, which they can by HLS alone"],
  WHEP_CONNECTING_EXCEEDED: [429, "too many sessions of this address have not connected; come back in a moment"],
};
