import { HoldBack } from "@leat/node/metering/hold-back.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { Book } from "./channel-book.ts";
import { PaymentError } from "./errors.ts";

export interface Attempt {
  readonly job: Hex;
  readonly attempt: number;
  readonly book: Book;
  readonly holdBack: HoldBack;
}

/** Attempts that are over and remembered, newest last; receipts of older ones that come again are new. */
const MAX_OVER = 10_000;
/** Attempts under way in one channel: 1,000 streams of 20 jobs. Who reports more makes them up. */
const MAX_OPEN = 20_000;

/** The attempts of a payer: those under way, and so many that are over. */
export class Attempts {
  readonly #samplingRate: number;
  readonly #onForgotten: (attempt: Attempt) => void;
  readonly #maxOpen: number;
  readonly #maxOver: number;
  readonly #open = new Map<string, Attempt>();
  readonly #over = new Map<string, Attempt>();
  readonly #openOf = new Map<Hex, number>();

  constructor(
    samplingRate: number,
    onForgotten: (attempt: Attempt) => void,
    { maxOpen = MAX_OPEN, maxOver = MAX_OVER } = {},
  ) {
    this.#samplingRate = samplingRate;
    this.#onForgotten = onForgotten;
    this.#maxOpen = maxOpen;
    this.#maxOver = maxOver;
  }

  find(job: Hex, attempt: number): Attempt | undefined {
    const key = attemptKey(job, attempt);
    return this.#open.get(key) ?? this.#over.get(key);
  }

  /** @throws PAYMENT_ATTEMPTS_TOO_MANY */
  open(book: Book, job: Hex, attempt: number): Attempt {
    const known = this.find(job, attempt);
    if (known !== undefined) return known;
    if ((this.#openOf.get(book.id) ?? 0) >= this.#maxOpen) {
      throw new PaymentError({ code: "PAYMENT_ATTEMPTS_TOO_MANY", channel: book.id, most: this.#maxOpen });
    }
    return this.adopt(book, job, attempt);
  }

  /** The same for one that was open before a restart. */
  adopt(book: Book, job: Hex, attempt: number): Attempt {
    const known = this.find(job, attempt);
    if (known !== undefined) return known;
    const begun = { job, attempt, book, holdBack: new HoldBack(this.#samplingRate) };
    this.#open.set(attemptKey(job, attempt), begun);
    this.#count(book, 1);
    return begun;
  }

  /** It is over, well or badly: among those that are, it is the newest. */
  close(job: Hex, attempt: number): void {
    const key = attemptKey(job, attempt);
    const known = this.#open.get(key);
    if (known === undefined) return;
    this.#open.delete(key);
    this.#count(known.book, -1);
    this.#over.set(key, known);
    if (this.#over.size <= this.#maxOver) return;
    const [oldest, forgotten] = this.#over.entries().next().value!;
    this.#over.delete(oldest);
    this.#onForgotten(forgotten);
  }

  #count({ id }: Book, difference: number): void {
    const count = (this.#openOf.get(id) ?? 0) + difference;
    if (count === 0) this.#openOf.delete(id);
    else this.#openOf.set(id, count);
  }
}

/** Of one attempt at a job. */
export function attemptKey(job: Hex, attempt: number): string {
  return `${job}/${attempt}`;
}
