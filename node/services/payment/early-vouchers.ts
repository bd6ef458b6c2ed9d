import type { Clock } from "@leat/node/kernel/clock.ts";
import { Paced } from "@leat/node/kernel/paced.ts";
import type { TaskGroup } from "@leat/node/kernel/task-group.ts";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { Book, ChannelBooks } from "./channel-book.ts";
import type { VoucherRequests } from "./voucher-requests.ts";

/** Where much waits for its checks, a voucher for each segment that passes would cost more than it is worth. */
export const EARLY_PAUSE_MS = 1_000;

export interface EarlyVouchersParts {
  readonly books: Pick<ChannelBooks, "creditLimit">;
  readonly requests: Pick<VoucherRequests, "requestVoucher">;
  readonly tasks: TaskGroup;
}

/** Asks for vouchers as soon as half of the credit is used up: more work than was quoted does that before they are due. */
export class EarlyVouchers {
  readonly #components: { readonly clock: Clock; readonly logger: Logger };
  readonly #parts: EarlyVouchersParts;
  /** A question names all that is payable: before more of it passes, another would bring nothing. */
  readonly #questions: Paced<Book>;
  /** The code that each payer's last failure had, until it pays. */
  readonly #said = new WeakMap<Book, string>();

  constructor(components: { readonly clock: Clock; readonly logger: Logger }, parts: EarlyVouchersParts) {
    this.#components = components;
    this.#parts = parts;
    this.#questions = new Paced({
      clock: components.clock,
      tasks: parts.tasks,
      pauseMs: EARLY_PAUSE_MS,
      isDue: (book) => this.#isDue(book),
      work: (book) => this.#ask(book),
    });
  }

  /** Work of the channel became payable. Whatever the payer answers, it is asked at most once in EARLY_PAUSE_MS. */
  passed(book: Book): void {
    this.#questions.ask(book);
  }

  /** A voucher came: what fails from now on is news. */
  paid(book: Book): void {
    this.#said.delete(book);
  }

  async #ask(book: Book): Promise<void> {
    try {
      await this.#parts.requests.requestVoucher(book.channel, "usage");
    } catch (error) {
      if (!isCodedError(error)) throw error;
      if (this.#said.get(book) === error.code) return;
      this.#said.set(book, error.code);
      const {
        id: channel,
        channel: { payer },
      } = book;
      this.#components.logger.warn("Ask for voucher failed", { code: error.code, channel, payer });
    }
  }

  /** What is over is settled by whoever ended it. */
  #isDue(book: Book): boolean {
    return book.openJobs.size > 0 && book.ledger.unpaidExact * 2n >= this.#parts.books.creditLimit(book);
  }
}
