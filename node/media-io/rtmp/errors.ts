import { CodedError } from "@leat/sdk/base/errors.ts";

/** Why a connection was ended. A publisher is told the code, never our text. */
export class RtmpError extends CodedError<
  | { code: "RTMP_VERSION_UNKNOWN"; version: number }
  | { code: "RTMP_COMMAND_UNEXPECTED"; command: string }
  | { code: "RTMP_APP_UNKNOWN" }
  | { code: "RTMP_STREAM_NAME_INVALID" }
  | { code: "RTMP_CODEC_UNSUPPORTED"; kind: "video" | "audio"; found: string }
  | { code: "RTMP_CONFIG_TOO_LARGE" | "RTMP_FRAME_TOO_LARGE"; sizeBytes: number; limit: number }
  | { code: "RTMP_CONFIG_CHANGES_EXCEEDED"; limit: number }
  | { code: "RTMP_PUBLISH_TIMEOUT"; timeoutMs: number }
  | { code: "RTMP_IDLE"; timeoutMs: number }
  | { code: "RTMP_PORT_BUSY"; host: string; port: number }
  | { code: "RTMP_ADDRESS_UNUSABLE"; host: string; port: number; reason: string }
> {}
