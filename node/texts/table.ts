import { CodedError, type ErrorDetail, isCodedError } from "@leat/sdk/base/errors.ts";
import { isFileReason } from "@leat/sdk/base/file-reasons.ts";
import { chainTexts } from "./chain.ts";
import { clusterTexts } from "./clusters.ts";
import { commandTexts } from "./commands.ts";
import { describeError, type ErrorTexts } from "./error-text.ts";
import { marketTexts } from "./market.ts";
import { mediaTexts } from "./media.ts";
import { paymentTexts } from "./payments.ts";
import { settingTexts } from "./settings.ts";

/** A file failed that no part has a code of its own for: the disk filled up, say. */
export class FileError extends CodedError<{ code: "FILE_UNUSABLE"; path: string; reason: string }> {}

/** Every code that a person can meet at a command line or in an answer over HTTP. */
export const errorTexts: ErrorTexts = {
  ...settingTexts,
  ...chainTexts,
  ...clusterTexts,
  ...marketTexts,
  ...paymentTexts,
  ...mediaTexts,
  ...commandTexts,
};

/** What happened and what to do, for people; programs look at the code and its facts. */
export function explainError(error: CodedError<ErrorDetail>): string {
  return describeError(error, errorTexts);
}

/** A failure's code, facts and message, as JSON shows it; undefined for a bug, which keeps its stack. */
export function describeFailure(error: unknown): (ErrorDetail & { readonly message: string }) | undefined {
  const coded = isCodedError(error) ? error : fileErrorOf(error);
  return coded === undefined ? undefined : { ...coded.detail, message: explainError(coded) };
}

function fileErrorOf(error: unknown): FileError | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, path, syscall } = error as NodeJS.ErrnoException;
  if (code === undefined || syscall === undefined || !isFileReason(code)) return undefined;
  return new FileError({ code: "FILE_UNUSABLE", path: path ?? "a file", reason: code }, { cause: error });
}
