import type { CodedError, ErrorDetail } from "@leat/sdk/base/errors.ts";
import { describeFileReason } from "@leat/sdk/base/file-reasons.ts";
import { formatTime } from "@leat/sdk/base/format-time.ts";
import { formatAmount } from "@leat/sdk/protocol/units.ts";

/**
 * What a person is told of one code. `{name}` stands for a fact of the error; `{name|ether}` is in wei, `{name|exact}`
 * in 10^-30 of a token, `{name|deposit}` the same rounded up to what can be put in, `{name|token}` in base units of the error's `decimals`, and all are shown as whole ones;
 * `{name|percent}` is in millionths and shown in per cent; `{name|time}` is in seconds since 1970, `{name|file}` is the system's code for a file's failure, `{name|error}` another error's facts, in whose place its own
 * text stands.
 */
export interface ErrorText {
  /** What happened, to what. Left out where every place that throws the code says it in a sentence of its own. */
  readonly happened?: string;
  /** What to do next. Left out where the sentence says that too. */
  readonly todo?: string;
}

export type ErrorTexts = Readonly<Record<string, ErrorText>>;

/** Whoever throws the code knows more than a text could: its sentence holds all. */
export const saidByThrower: ErrorText = {};

const decimalsBy: Readonly<Record<string, number>> = { ether: 18, gwei: 9, exact: 30, percent: 4 };

/** One sentence for people: what happened, then what to do. The code is not in it. */
export function describeError(error: CodedError<ErrorDetail>, texts: ErrorTexts): string {
  return describeDetail(error.detail, texts, error.sentence);
}

function describeDetail(detail: ErrorDetail, texts: ErrorTexts, sentence?: string): string {
  const text = texts[detail.code];
  const happened = sentence ?? fill(text?.happened, detail, texts) ?? listFacts(detail);
  const todo = fill(text?.todo, detail, texts);
  return [happened, todo].filter((part) => part !== undefined && part !== "").join("; ");
}

function fill(template: string | undefined, detail: ErrorDetail, texts: ErrorTexts): string | undefined {
  const facts = detail as unknown as Readonly<Record<string, unknown>>;
  return template?.replace(/\{(\w+)(?:\|(\w+))?\}/g, (_, name: string, unit: string | undefined) => {
    const fact = facts[name];
    if (unit === "file") return describeFileReason(String(fact));
    if (unit === "time") return formatTime(fact as bigint);
    if (unit === "error") return describeDetail(fact as ErrorDetail, texts);
    if (unit === "deposit" && typeof fact === "bigint") return formatAmount(roundUp(fact), 30);
    const decimals = unit === "token" ? Number(facts.decimals) : decimalsBy[unit ?? ""];
    return typeof fact === "bigint" && decimals !== undefined
      ? formatAmount(fact, decimals)
      : String(fact ?? "unknown");
  });
}

/** To a millionth of a token: the tokens that are paid in have six digits or more. */
function roundUp(exact: bigint): bigint {
  const step = 10n ** 24n;
  return ((exact + step - 1n) / step) * step;
}

/** For a code that no table knows: a peer of a later version may send one. */
function listFacts(detail: ErrorDetail): string {
  const facts = Object.entries(detail).filter(([name]) => name !== "code");
  return facts.map(([name, value]) => `${name}=${String(value)}`).join(", ");
}
