import { createHash } from "node:crypto";
import type { Clock } from "../../kernel/clock.ts";
import { PushError } from "./errors.ts";
import type { HeldBytes } from "./held-bytes.ts";
import type { PushOptions } from "./options.ts";
import type { Upload } from "./push-session.ts";

type Bounds = Pick<PushOptions, "maxSegmentBytes" | "uploadMs">;

/** Reads bodies whole: bounded each in size and time, and all together in size. */
export class UploadReader {
  readonly #bounds: Bounds;
  readonly #clock: Clock;
  readonly #held: HeldBytes;

  constructor(bounds: Bounds, clock: Clock, held: HeldBytes) {
    this.#bounds = bounds;
    this.#clock = clock;
    this.#held = held;
  }

  /** Gives `use` the means to read the body once; what was read counts as held until it is done. */
  async use<T>(body: AsyncIterable<Uint8Array>, use: (read: () => Promise<Upload>) => Promise<T>): Promise<T> {
    let sizeBytes = 0;
    try {
      return await use(() =>
        this.#read(body, (bytes) => {
          const { maxSegmentBytes } = this.#bounds;
          if (sizeBytes + bytes > maxSegmentBytes) {
            throw new PushError({ code: "PUSH_SEGMENT_TOO_LARGE", limit: maxSegmentBytes });
          }
          this.#held.add(bytes);
          sizeBytes += bytes;
        }),
      );
    } finally {
      this.#held.remove(sizeBytes);
    }
  }

  async #read(body: AsyncIterable<Uint8Array>, hold: (bytes: number) => void): Promise<Upload> {
    const { uploadMs } = this.#bounds;
    const done = new AbortController();
    const slow = this.#clock.sleep(uploadMs, done.signal).then(() => {
      throw new PushError({ code: "PUSH_UPLOAD_SLOW", timeoutMs: uploadMs });
    });
    slow.catch(() => {});
    const chunks = body[Symbol.asyncIterator]();
    const hash = createHash("sha256");
    const pieces: Uint8Array[] = [];
    try {
      for (;;) {
        const next = await Promise.race([readNext(chunks), slow]);
        if (next.done === true) break;
        hold(next.value.length);
        hash.update(next.value);
        pieces.push(next.value);
      }
    } finally {
      done.abort();
    }
    const { buffer, byteOffset, byteLength } = Buffer.concat(pieces);
    return { bytes: new Uint8Array(buffer, byteOffset, byteLength), digest: hash.digest("hex") };
  }
}

async function readNext(chunks: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
  try {
    return await chunks.next();
  } catch (cause) {
    throw new PushError({ code: "PUSH_UPLOAD_CUT" }, { cause });
  }
}
