import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { Book } from "./channel-book.ts";

/** Jobs that are remembered, newest last; receipts of older ones that come again are new. 2 MB in memory. */
const MAX_JOBS = 10_000;

/** The channel of every job that a payee heard of. */
export class PayeeJobs {
  readonly #onForgotten: (job: Hex, book: Book) => void;
  readonly #jobs = new Map<Hex, Book>();

  constructor(onForgotten: (job: Hex, book: Book) => void) {
    this.#onForgotten = onForgotten;
  }

  find(job: Hex): Book | undefined {
    return this.#jobs.get(job);
  }

  /** One that has open work from before a restart. */
  adopt(job: Hex, book: Book): void {
    this.#jobs.set(job, book);
  }

  /** Beyond so many, the oldest that is not open is forgotten. */
  remember(job: Hex, book: Book): void {
    this.#jobs.set(job, book);
    if (this.#jobs.size <= MAX_JOBS) return;
    for (const [oldest, of] of this.#jobs) {
      if (of.openJobs.has(oldest)) continue;
      this.#jobs.delete(oldest);
      this.#onForgotten(oldest, of);
      return;
    }
  }
}
