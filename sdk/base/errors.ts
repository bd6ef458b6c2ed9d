/** The facts of an expected failure. `code` begins with its area and is never reused. */
export interface ErrorDetail {
  readonly code: string;
}

/**
 * An expected failure with its facts. Callers switch on `detail.code`; nothing reads the message.
 * Anything that is not a CodedError is a bug and keeps its stack.
 */
export class CodedError<D extends ErrorDetail> extends Error {
  readonly detail: D;
  /** What the thrower says in words of its own, for people; undefined where the facts say all. */
  readonly sentence: string | undefined;

  constructor(detail: D, options?: { message?: string; cause?: unknown }) {
    super(options?.message ?? describeDetail(detail), { cause: options?.cause });
    this.name = new.target.name;
    this.detail = detail;
    // One that came from another process brings the same text as its message.
    this.sentence = options?.message === describeDetail(detail) ? undefined : options?.message;
  }

  get code(): D["code"] {
    return this.detail.code;
  }
}

export function isCodedError(error: unknown): error is CodedError<ErrorDetail> {
  return error instanceof CodedError;
}

/** `CODE: name=value, name=value`, for logs, when the thrower gave no sentence of its own. */
function describeDetail(detail: ErrorDetail): string {
  const facts = Object.entries(detail)
    .filter(([name]) => name !== "code")
    .map(([name, value]) => `${name}=${String(value)}`);
  return facts.length === 0 ? detail.code : `${detail.code}: ${facts.join(", ")}`;
}
