import { CodedError } from "@leat/sdk/base/errors.ts";

export class StoreError extends CodedError<
  | { code: "STORE_LOCKED"; location: string }
  | { code: "STORE_DAMAGED"; location: string; reason: string }
  | { code: "STORE_UNUSABLE"; location: string; reason: string }
  | { code: "STORE_WRITE_FAILED"; location: string; reason: string }
  | { code: "STORE_CLOSED"; location: string }
  | { code: "STORE_RECEIPT_DIFFERENT"; key: string }
  | { code: "STORE_NOT_OF_KEY"; location: string }
> {}

/** What LevelDB says of a folder, by our codes. */
export function openError(location: string, error: unknown): StoreError {
  const reason = reasonOf(error);
  const code = ((error as { cause?: { code?: string } }).cause?.code ?? "") as string;
  if (code === "LEVEL_LOCKED") return new StoreError({ code: "STORE_LOCKED", location }, { cause: error });
  if (
    code === "LEVEL_CORRUPTION" ||
    /corrupt|checksum|CURRENT file|missing files|MANIFEST-\d+: No such file/i.test(reason)
  ) {
    return new StoreError({ code: "STORE_DAMAGED", location, reason }, { cause: error });
  }
  // LevelDB tells the system's words and not its code.
  const isFull = /no space left on device/i.test(reason);
  return new StoreError({ code: "STORE_UNUSABLE", location, reason: isFull ? "ENOSPC" : reason }, { cause: error });
}

/** The words of what failed beneath. */
export function reasonOf(error: unknown): string {
  const inner = (error as { cause?: unknown }).cause ?? error;
  return inner instanceof Error ? inner.message : String(inner);
}
