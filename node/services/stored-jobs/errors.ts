import { CodedError } from "@leat/sdk/base/errors.ts";

export class StoredJobError extends CodedError<
  | { code: "STORED_JOB_INVALID"; field: string }
  | { code: "STORED_JOB_TOO_LONG"; seconds: number; most: number }
  | { code: "STORED_JOB_TOO_LARGE"; sizeBytes: number; most: number }
  | { code: "STORED_JOB_LENGTH_MISSING" }
  | { code: "STORED_JOB_CODEC_UNSOLD"; codec: string }
  | { code: "STORED_JOB_BUSY" }
  | { code: "STORED_JOB_UNREADABLE"; reason: string }
  | { code: "STORED_JOB_BEYOND_DECLARED"; declaredPixels: bigint; foundPixels: bigint }
  | { code: "STORED_JOB_TIMED_OUT"; limitMs: number }
  | { code: "STORED_JOB_FAILED"; reason: string }
  | { code: "STORED_JOB_CUT_OFF" }
  | { code: "STORED_JOB_ABANDONED" }
  | { code: "STORED_JOB_FILE_UNKNOWN" }
> {}
