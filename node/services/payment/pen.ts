import { fitEntries, nextCumulative } from "@leat/node/metering/ledger.ts";
import { adoptedExtra, nextVoucher, sameChannel } from "@leat/node/metering/voucher-rules.ts";
import type { LedgerEntry, VoucherRecord } from "@leat/node/metering/voucher-store.ts";
import { channelOf } from "@leat/sdk/protocol/channel.ts";
import { type Hex, zeroHash } from "@leat/sdk/protocol/hex.ts";
import type { VoucherOffer } from "@leat/sdk/protocol/job.ts";
import { merkleRoot } from "@leat/sdk/protocol/merkle.ts";
import { type Voucher, voucherStructure } from "@leat/sdk/protocol/signed.ts";
import type { Signed } from "@leat/sdk/protocol/statements.ts";
import { parseAmount, toExact } from "@leat/sdk/protocol/units.ts";
import type { Book, ChannelBooks } from "./channel-book.ts";
import { PaymentError } from "./errors.ts";
import type { VoucherRequest } from "./index.ts";
import { backedTotal, checkBacked } from "./payable-work.ts";
import type { PayerComponents } from "./payer-service.ts";
import type { VoucherSigners } from "./voucher-signers.ts";

export interface NextVoucher {
  readonly entries: readonly LedgerEntry[];
  /** All that was ever payable up to and with these entries. */
  readonly totalExact: bigint;
  /** Base units. */
  readonly prepay?: bigint;
}

export interface AnsweredRequest {
  readonly offer: VoucherOffer;
  /** Entries that the offer covers and that were not covered before. */
  readonly entries: readonly LedgerEntry[];
}

export interface PenComponents extends PayerComponents {
  readonly signers: VoucherSigners;
  readonly books: Pick<ChannelBooks, "refresh">;
}

/** Signs vouchers: each is on disk before anybody sees it. Called with the book's mutex held. */
export class Pen {
  readonly #components: PenComponents;
  readonly #issued;
  readonly #adopted;

  constructor(components: PenComponents) {
    this.#components = components;
    this.#issued = components.metrics.counter({
      name: "leat_payment_vouchers_issued_total",
      help: "Vouchers that were signed as payer",
    });
    this.#adopted = components.metrics.counter({
      name: "leat_payment_vouchers_adopted_total",
      help: "Vouchers of our own that only the payee still had",
    });
  }

  /** The same offer again, word for word. */
  offerOf(record: VoucherRecord): VoucherOffer {
    const { voucher, receiptsRoot, receiptHashes } = record;
    return { voucher, receiptsRoot, receiptHashes, kind: receiptHashes.length === 0 ? "prepay" : "usage" };
  }

  /** The largest total that may be signed on a channel as the chain has it now, base units. */
  async findMost(book: Book): Promise<bigint> {
    const { books, signers, signer } = this.#components;
    await books.refresh(book);
    book.key = await signers.allottedKey(book.channel, signer.address);
    const backed = backedTotal(book.state);
    const allotment = book.key?.allotment;
    // Of a key that has ended nothing is said here: it signs nothing, and that has a code of its own.
    const isCapped = allotment !== undefined && allotment.validUntil > signers.nowSeconds() && allotment.cap < backed;
    return isCapped ? allotment.cap : backed;
  }

  /**
   * Signs the next voucher over `entries`, or over a prepayment alone.
   *
   * @throws VOUCHER_ABOVE_RESERVE, VOUCHER_SIGNER_WRONG, VOUCHER_SIGNER_CAP, VOUCHER_SIGNER_EXPIRED
   */
  async issue(book: Book, next: NextVoucher): Promise<VoucherOffer> {
    const { vouchers, signer, domain } = this.#components;
    const covered = next.entries;
    const previous = (await vouchers.newest("issued", book.id))?.voucher.value;
    let cumulative = nextCumulative(next.totalExact, previous?.cumulative ?? 0n, book.decimals);
    if (next.prepay !== undefined && next.prepay > cumulative) cumulative = next.prepay;
    const receiptHashes = covered.map((entry) => entry.receiptHash);
    const receiptsRoot = merkleRoot(receiptHashes);
    const value = nextVoucher(book.channel, previous, { cumulative, receiptsRoot });
    // As the chain has it now: a voucher that no payee may take must not become the newest of the channel.
    await this.findMost(book);
    this.#check(book, value);
    const voucher = { value, signature: await signer.sign(voucherStructure, domain, value) };
    const record = { channel: book.id, voucher, receiptsRoot, receiptHashes, acknowledged: false };
    // Entries count as covered only when the payee has the voucher: it may hold another one, which this one must follow.
    const result = await vouchers.put("issued", { record, expectedSeq: previous?.seq ?? 0n, covered: [] });
    if (!result.stored) throw new PaymentError({ code: "VOUCHER_FENCED", channel: book.id });
    this.#issued.add();
    return this.offerOf(record);
  }

  /** Brings an offer to the payee; ends with its acknowledgement on disk, or with the voucher that it holds adopted. */
  async send(book: Book, offer: VoucherOffer): Promise<"acknowledged" | "adopted"> {
    const { deliver, logger } = this.#components;
    if (deliver === undefined) throw new PaymentError({ code: "VOUCHER_CHANNEL_UNKNOWN", channel: book.id });
    const answer = await deliver(book.channel.payee, offer);
    const { value } = offer.voucher;
    if ("held" in answer) {
      logger.debug("Voucher answered with the held one", { channel: book.id, code: answer.code });
      await this.#adopt(book, answer.held);
      return "adopted";
    }
    const { channel, cumulative, seq } = answer.acknowledged;
    if (channel !== book.id || cumulative !== value.cumulative || seq !== value.seq) {
      throw new PaymentError({ code: "VOUCHER_ANSWER_WRONG", channel: book.id });
    }
    await this.acknowledge(book, offer);
    logger.debug("Voucher acknowledged", { channel: book.id, seq, cumulative });
    return "acknowledged";
  }

  /** The payee has it: its entries are covered for good. */
  async acknowledge(book: Book, offer: Pick<VoucherOffer, "voucher" | "receiptHashes">): Promise<void> {
    const { vouchers } = this.#components;
    const { seq, cumulative } = offer.voucher.value;
    const named = new Set(offer.receiptHashes);
    const open = named.size === 0 ? [] : await vouchers.openEntries("issued", book.id);
    const covered = open.filter((entry) => named.has(entry.receiptHash));
    if (covered.length > 0) await vouchers.setEntries("issued", book.id, covered, "vouchered");
    await vouchers.acknowledge(book.id, seq);
    if (cumulative > book.ledger.vouchered) book.ledger.cover(cumulative);
  }

  /** The newest voucher, where the chain paid it: then its payee has it, whether or not it said so. */
  async acknowledgeCollected(book: Book): Promise<void> {
    const newest = await this.#components.vouchers.newest("issued", book.id);
    if (newest === undefined || newest.acknowledged) return;
    if (newest.voucher.value.cumulative <= book.state.collected) await this.acknowledge(book, newest);
  }

  /** Signs for what a payee asks: only receipts that we booked and did not refuse, at what they are worth to us. */
  async answer(book: Book, request: VoucherRequest, prepayLimit: string): Promise<AnsweredRequest> {
    const { vouchers } = this.#components;
    // Each name would be paid for.
    const named = new Set<Hex>();
    const repeated = request.receiptHashes.find((hash) => named.size === named.add(hash).size);
    if (repeated !== undefined) throw new PaymentError({ code: "VOUCHER_RECEIPT_REPEATED", receiptHash: repeated });
    const own = (await vouchers.newest("issued", book.id))?.voucher.value.seq ?? 0n;
    const { held } = request;
    // What we signed ourselves and do not know is from before our store was lost.
    if (held !== undefined && held.value.seq > own && request.seq === held.value.seq + 1n)
      await this.#adopt(book, held);
    const newest = await vouchers.newest("issued", book.id);
    const seq = newest?.voucher.value.seq ?? 0n;
    // The payee did not hear the last answer: it gets the same one.
    if (newest !== undefined && request.seq === seq) return { offer: this.offerOf(newest), entries: [] };
    if (request.seq !== seq + 1n) throw new PaymentError({ code: "VOUCHER_CHAIN_UNKNOWN", seq: request.seq });
    if (request.kind === "prepay") return { offer: await this.#prepay(book, request, prepayLimit), entries: [] };
    if (newest !== undefined && !newest.acknowledged) {
      // It asks for the one after: it has this one.
      await this.acknowledge(book, newest);
    }
    const open = new Map((await vouchers.openEntries("issued", book.id)).map((entry) => [entry.receiptHash, entry]));
    // Signs for what it knows: one receipt that is refused must not keep all others unpaid.
    const entries = request.receiptHashes.map((hash) => open.get(hash)).filter((entry) => entry !== undefined);
    const receiptHash = request.receiptHashes.find((hash) => !open.has(hash));
    if (receiptHash !== undefined && entries.length === 0) {
      throw new PaymentError({ code: "VOUCHER_RECEIPT_UNKNOWN", receiptHash });
    }
    const waiting = entries.filter((entry) => entry.state === "waiting");
    const others = [...open.values()].filter((entry) => entry.state === "payable" && !entries.includes(entry));
    const totalExact = (await vouchers.totalExact("issued", book.id)) - sumExact(others) + sumExact(waiting);
    const owed = nextCumulative(totalExact, newest?.voucher.value.cumulative ?? 0n, book.decimals);
    // One more may be the fraction that it carries since before we lost our store: it gets what we know of.
    if (request.cumulative > owed + 1n && receiptHash === undefined) {
      throw new PaymentError({ code: "VOUCHER_OVERPRICED", asked: request.cumulative, owed });
    }
    const settledExact = totalExact - sumExact(entries);
    const most = await this.findMost(book);
    const fitting = fitEntries(entries, { settledExact, most, decimals: book.decimals });
    // Where none fits, which of the bounds they exceed.
    if (fitting.length === 0) this.#check(book, { payer: book.channel.payer, cumulative: owed });
    const covered = new Set(fitting);
    const released = waiting.filter((entry) => covered.has(entry));
    await vouchers.setEntries("issued", book.id, released, "payable");
    const next = { entries: fitting, totalExact: settledExact + sumExact(fitting) };
    return { offer: await this.issue(book, next), entries: fitting };
  }

  #check(book: Book, value: Pick<Voucher, "payer" | "cumulative">): void {
    checkBacked(value, book.state);
    if (book.key !== undefined) this.#components.signers.checkAllotted(book.key, value);
  }

  /** A payee may ask a new payer for one payment ahead, up to what the payer set. */
  #prepay(book: Book, request: VoucherRequest, prepayLimit: string): Promise<VoucherOffer> {
    const allowed = request.seq === 1n ? parseAmount(prepayLimit, book.decimals) : 0n;
    if (request.receiptHashes.length > 0 || request.cumulative > allowed) {
      throw new PaymentError({ code: "VOUCHER_PREPAY_REFUSED", asked: request.cumulative, allowed });
    }
    return this.issue(book, { entries: [], totalExact: 0n, prepay: request.cumulative });
  }

  async #adopt(book: Book, held: Signed<Voucher>): Promise<void> {
    const { vouchers, signers, logger } = this.#components;
    const { value } = held;
    const wrong = new PaymentError({ code: "VOUCHER_ANSWER_WRONG", channel: book.id });
    if (!sameChannel(channelOf(value), book.channel)) throw wrong;
    const signer = signers.find(held);
    if (signer === undefined || !(await signers.isKnown(book.channel, signer))) throw wrong;
    const own = await vouchers.newest("issued", book.id);
    // What is still payable is in no voucher that the payee has: only the rest of our total can be in the held one.
    const open = await vouchers.openEntries("issued", book.id, "payable");
    const settled = (await vouchers.totalExact("issued", book.id)) - sumExact(open);
    const extra = adoptedExtra(
      nextCumulative(settled, own?.acknowledged ? own.voucher.value.cumulative : 0n, book.decimals),
      value,
    );
    const result = await vouchers.put("issued", {
      record: { channel: book.id, voucher: held, receiptsRoot: zeroHash, receiptHashes: [], acknowledged: true },
      expectedSeq: own?.voucher.value.seq ?? 0n,
      covered: [],
      adjustExact: toExact(extra, book.decimals),
    });
    if (!result.stored) throw new PaymentError({ code: "VOUCHER_FENCED", channel: book.id });
    this.#adopted.add();
    logger.warn("Adopted held voucher", {
      channel: book.id,
      ownSeq: own?.voucher.value.seq,
      heldSeq: value.seq,
      extra,
    });
    book.ledger.book(toExact(extra, book.decimals));
    if (value.cumulative > book.ledger.vouchered) book.ledger.cover(value.cumulative);
  }
}

function sumExact(entries: readonly LedgerEntry[]): bigint {
  return entries.reduce((sum, entry) => sum + entry.exact, 0n);
}
