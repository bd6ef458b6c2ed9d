import { createHash } from "node:crypto";

/** Where the chain of a segment's parts begins. It begins anew with every segment, so that a reader may join at any. */
export const runningHashStart: Uint8Array = new Uint8Array(32);

/** SHA-256(previous, SHA-256(part)). */
export function nextRunningHash(previous: Uint8Array, partSha256: Uint8Array): Uint8Array {
  return createHash("sha256").update(previous).update(partSha256).digest();
}
