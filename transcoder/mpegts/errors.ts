import { CodedError } from "@leat/sdk/base/errors.ts";

/** Why an MPEG transport stream cannot be taken in. */
export class MpegTsError extends CodedError<
  | { code: "MPEGTS_SYNC_LOST"; sizeBytes: number }
  | { code: "MPEGTS_PACKET_SIZE_UNSUPPORTED"; packetBytes: number }
  | { code: "MPEGTS_PROGRAM_MISSING"; packets: number }
  | { code: "MPEGTS_CODEC_UNSUPPORTED"; kind: "video" | "audio"; found: string }
  | { code: "MPEGTS_SCRAMBLED"; pid: number }
  | { code: "MPEGTS_CONFIG_TOO_LARGE" | "MPEGTS_FRAME_TOO_LARGE"; sizeBytes: number; limit: number }
  | { code: "MPEGTS_CONFIG_CHANGES_EXCEEDED"; limit: number }
> {}
