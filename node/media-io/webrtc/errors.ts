import { CodedError } from "@leat/sdk/base/errors.ts";

/** Codes of WebRTC as publishers and viewers meet it over HTTP, and of its start. */
export class WebrtcError extends CodedError<
  | { code: "WEBRTC_UNAVAILABLE"; reason: string }
  | { code: "WEBRTC_PORT_BUSY"; host: string; port: number }
  | { code: "WEBRTC_ADDRESS_UNUSABLE"; host: string; port: number; reason: string }
  | { code: "WEBRTC_SECRET_UNREADABLE" | "WEBRTC_SECRET_EMPTY"; file: string }
  | { code: "WEBRTC_TYPE_UNSUPPORTED"; wanted: string }
  | { code: "WEBRTC_SDP_TOO_LARGE"; limit: number }
  | { code: "WEBRTC_SDP_INVALID"; what: string }
  | { code: "WEBRTC_MEDIA_UNSUPPORTED"; what: string }
  | { code: "WEBRTC_CODEC_UNSUPPORTED"; kind: "video" | "audio"; offered: string }
  | { code: "WEBRTC_SESSIONS_EXCEEDED"; limit: number }
  | { code: "WEBRTC_SESSION_UNKNOWN" }
  | { code: "WEBRTC_ETAG_MISSING" }
  | { code: "WEBRTC_ETAG_WRONG" }
  | { code: "WEBRTC_ICE_RESTART_UNSUPPORTED" }
  | { code: "WEBRTC_CANDIDATES_EXCEEDED"; limit: number }
  | { code: "WEBRTC_CONNECT_TIMEOUT"; timeoutMs: number }
  | { code: "WEBRTC_CONNECTION_LOST" }
  | { code: "WEBRTC_STOPPED" }
> {}

export type WebrtcCode = WebrtcError["detail"]["code"];

/** HTTP status and sentence of what a client may be told; what is not here never leaves. */
export const webrtcMeanings: Readonly<Partial<Record<WebrtcCode, readonly [status: number, message: string]>>> = {
  WEBRTC_UNAVAILABLE: [503, "this node does not speak WebRTC now"],
  WEBRTC_TYPE_UNSUPPORTED: [415, "an offer is application/sdp, candidates are application/trickle-ice-sdpfrag"],
  WEBRTC_SDP_TOO_LARGE: [413, "the description is longer than any real one"],
  WEBRTC_SDP_INVALID: [400, "the description cannot be read"],
  WEBRTC_MEDIA_UNSUPPORTED: [422, "one video and one audio are taken, bundled, each over DTLS"],
  WEBRTC_CODEC_UNSUPPORTED: [422, "no codec of the offer is known here: video H.264, VP9 or VP8, audio Opus"],
  WEBRTC_SESSIONS_EXCEEDED: [503, "this node has as many sessions as it takes"],
  WEBRTC_SESSION_UNKNOWN: [404, "no such session, or not any more"],
  WEBRTC_ETAG_MISSING: [428, "candidates name their session's ETag in If-Match"],
  WEBRTC_ETAG_WRONG: [412, "the session has another ETag"],
  WEBRTC_ICE_RESTART_UNSUPPORTED: [422, "sessions are not restarted: post a new offer"],
  WEBRTC_CANDIDATES_EXCEEDED: [422, "the session has more candidates than any real one"],
  WEBRTC_STOPPED: [503, "this node is stopping"],
  WEBRTC_CONNECTION_LOST: [503, "the connection ended before it began; post the offer again"],
};
