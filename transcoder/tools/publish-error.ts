import { CodedError } from "@leat/sdk/base/errors.ts";
import type { TranscodeErrorDetail } from "../errors.ts";

export type PublishErrorDetail =
  | { code: "PUBLISH_URL_INVALID"; url: string }
  | { code: "PUBLISH_UNREACHABLE"; host: string; reason: string }
  /** The server said no, in its own words: `NetStream.Publish.BadName`, for example. */
  | { code: "PUBLISH_REFUSED"; status: string; description: string }
  | { code: "PUBLISH_LOST"; reason: string }
  | { code: "PUBLISH_INPUT_FAILED"; cause: TranscodeErrorDetail };

/** Why a test publisher could not publish. The stream key stands in no detail. */
export class PublishError extends CodedError<PublishErrorDetail> {}
