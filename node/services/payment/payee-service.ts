import type { ChannelView } from "@leat/node/chain/channel-view.ts";
import type { Clock } from "@leat/node/kernel/clock.ts";
import type { Startable } from "@leat/node/kernel/lifecycle.ts";
import { TaskGroup } from "@leat/node/kernel/task-group.ts";
import type { LedgerEntry, VoucherStore } from "@leat/node/metering/voucher-store.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import { type Channel, channelId } from "@leat/sdk/protocol/channel.ts";
import type { Domain } from "@leat/sdk/protocol/eip712.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import type { VoucherOffer } from "@leat/sdk/protocol/job.ts";
import type { Voucher } from "@leat/sdk/protocol/signed.ts";
import type { Signed, Statements } from "@leat/sdk/protocol/statements.ts";
import { type Static, Type } from "typebox";
import { type Book, ChannelBooks, readWaiting } from "./channel-book.ts";
import { CreditGate } from "./credit-gate.ts";
import { EarlyVouchers } from "./early-vouchers.ts";
import type {
  ChannelStatus,
  CloseOptions,
  CreditTerms,
  MayWork,
  Payee,
  VoucherAnswer,
  Vouchered,
  VoucherRequest,
  WaitingWork,
  Work,
  WorkKey,
} from "./index.ts";
import { PayeeJobs } from "./payee-jobs.ts";
import type { PayerJudgeComponents } from "./payer-judge.ts";
import { VoucherIntake } from "./voucher-intake.ts";
import { VoucherRequests } from "./voucher-requests.ts";
import { VoucherSigners } from "./voucher-signers.ts";
import { isWaitingOf, writeOff } from "./write-off.ts";

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
  readonly #intake: VoucherIntake;
  readonly #gate: CreditGate;
  readonly #requests: VoucherRequests;
  readonly #early: EarlyVouchers;
  readonly #jobs = new PayeeJobs((job, book) => this.#forget(job, book));
  readonly #listeners = new Set<(channel: Hex) => void>();
  readonly #tasks: TaskGroup;

  constructor(components: PayeeComponents, options: Static<typeof payeeOptions>) {
    this.#components = components;
    this.#options = options;
    const rules = { growthPpm: options.creditGrowthPpm, maxFactor: options.creditMaxFactor };
    const signers = new VoucherSigners(components);
    const signerOf = (newest: Signed<Voucher> | undefined) => newest && signers.find(newest);
    const books = new ChannelBooks("held", { ...components, signers, signerOf }, rules);
    const intake = new VoucherIntake(components, { books, signers, onAccepted: (book) => this.#accepted(book) });
    this.#books = books;
    this.#intake = intake;
    this.#gate = new CreditGate(components, options, { books, intake });
    this.#requests = new VoucherRequests(components, { books, intake });
    this.#tasks = new TaskGroup({
      clock: components.clock,
      onError: (error) => components.logger.warn("Work on channels failed", { error }),
    });
    this.#early = new EarlyVouchers(components, { books, requests: this.#requests, tasks: this.#tasks });
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
      this.#jobs.remember(terms.job, await this.#gate.openJob(terms, prepay));
    } finally {
      this.#requests.awaitNoMore(channelId(terms.channel));
    }
  }

  /** Whether this node's policy takes the payer at all. @throws PAYER_REPUTATION_LOW */
  judgePayer(payer: Address): Promise<void> {
    return this.#gate.judgePayer(payer);
  }

  async resumeJob(terms: CreditTerms, booked: bigint): Promise<void> {
    this.#intake.checkChannel(terms.channel);
    const book = await this.#books.open(terms.channel);
    this.#books.openJob(book, terms);
    book.openJobs.begun(terms.job, booked, booked - 1n);
    this.#jobs.remember(terms.job, book);
  }

  async earned(work: Work): Promise<boolean> {
    this.#intake.checkChannel(work.channel);
    const book = await this.#books.open(work.channel, this.#jobs.find(work.job));
    this.#jobs.remember(work.job, book);
    const { job, attempt, seq, exact, receiptHash } = work;
    const entry = { job, attempt, seq, exact, receiptHash, state: "waiting" as const };
    const added = await this.#components.vouchers.addEntry("held", book.id, entry);
    if (added) {
      book.ledger.book(exact);
      book.rate.book(exact, this.#components.clock.nowMs());
    }
    book.openJobs.booked(job, seq);
    return added;
  }

  begun(job: Hex, first: bigint, last: bigint): () => void {
    return this.#jobs.find(job)?.openJobs.begun(job, first, last) ?? (() => {});
  }

  async passed(key: WorkKey): Promise<void> {
    const { vouchers } = this.#components;
    const book = this.#jobs.find(key.job);
    // A job that was over before this process began is open in no book: its channel is whichever has the entry.
    const channels = book === undefined ? await vouchers.channels("held") : [book.id];
    for (const channel of channels) await vouchers.setEntries("held", channel, [key], "payable");
    if (book !== undefined && this.#components.askPayer !== undefined) this.#early.passed(book);
  }

  waiting(): Promise<WorkKey[]> {
    return readWaiting(this.#components.vouchers, "held");
  }

  mayWork(job: Hex): MayWork {
    return this.#gate.mayWork(this.#jobs.find(job), job);
  }

  accept(offer: VoucherOffer): Promise<VoucherAnswer> {
    return this.#intake.accept(offer);
  }

  async closeJob(job: Hex, attempt: number, { forfeit, passedToo = false }: CloseOptions): Promise<void> {
    const book = this.#jobs.find(job);
    if (book === undefined) return;
    this.#books.closeJob(book, job, attempt);
    const isLost = (entry: LedgerEntry) =>
      entry.job === job && entry.attempt === attempt && (passedToo || entry.state === "waiting");
    if (forfeit) await writeOff(this.#components.vouchers, "held", book, isLost);
    this.#tell(book);
  }

  async waitingFor(payer: Address): Promise<WaitingWork[]> {
    const books = this.#books.all().filter(({ channel }) => channel.payer === payer);
    return Promise.all(
      books.map(async ({ channel, id }) => {
        const waiting = await this.#components.vouchers.openEntries("held", id, "waiting");
        return { channel, work: waiting.map(({ job, attempt, seq }) => ({ job, attempt, seq })) };
      }),
    );
  }

  async writeOff(channel: Channel, keys: readonly WorkKey[]): Promise<bigint> {
    const book = await this.#books.open(channel);
    const exact = await writeOff(this.#components.vouchers, "held", book, isWaitingOf(keys));
    if (exact > 0n) this.#tell(book);
    return exact;
  }

  requestVoucher(channel: Channel, kind: "usage" | "final" = "usage"): Promise<Vouchered> {
    return this.#requests.requestVoucher(channel, kind);
  }

  requestPrepay(channel: Channel, exactPerSecond: bigint): Promise<Vouchered> {
    return this.#requests.requestPrepay(channel, exactPerSecond);
  }

  openJobs(channel: Hex): number {
    return (this.#books.find(channel)?.openJobs.size ?? 0) + (this.#requests.isAwaited(channel) ? 1 : 0);
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

  async #adoptJobs(book: Book): Promise<void> {
    for (const { job } of await this.#components.vouchers.openEntries("held", book.id)) this.#jobs.adopt(job, book);
  }

  #accepted(book: Book): void {
    this.#early.paid(book);
    this.#tell(book);
  }

  #forget(job: Hex, { id }: Book): void {
    if (!this.#tasks.signal.aborted) this.#tasks.run(() => this.#components.vouchers.forgetJob("held", id, job));
  }

  #tell(book: Book): void {
    for (const listener of this.#listeners) listener(book.id);
  }
}
