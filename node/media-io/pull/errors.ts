import { CodedError } from "@leat/sdk/base/errors.ts";

/** Why a source is not pulled. The buyer is told the code and none of the facts: they tell what is around this node. */
export class PullError extends CodedError<
  | { code: "PULL_URL_INVALID" }
  | { code: "PULL_PASSPHRASE_INVALID" }
  | { code: "PULL_SCHEME_REFUSED"; scheme: string }
  | { code: "PULL_ADDRESS_LOOPBACK"; host: string }
  | { code: "PULL_ADDRESS_PRIVATE"; host: string }
  | { code: "PULL_ADDRESS_SHARED"; host: string }
  | { code: "PULL_ADDRESS_LINK_LOCAL"; host: string }
  | { code: "PULL_ADDRESS_MULTICAST"; host: string }
  | { code: "PULL_ADDRESS_MAPPED"; host: string }
  | { code: "PULL_ADDRESS_NAT64"; host: string }
  | { code: "PULL_ADDRESS_RESERVED"; host: string }
  /** Also for a name that leads inside: whether it has an address there is nobody's business. */
  | { code: "PULL_NAME_REFUSED"; host: string; reason: "unknown" | "inside" }
  | { code: "PULL_REDIRECTS_EXCEEDED"; limit: number }
  | { code: "PULL_REDIRECT_INSECURE" }
  | { code: "PULL_STATUS_REFUSED"; status: number }
  | { code: "PULL_UNREACHABLE"; reason: string }
  /** Nobody there, or it says no: a wrong passphrase, an unknown stream id. */
  | { code: "PULL_SRT_UNANSWERED"; reason: number }
  /** A server by RTMP that says no; `status` is its own word. */
  | { code: "PULL_RTMP_REFUSED"; status: string }
  | { code: "PULL_RTSP_INVALID"; what: string }
  | { code: "PULL_TIMEOUT"; timeoutMs: number }
  | { code: "PULL_IDLE"; timeoutMs: number }
  | { code: "PULL_SOURCE_LOST" }
  | { code: "PULL_SOURCE_EMPTY" }
  | { code: "PULL_PLAYLIST_TOO_LARGE" | "PULL_SEGMENT_TOO_LARGE" | "PULL_FRAME_TOO_LARGE"; limit: number }
  | { code: "PULL_PLAYLIST_STALLED"; timeoutMs: number }
  | { code: "PULL_SEGMENT_UNSUPPORTED" }
  | { code: "PULL_CODEC_UNSUPPORTED"; found: string }
  | { code: "PULL_CONFIG_CHANGES_EXCEEDED"; limit: number }
  | { code: "PULL_PULLS_EXCEEDED"; limit: number }
> {}
