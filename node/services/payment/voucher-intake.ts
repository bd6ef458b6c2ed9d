import { Turns } from "@leat/node/kernel/turns.ts";
import { judgeOffer } from "@leat/node/metering/voucher-rules.ts";
import { type Channel, channelId, channelOf } from "@leat/sdk/protocol/channel.ts";
import { zeroAddress } from "@leat/sdk/protocol/hex.ts";
import type { VoucherOffer } from "@leat/sdk/protocol/job.ts";
import type { Voucher } from "@leat/sdk/protocol/signed.ts";
import { toExact } from "@leat/sdk/protocol/units.ts";
import type { Book, ChannelBooks } from "./channel-book.ts";
import { PaymentError } from "./errors.ts";
import type { VoucherAnswer } from "./index.ts";
import { backedTotal, checkBacked } from "./payable-work.ts";
import type { PayeeComponents } from "./payee-service.ts";
import type { VoucherSigners } from "./voucher-signers.ts";

/** Vouchers of work that is done: their payers come every 10 to 30 s, and nothing of theirs waits for an answer. */
const USAGE_TURNS = { everyMs: 100, atOnce: 10, most: 256, crowd: { least: 4, everyMs: 1_000 } };

export interface VoucherIntakeParts {
  readonly books: ChannelBooks;
  readonly signers: VoucherSigners;
  /** A voucher is on disk. */
  readonly onAccepted: (book: Book) => void;
}

/** Takes a payee's vouchers in: each is judged, and on disk before it is acknowledged. */
export class VoucherIntake {
  readonly #components: Pick<PayeeComponents, "vouchers" | "chain" | "payee" | "tokens">;
  readonly #books: ChannelBooks;
  readonly #signers: VoucherSigners;
  readonly #onAccepted: (book: Book) => void;
  readonly #usageTurns = new Turns(USAGE_TURNS);
  readonly #accepted;
  readonly #refused;

  constructor(
    components: Pick<PayeeComponents, "vouchers" | "chain" | "payee" | "tokens" | "metrics">,
    { books, signers, onAccepted }: VoucherIntakeParts,
  ) {
    this.#components = components;
    this.#books = books;
    this.#signers = signers;
    this.#onAccepted = onAccepted;
    this.#accepted = components.metrics.counter({
      name: "leat_payment_vouchers_accepted_total",
      help: "Vouchers that were written to disk as payee",
    });
    this.#refused = components.metrics.counter({
      name: "leat_payment_vouchers_refused_total",
      help: "Voucher offers answered with a code or with the held voucher",
    });
  }

  async accept(offer: VoucherOffer): Promise<VoucherAnswer> {
    const { vouchers } = this.#components;
    const { value } = offer.voucher;
    if (offer.kind === "usage") await this.#usageTurns.next();
    try {
      const channel = channelOf(value);
      this.checkChannel(channel);
      const known = this.#books.find(channelId(channel));
      if (known === undefined) await this.#checkStranger(offer);
      const book = await this.#books.open(channel, known);
      return await book.mutex.run(async () => {
        const held = await vouchers.newest("held", book.id);
        const verdict = judgeOffer(held?.voucher.value, { ...offer, voucher: value });
        if (verdict === "again") return acknowledge(book, value);
        if (verdict !== "next") {
          this.#refused.add();
          return { held: held!.voucher, code: verdict };
        }
        await this.#checkReserve(book, value);
        book.key = await this.#signers.check(offer.voucher);
        return this.#write(book, offer, held?.voucher.value.seq ?? 0n);
      });
    } catch (error) {
      this.#refused.add();
      throw error;
    }
  }

  /** Refuses what is not to be paid to us. */
  checkChannel(channel: Channel): void {
    const zero = channel.payer === zeroAddress ? "payer" : channel.token === zeroAddress ? "token" : undefined;
    if (zero !== undefined) throw new PaymentError({ code: "VOUCHER_ADDRESS_ZERO", field: zero });
    const { tokens } = this.#components;
    if (tokens !== undefined && !tokens.includes(channel.token)) {
      throw new PaymentError({ code: "VOUCHER_TOKEN_UNKNOWN", token: channel.token });
    }
    if (channel.payee !== this.#components.payee) {
      throw new PaymentError({ code: "VOUCHER_PAYEE_WRONG", payee: channel.payee });
    }
    const { cluster, clusterPpm } = channel;
    if (cluster !== 0n || clusterPpm !== 0) {
      throw new PaymentError({ code: "VOUCHER_SHARE_UNWANTED", cluster, clusterPpm });
    }
  }

  async #write(book: Book, offer: VoucherOffer, expectedSeq: bigint): Promise<VoucherAnswer> {
    const { vouchers } = this.#components;
    const { voucher, receiptsRoot, receiptHashes } = offer;
    const named = new Set(receiptHashes);
    const open = named.size === 0 ? [] : await vouchers.openEntries("held", book.id);
    const covered = open.filter((entry) => named.has(entry.receiptHash));
    const record = { channel: book.id, voucher, receiptsRoot, receiptHashes, acknowledged: true };
    const adjustExact = paidAfterAll(book, voucher.value, receiptHashes.length > 0);
    const patient = offer.kind === "usage";
    const result = await vouchers.put("held", { record, expectedSeq, covered, adjustExact, patient });
    if (!result.stored) {
      if (result.held === undefined) throw new PaymentError({ code: "VOUCHER_FENCED", channel: book.id });
      return { held: result.held.voucher };
    }
    book.ledger.book(adjustExact);
    book.ledger.cover(voucher.value.cumulative);
    this.#accepted.add();
    this.#onAccepted(book);
    return acknowledge(book, voucher.value);
  }

  /** A channel that we have nothing of costs no memory until somebody brings money for it. */
  async #checkStranger(offer: VoucherOffer): Promise<void> {
    const { vouchers, chain } = this.#components;
    const { value } = offer.voucher;
    const channel = channelOf(value);
    if ((await vouchers.newest("held", channelId(channel))) !== undefined) return;
    judgeOffer(undefined, { ...offer, voucher: value });
    await this.#signers.check(offer.voucher);
    checkBacked(value, await chain.channelState(channel));
  }

  async #checkReserve(book: Book, voucher: Voucher): Promise<void> {
    if (voucher.cumulative > backedTotal(book.state)) await this.#books.refresh(book);
    checkBacked(voucher, book.state);
  }
}

/**
 * A total that grows for usage is all work: where it passes what is booked here, the payer pays work that was written
 * off, which must not look like paid ahead.
 */
function paidAfterAll(book: Book, { cumulative }: Voucher, isUsage: boolean): bigint {
  const beyond = toExact(cumulative, book.decimals) - book.ledger.bookedExact;
  return isUsage && cumulative > book.ledger.vouchered && beyond > 0n ? beyond : 0n;
}

function acknowledge(book: Book, { cumulative, seq }: Voucher): VoucherAnswer {
  return { acknowledged: { channel: book.id, cumulative, seq } };
}
