import { CodedError } from "@leat/sdk/base/errors.ts";

export type TranscodeErrorDetail =
  | { code: "LADDER_INVALID"; at: string; reason: string }
  | { code: "LADDER_EMPTY" }
  | { code: "LADDER_NAME_DUPLICATE"; name: string }
  | { code: "LADDER_CODEC_UNKNOWN"; name: string; codec: string }
  | { code: "LADDER_SOURCE_INVALID"; width: number; height: number }
  | { code: "LADDER_RUNGS_TOO_SMALL"; codecs: string; width: number; height: number }
  | { code: "TRANSCODE_INPUT_MISSING"; input: string }
  | { code: "TRANSCODE_INPUT_NOT_A_FILE"; input: string }
  | { code: "TRANSCODE_INPUT_EMPTY"; input: string }
  | { code: "TRANSCODE_INPUT_UNREADABLE"; input: string; reason: string }
  | { code: "TRANSCODE_INPUT_TRUNCATED"; input: string; framesDeclared: number; framesFound: number }
  | { code: "TRANSCODE_INPUT_NO_VIDEO"; input: string }
  | { code: "TRANSCODE_INPUT_NO_PICTURE"; input: string }
  | { code: "TRANSCODE_OUTPUT_UNWRITABLE"; path: string; reason: string }
  | { code: "TRANSCODE_DISK_FULL"; path: string }
  | { code: "TRANSCODE_ENCODER_MISSING"; codec: string; engine: string }
  | { code: "TRANSCODE_ENCODER_FAILED"; codec: string; reason: string }
  | { code: "TRANSCODE_DECODER_MISSING"; codec: string; engine: string }
  | { code: "TRANSCODE_DECODER_FAILED"; codec: string; reason: string }
  | { code: "TRANSCODE_BITSTREAM_INVALID"; codec: string; reason: string }
  | { code: "TRANSCODE_MESSAGE_INVALID"; reason: string }
  | { code: "TRANSCODE_PROGRAM_MISSING"; program: string; install: string }
  | { code: "TRANSCODE_PROGRAM_FAILED"; program: string; reason: string }
  | { code: "TRANSCODE_WORKER_LOST"; exitCode: number | null; signal: string | null; lastWords: string }
  | { code: "TRANSCODE_WORKER_STALLED"; limitMs: number }
  | { code: "TRANSCODE_ENGINE_UNKNOWN"; engine: string }
  | { code: "TRANSCODE_ENGINE_MISSING"; engine: string; install: string }
  | { code: "TRANSCODE_GATEWAY_UNSET" }
  | { code: "TRANSCODE_GATEWAY_UNREACHABLE"; reason: string }
  | { code: "TRANSCODE_GATEWAY_SLOW"; timeoutMs: number }
  | { code: "TRANSCODE_GATEWAY_REFUSED"; status: number; reason: string }
  | { code: "TRANSCODE_GATEWAY_REDIRECTED"; status: number }
  | { code: "TRANSCODE_GATEWAY_SEGMENT_TOO_LARGE"; limitBytes: number }
  | { code: "TRANSCODE_GATEWAY_ANSWER_INVALID"; reason: string }
  | { code: "TRANSCODE_GATEWAY_ANSWER_CUT" }
  | { code: "TRANSCODE_GATEWAY_ANSWER_TOO_LARGE"; what: string; limit: number }
  | { code: "TRANSCODE_GATEWAY_RENDITIONS_WRONG"; wanted: string; found: string }
  | { code: "TRANSCODE_GATEWAY_MEDIA_INVALID"; rendition: string; reason: string }
  | { code: "TRANSCODE_GATEWAY_SIZE_WRONG"; rendition: string; wanted: string; found: string }
  | { code: "TRANSCODE_GATEWAY_PICTURES_WRONG"; rendition: string; wanted: string; found: string };

/** What a transcode cannot do, and why. Codes begin with LADDER_ or TRANSCODE_. */
export class TranscodeError extends CodedError<TranscodeErrorDetail> {}

export function isCoded(error: unknown): error is TranscodeError {
  return error instanceof TranscodeError;
}
