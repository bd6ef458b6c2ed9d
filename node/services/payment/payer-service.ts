import type { ChannelView } from "@leat/node/chain/channel-view.ts";
import type { Clock } from "@leat/node/kernel/clock.ts";
import type { Startable } from "@leat/node/kernel/lifecycle.ts";
import { Paced } from "@leat/node/kernel/paced.ts";
import { TaskGroup } from "@leat/node/kernel/task-group.ts";
import { defaultCreditRules, prepayBaseUnits } from "@leat/node/metering/credit.ts";
import { entryName, type LedgerEntry, type VoucherStore } from "@leat/node/metering/voucher-store.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import { type Channel, channelId, channelOf } from "@leat/sdk/protocol/channel.ts";
import type { Domain } from "@leat/sdk/protocol/eip712.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import type { VoucherOffer } from "@leat/sdk/protocol/job.ts";
import type { StatementSigner, Statements } from "@leat/sdk/protocol/statements.ts";
import { type Static, Type } from "typebox";
import { Attempts, attemptKey } from "./attempts.ts";
import { type Book, ChannelBooks, readWaiting } from "./channel-book.ts";
import { EARLY_PAUSE_MS } from "./early-vouchers.ts";
import { PaymentError } from "./errors.ts";
import type {
  ChannelStatus,
  CloseOptions,
  CreditTerms,
  Payer,
  VoucherAnswer,
  Vouchered,
  VoucherRequest,
  Work,
  WorkKey,
} from "./index.ts";
import { PayableReader } from "./payable-work.ts";
import { Pen } from "./pen.ts";
import { VoucherSigners } from "./voucher-signers.ts";
import { isWaitingOf, writeOff } from "./write-off.ts";

export const payerOptions = Type.Object(
  {
    voucherEveryMs: Type.Integer({
      default: 10_000,
      minimum: 1_000,
      maximum: 30_000,
      description: "Pause between vouchers of a channel with work to pay, milliseconds",
    }),
    samplingRate: Type.Number({
      default: 1,
      minimum: 0.01,
      maximum: 1,
      description: "Share of segments that are checked before pay: 1 holds back one segment, 0.05 holds back 20",
    }),
    prepayLimit: Type.String({
      default: "1",
      pattern: "^[0-9]{1,18}(\\.[0-9]{1,6})?$",
      description: "Most that is paid ahead on a new channel when its payee asks, whole tokens",
    }),
  },
  { default: {}, additionalProperties: false },
);

/** Attempts that ended for bad work and are remembered: what they book later is bad too. 1 MB in memory. */
const MAX_FORFEITED = 10_000;
/** So often a payee may answer with another voucher than the one that it was sent. */
const MAX_ADOPTED = 2;

/** What one turn of a settlement brought: its end, or the receipts that it is about, where they are known by then. */
type SettleStep =
  | { readonly end: Vouchered }
  | { readonly named: ReadonlySet<Hex> | undefined; readonly isAdopted: boolean };

export interface PayerComponents {
  readonly vouchers: VoucherStore;
  readonly statements: Pick<Statements, "recoverSigner">;
  /** The payer's key, one that the payer allotted, or a balancer key of the cluster whose account pays. */
  readonly signer: StatementSigner;
  readonly domain: Domain;
  readonly chain: ChannelView;
  /** Brings an offer to a payee (`voucher.offer`). An agent that signs only when asked has none. */
  readonly deliver?: (payee: Address, offer: VoucherOffer) => Promise<VoucherAnswer>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricsRegister;
}

export class PayerService implements Payer, Startable {
  readonly #components: PayerComponents;
  readonly #options: Static<typeof payerOptions>;
  readonly #books: ChannelBooks;
  readonly #pen: Pen;
  readonly #payable: PayableReader;
  readonly #attempts: Attempts;
  readonly #forfeited = new Set<string>();
  readonly #tasks: TaskGroup;
  readonly #settling = new Set<Hex>();
  readonly #early: Paced<Book>;

  constructor(components: PayerComponents, options: Static<typeof payerOptions>) {
    this.#components = components;
    this.#options = options;
    const signers = new VoucherSigners(components);
    const signerOf = () => components.signer.address;
    this.#books = new ChannelBooks(
      "issued",
      { ...components, signers, signerOf },
      defaultCreditRules,
      options.samplingRate,
    );
    this.#attempts = new Attempts(options.samplingRate, ({ book, job }) => this.#forgetEntries(book, job));
    this.#pen = new Pen({ ...components, signers, books: this.#books });
    this.#payable = new PayableReader("issued", components);
    this.#tasks = new TaskGroup({
      clock: components.clock,
      onError: (error) => components.logger.warn("Sign vouchers failed", { error }),
    });
    this.#early = new Paced({
      clock: components.clock,
      tasks: this.#tasks,
      pauseMs: EARLY_PAUSE_MS,
      isDue: (book) => this.#isEarly(book),
      work: (book) => this.#settle(book),
    });
  }

  async start(): Promise<void> {
    for (const book of await this.#books.loadAll()) await this.#adoptEntries(book);
    this.#tasks.every(this.#options.voucherEveryMs, async () => {
      for (const book of this.#books.all()) this.#settleSoon(book);
    });
  }

  async stop(): Promise<void> {
    await this.#tasks.close();
  }

  async openJob(terms: CreditTerms): Promise<void> {
    this.#books.openJob(await this.#books.open(terms.channel), terms);
  }

  async owe(work: Work): Promise<boolean> {
    const { job, attempt, seq, exact, receiptHash, channel } = work;
    const book = await this.#books.open(channel);
    const { holdBack } = this.#attempts.open(book, job, attempt);
    if (this.#forfeited.has(attemptKey(job, attempt))) {
      holdBack.forfeit();
      this.#attempts.close(job, attempt);
    }
    const state = holdBack.state === "forfeited" ? ("forfeited" as const) : ("waiting" as const);
    const entry = { job, attempt, seq, exact, receiptHash, state };
    if (!(await this.#components.vouchers.addEntry("issued", book.id, entry))) return false;
    if (state === "forfeited") return true;
    // Found bad while it was written: who wrote the others off did not see this one.
    if (holdBack.state === "forfeited") {
      await this.#components.vouchers.setEntries("issued", book.id, [entry], "forfeited");
      return true;
    }
    book.ledger.book(exact);
    book.rate.book(exact, this.#components.clock.nowMs());
    await this.#makePayable(book, job, attempt, holdBack.add(seq, exact));
    return true;
  }

  async passed({ job, attempt, seq }: WorkKey): Promise<void> {
    const known = this.#attempts.find(job, attempt);
    if (known !== undefined) return this.#makePayable(known.book, job, attempt, known.holdBack.pass(seq));
    if (this.#forfeited.has(attemptKey(job, attempt))) return;
    // Over and forgotten: nothing holds it back any more, in whichever channel it is.
    const { vouchers } = this.#components;
    for (const channel of await vouchers.channels("issued")) {
      await vouchers.setEntries("issued", channel, [{ job, attempt, seq }], "payable");
    }
  }

  waiting(): Promise<WorkKey[]> {
    return readWaiting(this.#components.vouchers, "issued");
  }

  async release(job: Hex, attempt: number): Promise<void> {
    this.#close(job, attempt);
    const known = this.#attempts.find(job, attempt);
    if (known !== undefined) await this.#makePayable(known.book, job, attempt, known.holdBack.release());
  }

  async forfeit(
    job: Hex,
    attempt: number,
    { passedToo = false }: Pick<CloseOptions, "passedToo"> = {},
  ): Promise<bigint> {
    const { vouchers } = this.#components;
    const key = attemptKey(job, attempt);
    this.#close(job, attempt);
    // Also one that has booked nothing yet: what it books later is bad work too.
    this.#forfeited.add(key);
    if (this.#forfeited.size > MAX_FORFEITED) this.#forfeited.delete(this.#forfeited.values().next().value!);
    const known = this.#attempts.find(job, attempt);
    if (known === undefined) {
      // Forgotten, or never heard of: it may still have work that waits, in whichever channel it was.
      const isLost = (entry: LedgerEntry) =>
        entry.attempt === attempt && entry.job === job && (passedToo || entry.state === "waiting");
      const lost = await Promise.all(this.#books.all().map((book) => writeOff(vouchers, "issued", book, isLost)));
      return lost.reduce((sum, exact) => sum + exact, 0n);
    }
    const { book, holdBack } = known;
    const lost = holdBack.forfeit();
    const keys = lost.seqs.map((seq) => ({ job, attempt, seq }));
    await vouchers.setEntries("issued", book.id, keys, "forfeited");
    book.ledger.forfeit(lost.exact);
    // Not waited for: whoever is paid here may hold up the voucher that is on its way, and must not hold up the next one.
    if (passedToo && !this.#tasks.signal.aborted) {
      const isPassed = (entry: LedgerEntry) => entry.attempt === attempt && entry.job === job;
      this.#tasks.run(async () => void (await writeOff(vouchers, "issued", book, isPassed)));
    }
    return lost.exact;
  }

  async refuse(channel: Channel, keys: readonly WorkKey[]): Promise<void> {
    const book = await this.#books.open(channel);
    // Out of the hold-back first, and nothing that it forfeited: that is being taken out of the book already.
    const open = keys.filter(({ job, attempt, seq }) => {
      const holdBack = this.#attempts.find(job, attempt)?.holdBack;
      holdBack?.take(seq);
      return holdBack?.state !== "forfeited";
    });
    await writeOff(this.#components.vouchers, "issued", book, isWaitingOf(open));
  }

  async unpaid(channel: Channel, keys: readonly WorkKey[]): Promise<WorkKey[]> {
    const { vouchers } = this.#components;
    const id = channelId(channel);
    // Who asks of a channel that nothing is owed on opens no book.
    if (this.#books.find(id) === undefined && (await vouchers.countOpen("issued", id)) === 0) {
      if ((await vouchers.newest("issued", id)) === undefined) return [...keys];
    }
    const book = await this.#books.open(channel);
    return book.mutex.run(async () => {
      const newest = await vouchers.newest("issued", id);
      if (newest !== undefined && !newest.acknowledged) return [];
      const open = new Set((await vouchers.openEntries("issued", id)).map(entryName));
      return keys.filter((key) => !open.has(entryName(key)));
    });
  }

  /**
   * Drops all that is known of a job that is long over, with what of it was never asked for. False, and nothing changes,
   * while its payee did not say that it has the voucher which covers it.
   */
  async forgetJob(job: Hex): Promise<boolean> {
    const { vouchers } = this.#components;
    for (const book of this.#books.all()) {
      const newest = await vouchers.newest("issued", book.id);
      if (newest === undefined || newest.acknowledged) continue;
      const signed = new Set(newest.receiptHashes);
      const open = await vouchers.openEntries("issued", book.id);
      if (open.some((entry) => entry.job === job && signed.has(entry.receiptHash))) return false;
    }
    for (const book of this.#books.all()) {
      await writeOff(vouchers, "issued", book, (entry) => entry.job === job);
      await vouchers.forgetJob("issued", book.id, job);
    }
    return true;
  }

  async prepay(channel: Channel, exactPerSecond: bigint): Promise<VoucherOffer | undefined> {
    const book = await this.#books.open(channel);
    return book.mutex.run(async () => {
      const newest = await this.#components.vouchers.newest("issued", book.id);
      if (newest?.acknowledged === true) return undefined;
      const amount = prepayBaseUnits(exactPerSecond, book.decimals);
      if (newest === undefined) return this.#pen.issue(book, { entries: [], totalExact: 0n, prepay: amount });
      // Signed for another job of this channel and still on its way: one prepayment is enough for all.
      const offer = this.#pen.offerOf(newest);
      if (newest.voucher.value.cumulative >= amount || this.#components.deliver === undefined) return offer;
      // Too small for this job's beginning: the payee takes it as it is, and its payer is new no more.
      await this.#pen.send(book, offer);
      return undefined;
    });
  }

  async acknowledged(offer: VoucherOffer): Promise<void> {
    const book = await this.#books.open(channelOf(offer.voucher.value));
    await book.mutex.run(() => this.#pen.acknowledge(book, offer));
  }

  async settleNow(channel: Channel): Promise<Vouchered> {
    return this.#settle(await this.#books.open(channel));
  }

  async answerRequest(request: VoucherRequest): Promise<VoucherOffer> {
    const book = this.#books.find(request.channel);
    if (book === undefined) throw new PaymentError({ code: "VOUCHER_CHANNEL_UNKNOWN", channel: request.channel });
    return book.mutex.run(async () => {
      const { offer, entries } = await this.#pen.answer(book, request, this.#options.prepayLimit);
      for (const { job, attempt, seq } of entries) this.#attempts.find(job, attempt)?.holdBack.take(seq);
      return offer;
    });
  }

  /** Opens a channel's book, so that requests for it are known. */
  async openChannel(channel: Channel): Promise<void> {
    await this.#books.open(channel);
  }

  /** What the chain paid, its payee has: an agent that answers a request hears no more of it. */
  async status(): Promise<ChannelStatus[]> {
    const statuses = await this.#books.statuses();
    const isBehind = statuses.some(({ collected, vouchered }) => collected > vouchered);
    if (!isBehind) return statuses;
    for (const book of this.#books.all()) await book.mutex.run(() => this.#pen.acknowledgeCollected(book));
    return this.#books.all().map((book) => this.#books.status(book));
  }

  /**
   * Until the payee acknowledged what is payable now. One voucher in a turn: of much work there is always more, and a new
   * job of the channel waits meanwhile.
   */
  async #settle(book: Book): Promise<Vouchered> {
    let named: ReadonlySet<Hex> | undefined;
    // A payee that never follows would keep us signing for ever.
    for (let adopted = 0; adopted <= MAX_ADOPTED; ) {
      const step = await book.mutex.run(() => this.#settleOnce(book, named));
      if ("end" in step) return step.end;
      named ??= step.named;
      if (step.isAdopted) adopted += 1;
    }
    throw new PaymentError({ code: "VOUCHER_ANSWER_WRONG", channel: book.id });
  }

  async #settleOnce(book: Book, only: ReadonlySet<Hex> | undefined): Promise<SettleStep> {
    const newest = await this.#components.vouchers.newest("issued", book.id);
    if (newest !== undefined && !newest.acknowledged) {
      const isAdopted = (await this.#pen.send(book, this.#pen.offerOf(newest))) === "adopted";
      return { named: only, isAdopted };
    }
    const most = await this.#pen.findMost(book);
    const { entries, receiptHashes: named, totalExact } = await this.#payable.read(book, most, only);
    if (entries.length === 0) {
      const { cumulative = 0n, seq = 0n } = newest?.voucher.value ?? {};
      return { end: { vouchered: cumulative, seq } };
    }
    const offer = await this.#pen.issue(book, { entries, totalExact });
    return { named, isAdopted: (await this.#pen.send(book, offer)) === "adopted" };
  }

  async #makePayable(book: Book, job: Hex, attempt: number, seqs: readonly bigint[]): Promise<void> {
    if (seqs.length === 0) return;
    const keys = seqs.map((seq) => ({ job, attempt, seq }));
    await this.#components.vouchers.setEntries("issued", book.id, keys, "payable");
    this.#early.ask(book);
  }

  /** Half of the credit is used up. */
  #isEarly(book: Book): boolean {
    const limit = this.#books.creditLimit(book);
    return this.#components.deliver !== undefined && limit > 0n && book.ledger.unpaidExact * 2n >= limit;
  }

  #settleSoon(book: Book): void {
    if (this.#components.deliver === undefined || this.#settling.has(book.id) || this.#tasks.signal.aborted) return;
    this.#settling.add(book.id);
    this.#tasks.run(async () => {
      try {
        await this.#settle(book);
      } finally {
        this.#settling.delete(book.id);
      }
    });
  }

  #forgetEntries(book: Book, job: Hex): void {
    // An agent is shown its work by who gains from it: what it paid for it remembers until it says otherwise itself.
    if (this.#components.deliver === undefined || this.#tasks.signal.aborted) return;
    this.#tasks.run(() => this.#components.vouchers.forgetJob("issued", book.id, job));
  }

  /** Also an attempt that booked nothing. */
  #close(job: Hex, attempt: number): void {
    this.#attempts.close(job, attempt);
    for (const book of this.#books.all()) this.#books.closeJob(book, job, attempt);
  }

  /** After a restart: what waited for checks waits again. */
  async #adoptEntries(book: Book): Promise<void> {
    for (const entry of await this.#components.vouchers.openEntries("issued", book.id)) {
      const { holdBack } = this.#attempts.adopt(book, entry.job, entry.attempt);
      if (entry.state !== "waiting") continue;
      await this.#makePayable(book, entry.job, entry.attempt, holdBack.add(entry.seq, entry.exact));
    }
  }
}
