import type { ChannelView } from "@leat/node/chain/channel-view.ts";
import type { Clock } from "@leat/node/kernel/clock.ts";
import type { Startable } from "@leat/node/kernel/lifecycle.ts";
import { TaskGroup } from "@leat/node/kernel/task-group.ts";
import { Turns } from "@leat/node/kernel/turns.ts";
import { freeReserve, prepayBaseUnits } from "@leat/node/metering/credit.ts";
import { nextCumulative } from "@leat/node/metering/ledger.ts";
import { judgeOffer } from "@leat/node/metering/voucher-rules.ts";
import type { LedgerEntry, VoucherStore } from "@leat/node/metering/voucher-store.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import { type Channel, channelId, channelOf } from "@leat/sdk/protocol/channel.ts";
import type { Domain } from "@leat/sdk/protocol/eip712.ts";
import { type Address, type Hex, zeroAddress, zeroHash } from "@leat/sdk/protocol/hex.ts";
import type { VoucherOffer } from "@leat/sdk/protocol/job.ts";
import { merkleRoot } from "@leat/sdk/protocol/merkle.ts";
import type { Voucher } from "@leat/sdk/protocol/signed.ts";
import type { Signed, Statements } from "@leat/sdk/protocol/statements.ts";
import { toExact } from "@leat/sdk/protocol/units.ts";
import { type Static, Type } from "typebox";
import { type Book, ChannelBooks, leastCreditWith, readPayable, readWaiting } from "./channel-book.ts";
import { PaymentError } from "./errors.ts";
import type {
  ChannelStatus,
  CloseOptions,
  CreditTerms,
  MayWork,
  Payee,
  VoucherAnswer,
  Vouchered,
  VoucherRequest,
  Work,
  WorkKey,
} from "./index.ts";
import { PayerJudge, type PayerJudgeComponents } from "./payer-judge.ts";
import { VoucherSigners } from "./voucher-signers.ts";

export const payeeOptions = Type.Object(
  {
    refreshMs: Type.Integer({
      default: 5_000,
      minimum: 500,
      maximum: 600_000,
      description: "Pause between readings of what the chain holds for our channels, milliseconds",
    }),
    creditGrowthPpm: Type.Integer({
      default: 100_000,
      minimum: 0,
      maximum: 1_000_000,
      description: "Part of all that a payer ever paid by which its credit limit grows, millionths",
    }),
    leastReputation: Type.Number({
      default: 0,
      minimum: 0,
      maximum: 1,
      description: "Payers whose public reputation is below get no job: 1 is without a bounce, 0.75 one that is fresh",
    }),
    maxBounces: Type.Integer({
      default: 1_000_000,
      minimum: 0,
      maximum: 1_000_000,
      description: "Payers with more bounces that were never made good get no job",
    }),
    creditMaxFactor: Type.Integer({
      default: 4,
      minimum: 1,
      maximum: 100,
      description: "The credit limit grows to at most so many times the least one",
    }),
    idleChannels: Type.Integer({
      default: 1_000,
      minimum: 0,
      maximum: 1_000_000,
      description: "Channels with nothing open that are kept in memory and watched",
    }),
  },
  { default: {}, additionalProperties: false },
);

/** Jobs that are remembered, newest last; receipts of older ones that come again are new. 2 MB in memory. */
const MAX_JOBS = 10_000;

/** Vouchers of work that is done: their payers come every 10 to 30 s, and nothing of theirs waits for an answer. */
const USAGE_TURNS = { everyMs: 100, atOnce: 10, most: 64 };

export interface PayeeComponents {
  readonly vouchers: VoucherStore;
  readonly statements: Pick<Statements, "recoverSigner">;
  readonly domain: Domain;
  readonly chain: ChannelView;
  /** The account that is paid: this node's address, or the cluster's account at a balancer. */
  readonly payee: Address;
  /** What we are paid in; vouchers of other tokens are refused. Any where absent. */
  readonly tokens?: readonly Address[];
  /** Asks a payer for a voucher (`voucher.request` to a buyer's agent); a node never asks. */
  readonly askPayer?: (payer: Address, request: VoucherRequest) => Promise<VoucherOffer>;
  /** What bounced of a payer, by the escrow's events; without it no payer is refused for it. */
  readonly bouncesOf?: PayerJudgeComponents["bouncesOf"];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricsRegister;
}

export class PayeeService implements Payee, Startable {
  readonly #components: PayeeComponents;
  readonly #options: Static<typeof payeeOptions>;
  readonly #books: ChannelBooks;
  readonly #signers: VoucherSigners;
  /** Channel of every job that we heard of. */
  readonly #jobs = new Map<Hex, Book>();
  /** Channels that paid ahead for a job that is about to open. */
  readonly #awaited = new Set<Hex>();
  readonly #listeners = new Set<(channel: Hex) => void>();
  readonly #usageTurns = new Turns(USAGE_TURNS);
  readonly #tasks: TaskGroup;
  readonly #accepted;
  readonly #refused;

  constructor(components: PayeeComponents, options: Static<typeof payeeOptions>) {
    this.#components = components;
    this.#options = options;
    const rules = { growthPpm: options.creditGrowthPpm, maxFactor: options.creditMaxFactor };
    this.#signers = new VoucherSigners(components);
    const signerOf = (newest: Signed<Voucher> | undefined) => newest && this.#signers.find(newest);
    this.#books = new ChannelBooks("held", { ...components, signers: this.#signers, signerOf }, rules);
    this.#tasks = new TaskGroup({
      clock: components.clock,
      onError: (error) => components.logger.warn("Read channels failed", { error }),
    });
    this.#accepted = components.metrics.counter({
      name: "leat_payment_vouchers_accepted_total",
      help: "Vouchers that were written to disk as payee",
    });
    this.#refused = components.metrics.counter({
      name: "leat_payment_vouchers_refused_total",
      help: "Voucher offers answered with a code or with the held voucher",
    });
  }

  async start(): Promise<void> {
    for (const book of await this.#books.loadAll()) await this.#adoptJobs(book);
    this.#tasks.every(this.#options.refreshMs, async () => {
      for (const book of this.#books.all()) {
        const before = book.state;
        await this.#books.refresh(book);
        if (before.reserve !== book.state.reserve || before.collected !== book.state.collected) this.#tell(book);
      }
      await this.#books.putAwayIdle(this.#options.idleChannels);
    });
  }

  async stop(): Promise<void> {
    await this.#tasks.close();
  }

  async openJob(terms: CreditTerms, prepay?: VoucherOffer): Promise<void> {
    try {
      await this.#open(terms, prepay);
    } finally {
      this.#awaited.delete(channelId(terms.channel));
    }
  }

  async #open(terms: CreditTerms, prepay?: VoucherOffer): Promise<void> {
    const { clock } = this.#components;
    this.#checkChannel(terms.channel);
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
      else book.openJobs.set(terms.job, before);
      throw error;
    }
    this.#remember(terms.job, book);
  }

  /** Whether this node's policy takes the payer at all. @throws PAYER_REPUTATION_LOW */
  async judgePayer(payer: Address): Promise<void> {
    const { bouncesOf, clock } = this.#components;
    if (bouncesOf === undefined) return;
    const leastScorePpm = Math.round(this.#options.leastReputation * 1_000_000);
    await new PayerJudge({ bouncesOf, clock }, { leastScorePpm, maxBounces: this.#options.maxBounces }).check(payer);
  }

  async resumeJob(terms: CreditTerms): Promise<void> {
    this.#checkChannel(terms.channel);
    const book = await this.#books.open(terms.channel);
    this.#books.openJob(book, terms);
    this.#remember(terms.job, book);
  }

  async earned(work: Work): Promise<boolean> {
    this.#checkChannel(work.channel);
    const book = await this.#books.open(work.channel);
    this.#remember(work.job, book);
    const { job, attempt, seq, exact, receiptHash } = work;
    const entry = { job, attempt, seq, exact, receiptHash, state: "waiting" as const };
    const added = await this.#components.vouchers.addEntry("held", book.id, entry);
    if (added) {
      book.ledger.book(exact);
      book.rate.book(exact, this.#components.clock.nowMs());
    }
    book.underWay.booked(job, seq);
    return added;
  }

  begun(job: Hex, first: bigint, last: bigint): void {
    this.#jobs.get(job)?.underWay.begun(job, first, last);
  }

  async passed(key: WorkKey): Promise<void> {
    const { vouchers } = this.#components;
    const book = this.#jobs.get(key.job);
    // A job that was over before this process began is open in no book: its channel is whichever has the entry.
    const channels = book === undefined ? await vouchers.channels("held") : [book.id];
    for (const channel of channels) await vouchers.setEntries("held", channel, [key], "payable");
  }

  waiting(): Promise<WorkKey[]> {
    return readWaiting(this.#components.vouchers, "held");
  }

  mayWork(job: Hex): MayWork {
    const book = this.#jobs.get(job);
    if (book === undefined || !book.openJobs.has(job)) return "CREDIT_EXHAUSTED";
    if (book.ledger.unpaidExact >= this.#books.creditLimit(book)) return "CREDIT_EXHAUSTED";
    if (this.#books.coversMore(book)) return "ok";
    return this.#books.promised(book) < book.state.reserve ? "CREDIT_SIGNER_SPENT" : "CREDIT_RESERVE_SPENT";
  }

  async accept(offer: VoucherOffer): Promise<VoucherAnswer> {
    const { vouchers } = this.#components;
    const { value } = offer.voucher;
    if (offer.kind === "usage") await this.#usageTurns.next();
    try {
      this.#checkChannel(channelOf(value));
      await this.#checkStranger(offer);
      const book = await this.#books.open(channelOf(value));
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

  async closeJob(job: Hex, attempt: number, { forfeit, passedToo = false }: CloseOptions): Promise<void> {
    const book = this.#jobs.get(job);
    if (book === undefined) return;
    this.#books.closeJob(book, job, attempt);
    if (forfeit) {
      await book.mutex.run(async () => {
        const open = await this.#components.vouchers.openEntries("held", book.id);
        const isLost = (entry: LedgerEntry) =>
          entry.job === job && entry.attempt === attempt && (passedToo || entry.state === "waiting");
        const lost = open.filter(isLost);
        await this.#components.vouchers.setEntries("held", book.id, lost, "forfeited");
        book.ledger.forfeit(lost.reduce((sum, entry) => sum + entry.exact, 0n));
      });
    }
    this.#tell(book);
  }

  async requestVoucher(channel: Channel, kind: "usage" | "final" = "usage"): Promise<Vouchered> {
    const { vouchers } = this.#components;
    const book = await this.#books.open(channel);
    for (;;) {
      const newest = (await vouchers.newest("held", book.id))?.voucher;
      const held = newest?.value;
      const { entries, totalExact } = await readPayable(vouchers, "held", book.id);
      if (entries.length === 0) return { vouchered: held?.cumulative ?? 0n, seq: held?.seq ?? 0n };
      const receiptHashes = entries.map((entry) => entry.receiptHash);
      await this.#ask(book, {
        channel: book.id,
        kind,
        seq: (held?.seq ?? 0n) + 1n,
        cumulative: nextCumulative(totalExact, held?.cumulative ?? 0n, book.decimals),
        receiptsRoot: merkleRoot(receiptHashes),
        receiptHashes,
        ...(newest === undefined ? {} : { held: newest }),
      });
    }
  }

  async requestPrepay(channel: Channel, exactPerSecond: bigint): Promise<Vouchered> {
    const book = await this.#books.open(channel);
    const held = (await this.#components.vouchers.newest("held", book.id))?.voucher.value;
    if (held !== undefined) return { vouchered: held.cumulative, seq: held.seq };
    const cumulative = prepayBaseUnits(exactPerSecond, book.decimals);
    this.#awaited.add(book.id);
    const ahead = { channel: book.id, seq: 1n, cumulative, receiptsRoot: zeroHash, receiptHashes: [] };
    try {
      await this.#ask(book, { ...ahead, kind: "prepay" });
    } catch (error) {
      this.#awaited.delete(book.id);
      throw error;
    }
    return { vouchered: book.ledger.vouchered, seq: 1n };
  }

  openJobs(channel: Hex): number {
    return (this.#books.find(channel)?.openJobs.size ?? 0) + (this.#awaited.has(channel) ? 1 : 0);
  }

  onChange(listener: (channel: Hex) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async largestUnpaid(): Promise<ReadonlyMap<Address, bigint>> {
    return new Map(this.#books.all().map(({ channel, ledger }) => [channel.payer, ledger.largestUnpaidExact]));
  }

  status(): Promise<ChannelStatus[]> {
    return this.#books.statuses();
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
    await this.accept(prepay);
  }

  async #ask(book: Book, request: VoucherRequest): Promise<void> {
    const { askPayer } = this.#components;
    if (askPayer === undefined) throw new PaymentError({ code: "VOUCHER_ANSWER_WRONG", channel: book.id });
    const offer = await askPayer(book.channel.payer, request);
    const isOurs = channelId(channelOf(offer.voucher.value)) === book.id && offer.voucher.value.seq === request.seq;
    // An answer that covers nothing of what was asked would be asked for again for ever.
    const asked = new Set(request.receiptHashes);
    const isAnswer = asked.size === 0 || offer.receiptHashes.some((hash) => asked.has(hash));
    if (!isOurs || !isAnswer) throw new PaymentError({ code: "VOUCHER_ANSWER_WRONG", channel: book.id });
    const answer = await this.accept(offer);
    if (!("acknowledged" in answer)) throw new PaymentError({ code: "VOUCHER_FENCED", channel: book.id });
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
    this.#tell(book);
    return acknowledge(book, voucher.value);
  }

  #checkChannel(channel: Channel): void {
    for (const field of ["payer", "token"] as const) {
      if (channel[field] === zeroAddress) throw new PaymentError({ code: "VOUCHER_ADDRESS_ZERO", field });
    }
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

  /** A channel that we have nothing of costs no memory until somebody brings money for it. */
  async #checkStranger(offer: VoucherOffer): Promise<void> {
    const { vouchers, chain } = this.#components;
    const { value } = offer.voucher;
    const channel = channelOf(value);
    const id = channelId(channel);
    if (this.#books.find(id) !== undefined || (await vouchers.newest("held", id)) !== undefined) return;
    judgeOffer(undefined, { ...offer, voucher: value });
    await this.#signers.check(offer.voucher);
    const { collected, reserve, thawing } = await chain.channelState(channel);
    const open = value.cumulative - collected;
    if (open > reserve + thawing) throw new PaymentError({ code: "VOUCHER_ABOVE_RESERVE", open, reserve });
  }

  /**
   * A voucher beyond the reserve is not worth its paper: the pool can be emptied by the payer. What thaws can still be
   * collected, and is at once: it counts for work that was done, never for credit.
   */
  async #checkReserve(book: Book, voucher: Voucher): Promise<void> {
    const isShort = () => voucher.cumulative - book.state.collected > book.state.reserve + book.state.thawing;
    if (isShort()) await this.#books.refresh(book);
    if (!isShort()) return;
    const open = voucher.cumulative - book.state.collected;
    throw new PaymentError({ code: "VOUCHER_ABOVE_RESERVE", open, reserve: book.state.reserve });
  }

  async #adoptJobs(book: Book): Promise<void> {
    for (const { job } of await this.#components.vouchers.openEntries("held", book.id)) this.#jobs.set(job, book);
  }

  #remember(job: Hex, book: Book): void {
    this.#jobs.set(job, book);
    if (this.#jobs.size <= MAX_JOBS) return;
    for (const [oldest, of] of this.#jobs) {
      if (of.openJobs.has(oldest)) continue;
      this.#jobs.delete(oldest);
      if (this.#tasks.signal.aborted) return;
      this.#tasks.run(() => this.#components.vouchers.forgetJob("held", of.id, oldest));
      return;
    }
  }

  #tell(book: Book): void {
    for (const listener of this.#listeners) listener(book.id);
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
