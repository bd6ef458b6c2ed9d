import { freeReserve, prepayBaseUnits } from "@leat/node/metering/credit.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import type { VoucherOffer } from "@leat/sdk/protocol/job.ts";
import { toExact } from "@leat/sdk/protocol/units.ts";
import type { Static } from "typebox";
import { type Book, type ChannelBooks, leastCreditWith } from "./channel-book.ts";
import { PaymentError } from "./errors.ts";
import type { CreditTerms, MayWork } from "./index.ts";
import type { PayeeComponents, payeeOptions } from "./payee-service.ts";
import { PayerJudge } from "./payer-judge.ts";
import type { VoucherIntake } from "./voucher-intake.ts";

export interface CreditGateParts {
  readonly books: ChannelBooks;
  readonly intake: Pick<VoucherIntake, "accept" | "checkChannel">;
}

/** Decides which work a payee does on credit. */
export class CreditGate {
  readonly #components: Pick<PayeeComponents, "vouchers" | "bouncesOf" | "clock">;
  readonly #options: Pick<Static<typeof payeeOptions>, "leastReputation" | "maxBounces">;
  readonly #books: ChannelBooks;
  readonly #intake: CreditGateParts["intake"];

  constructor(
    components: Pick<PayeeComponents, "vouchers" | "bouncesOf" | "clock">,
    options: Pick<Static<typeof payeeOptions>, "leastReputation" | "maxBounces">,
    { books, intake }: CreditGateParts,
  ) {
    this.#components = components;
    this.#options = options;
    this.#books = books;
    this.#intake = intake;
  }

  /** Opens the job in its channel's book, or throws. */
  async openJob(terms: CreditTerms, prepay?: VoucherOffer): Promise<Book> {
    const { clock } = this.#components;
    this.#intake.checkChannel(terms.channel);
    if (terms.validUntil * 1_000n <= BigInt(clock.nowMs())) {
      throw new PaymentError({ code: "CREDIT_QUOTE_EXPIRED", validUntil: terms.validUntil });
    }
    await this.judgePayer(terms.channel.payer);
    const book = await this.#books.open(terms.channel);
    await this.#books.refresh(book);
    const facts = { ...book.state, reserve: this.#books.promised(book), vouchered: book.ledger.vouchered };
    const free = toExact(freeReserve(facts), book.decimals);
    const wanted = leastCreditWith(book, terms);
    if (free < wanted) {
      throw new PaymentError({ code: "CREDIT_RESERVE_SHORT", wantedExact: wanted, freeExact: free });
    }
    const before = book.openJobs.get(terms.job);
    // Counted as open before its prepayment comes: a voucher without open jobs is collected at once.
    this.#books.openJob(book, terms);
    try {
      await this.#admitPayer(book, terms, prepay);
    } catch (error) {
      if (before === undefined) book.openJobs.delete(terms.job);
      else book.openJobs.set(before);
      throw error;
    }
    return book;
  }

  /** Whether this node's policy takes the payer at all. @throws PAYER_REPUTATION_LOW */
  async judgePayer(payer: Address): Promise<void> {
    const { bouncesOf, clock } = this.#components;
    if (bouncesOf === undefined) return;
    const leastScorePpm = Math.round(this.#options.leastReputation * 1_000_000);
    await new PayerJudge({ bouncesOf, clock }, { leastScorePpm, maxBounces: this.#options.maxBounces }).check(payer);
  }

  mayWork(book: Book | undefined, job: Hex): MayWork {
    if (book === undefined || !book.openJobs.has(job)) return "CREDIT_EXHAUSTED";
    // Before the limit: whoever waits there for a voucher would wait for one that could not be taken.
    if (!this.#books.coversMore(book)) {
      return this.#books.promised(book) < book.state.reserve ? "CREDIT_SIGNER_SPENT" : "CREDIT_RESERVE_SPENT";
    }
    return book.ledger.unpaidExact < this.#books.creditLimit(book) ? "ok" : "CREDIT_EXHAUSTED";
  }

  /** Who has paid before, here or at another node of our operator, is not asked to pay ahead. */
  async #admitPayer(book: Book, terms: CreditTerms, prepay?: VoucherOffer): Promise<void> {
    const least = prepayBaseUnits(terms.exactPerSecond, book.decimals);
    if (prepay !== undefined) await this.#acceptPrepay(book, prepay, least);
    const held = await this.#components.vouchers.newest("held", book.id);
    if (held === undefined && book.paid === 0n) {
      throw new PaymentError({ code: "CREDIT_PREPAY_REQUIRED", wanted: least });
    }
  }

  async #acceptPrepay(book: Book, prepay: VoucherOffer, least: bigint): Promise<void> {
    const offered = prepay.voucher.value.cumulative;
    const isFirst = (await this.#components.vouchers.newest("held", book.id)) === undefined;
    if (isFirst && offered < least) throw new PaymentError({ code: "CREDIT_PREPAY_SHORT", wanted: least, offered });
    await this.#intake.accept(prepay);
  }
}
