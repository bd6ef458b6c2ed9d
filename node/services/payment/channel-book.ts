import type { ChannelState, ChannelView } from "@leat/node/chain/channel-view.ts";
import type { Clock } from "@leat/node/kernel/clock.ts";
import { Mutex } from "@leat/node/kernel/mutex.ts";
import { promisedReserve } from "@leat/node/metering/allotment.ts";
import {
  CREDIT_SECONDS,
  type CreditRules,
  creditLimitExact,
  holdBackExact,
  leastCreditExact,
} from "@leat/node/metering/credit.ts";
import { holdBackWindow } from "@leat/node/metering/hold-back.ts";
import { canLoseExact, Ledger, payerCanLoseExact } from "@leat/node/metering/ledger.ts";
import { runwaySeconds, SpendingRate } from "@leat/node/metering/runway.ts";
import type { VoucherSide, VoucherStore } from "@leat/node/metering/voucher-store.ts";
import { type Channel, channelId, channelOf } from "@leat/sdk/protocol/channel.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import type { Voucher } from "@leat/sdk/protocol/signed.ts";
import type { Signed } from "@leat/sdk/protocol/statements.ts";
import { toExact } from "@leat/sdk/protocol/units.ts";
import type { ChannelStatus, CreditTerms, WorkKey } from "./index.ts";
import { addCosts, type Costs, costsOf, OpenJobs } from "./open-jobs.ts";
import type { AllottedKey, VoucherSigners } from "./voucher-signers.ts";

/** Keys of all booked work of one side that has not passed. */
export async function readWaiting(vouchers: VoucherStore, side: VoucherSide): Promise<WorkKey[]> {
  const waiting: WorkKey[] = [];
  for (const channel of await vouchers.channels(side)) {
    const open = await vouchers.openEntries(side, channel);
    for (const { job, attempt, seq, state } of open) if (state === "waiting") waiting.push({ job, attempt, seq });
  }
  return waiting;
}

/** What one side keeps in memory of one channel; the store holds the same, durable. */
export interface Book {
  readonly channel: Channel;
  readonly id: Hex;
  readonly decimals: number;
  readonly ledger: Ledger;
  readonly rate: SpendingRate;
  /** One change of the channel's vouchers at a time. */
  readonly mutex: Mutex;
  readonly openJobs: OpenJobs;
  /** Jobs that closed a moment ago: what they did is mostly not vouchered yet, and was done on their own credit. */
  readonly closedJobs: Map<Hex, ClosedJob>;
  /** The key that signs on this channel where it is not one of the payer's own. */
  key: AllottedKey | undefined;
  state: ChannelState;
  /** When the chain was asked last, milliseconds since 1970. */
  readAtMs: number;
  /** When somebody last had to do with the channel. */
  usedAtMs: number;
  /** Base units that the payer ever paid to us and our operator's other nodes. */
  paid: bigint;
}

interface ClosedJob {
  readonly terms: CreditTerms;
  readonly closedAtMs: number;
}

export interface BookComponents {
  readonly vouchers: VoucherStore;
  readonly chain: ChannelView;
  readonly clock: Clock;
  readonly signers: VoucherSigners;
  /** Whose signatures a channel is paid by, as far as that is known. */
  readonly signerOf: (newest: Signed<Voucher> | undefined) => Address | undefined;
}

/** A closed job's credit stands for as long as a payer may be away. */
const CLOSED_CREDIT_MS = Number(CREDIT_SECONDS) * 1_000;
/** What the chain said is believed for so long when somebody only wants to know how things stand. */
const STATUS_AGE_MS = 500;
/** A book that somebody used so short a time ago may be in use. */
const IN_USE_MS = 60_000;
/** Where a payer does not know its jobs: no segment is longer. */
const LONGEST_SEGMENT_MS = 4_000;

/** The books of one side, each read from the store once, on first use. */
export class ChannelBooks {
  readonly #side: VoucherSide;
  readonly #components: BookComponents;
  readonly #rules: CreditRules;
  readonly #samplingRate: number;
  readonly #books = new Map<Hex, Promise<Book>>();
  readonly #ready = new Map<Hex, Book>();

  /** @param samplingRate Share of segments that are checked before pay, where no job says it. */
  constructor(side: VoucherSide, components: BookComponents, rules: CreditRules, samplingRate = 1) {
    this.#side = side;
    this.#samplingRate = samplingRate;
    this.#components = components;
    this.#rules = rules;
  }

  /** Opens the books of all channels that have a voucher. */
  async loadAll(): Promise<Book[]> {
    const records = await this.#components.vouchers.all(this.#side);
    return Promise.all(records.map((record) => this.open(channelOf(record.voucher.value))));
  }

  /** @param likely Saves the look for it, where it is the channel's. */
  open(channel: Channel, likely?: Book): Promise<Book> {
    const id = likely !== undefined && isSame(likely.channel, channel) ? likely.id : channelId(channel);
    const known = this.#books.get(id);
    const ready = this.#ready.get(id);
    if (ready !== undefined) ready.usedAtMs = this.#components.clock.nowMs();
    if (known !== undefined) return known;
    const opening = this.#load(channel, id).then((book) => {
      this.#ready.set(id, book);
      return book;
    });
    // A chain that was away must be asked again, not remembered as absent.
    opening.catch(() => this.#books.delete(id));
    this.#books.set(id, opening);
    return opening;
  }

  /** Books that are open already. */
  find(id: Hex): Book | undefined {
    return this.#ready.get(id);
  }

  all(): Book[] {
    return [...this.#ready.values()];
  }

  /**
   * Puts away books on which nothing is open (no job, no work, nothing to collect), the longest unused first, so that at
   * most `most` of them stay. They are read again when somebody needs them.
   */
  async putAwayIdle(most: number): Promise<void> {
    const before = this.#components.clock.nowMs() - IN_USE_MS;
    const idle = this.all().filter((book) => isAtRest(book) && book.usedAtMs < before);
    idle.sort((left, right) => left.usedAtMs - right.usedAtMs);
    for (const book of idle.slice(0, Math.max(0, idle.length - most))) {
      if ((await this.#components.vouchers.countOpen(this.#side, book.id)) > 0) continue;
      if (!isAtRest(book) || book.usedAtMs >= before) continue;
      this.#ready.delete(book.id);
      this.#books.delete(book.id);
    }
  }

  /** Asks the chain anew. */
  async refresh(book: Book): Promise<void> {
    const { chain, signers } = this.#components;
    const { payer, payee, token } = book.channel;
    if (book.key !== undefined) book.key = await signers.allottedKey(book.channel, book.key.signer);
    book.state = await chain.channelState(book.channel, book.id);
    book.paid = await chain.paidHistory(payer, payee, token);
    book.readAtMs = this.#components.clock.nowMs();
  }

  /** How all open books stand. A chain that is away changes nothing: what it said last is told. */
  async statuses(): Promise<ChannelStatus[]> {
    const books = this.all();
    const oldest = this.#components.clock.nowMs() - STATUS_AGE_MS;
    const stale = books.filter((book) => book.readAtMs <= oldest);
    await Promise.all(stale.map((book) => this.refresh(book).catch(() => {})));
    return books.map((book) => this.status(book));
  }

  /** What of the reserve stands behind whoever signs: never more than an allotted key may still sign. */
  promised(book: Book): bigint {
    return promisedReserve(book.state, book.key?.allotment, this.#components.signers.nowSeconds());
  }

  /**
   * Whether what is promised covers a little more than all that was ever booked and all that is under way. Where it does
   * not, the next work could never be vouchered: it would be lost, not lent.
   */
  coversMore(book: Book): boolean {
    const coveredExact = toExact(book.state.collected + this.promised(book), book.decimals);
    return coveredExact >= book.ledger.bookedExact + book.openJobs.nextExact;
  }

  creditLimit(book: Book): bigint {
    const paidExact = toExact(book.paid, book.decimals);
    return creditLimitExact({ ...this.#countedCosts(book), paidExact }, this.#rules);
  }

  /** What the jobs cost that credit is given for: open ones, and closed ones for a while. */
  #countedCosts({ openJobs, closedJobs }: Book): Costs {
    if (closedJobs.size === 0) return openJobs.costs;
    const oldest = this.#components.clock.nowMs() - CLOSED_CREDIT_MS;
    const closed = [...closedJobs.values()].filter(({ closedAtMs }) => closedAtMs > oldest);
    return closed.map(({ terms }) => costsOf(terms)).reduce(addCosts, openJobs.costs);
  }

  /** Exact amount a second: what was measured, or what the open jobs were quoted before there is a measure. */
  exactPerSecond({ openJobs, rate }: Book): bigint {
    const nowMs = this.#components.clock.nowMs();
    // A buyer's agent knows of no job: it hears of work that was done.
    if (openJobs.size === 0) return rate.recentPerSecond(nowMs);
    return rate.perSecond(nowMs) ?? openJobs.costs.exactPerSecond;
  }

  openJob(book: Book, terms: CreditTerms): void {
    book.openJobs.set(terms);
    book.closedJobs.delete(terms.job);
  }

  closeJob(book: Book, job: Hex, attempt: number): void {
    const terms = book.openJobs.get(job);
    if (terms?.attempt !== attempt) return;
    const closedAtMs = this.#components.clock.nowMs();
    book.openJobs.delete(job);
    book.openJobs.forget(job);
    book.closedJobs.set(job, { terms, closedAtMs });
    for (const [old, closed] of book.closedJobs) {
      if (closed.closedAtMs <= closedAtMs - CLOSED_CREDIT_MS) book.closedJobs.delete(old);
    }
  }

  status(book: Book): ChannelStatus {
    const { ledger, state, decimals } = book;
    const limit = this.creditLimit(book);
    const { unpaidExact, vouchered } = ledger;
    const { collected, thawing } = state;
    const reserve = this.promised(book);
    const exactPerSecond = this.exactPerSecond(book);
    const freeExact = toExact(collected + reserve, decimals) - ledger.bookedExact;
    const lost = { decimals, creditLimitExact: limit, unpaidExact, vouchered, collected, reserve };
    return {
      channel: book.channel,
      channelId: book.id,
      unpaidExact,
      largestUnpaidExact: ledger.largestUnpaidExact,
      creditLimitExact: limit,
      vouchered,
      collected,
      collectTransaction: state.collectTransaction,
      reserve,
      thawing,
      decimals,
      exactPerSecond,
      freeExact: freeExact > 0n ? freeExact : 0n,
      runwaySeconds: runwaySeconds(freeExact, exactPerSecond),
      canLoseExact:
        this.#side === "held"
          ? canLoseExact(lost)
          : payerCanLoseExact({
              creditExact: ledger.creditExact,
              holdBackExact: this.#heldBackExact(book, exactPerSecond),
            }),
    };
  }

  /** The work of one hold-back window: of the open jobs, or at the rate that was measured. */
  #heldBackExact(book: Book, exactPerSecond: bigint): bigint {
    if (book.openJobs.size > 0) return book.openJobs.costs.holdBackExact;
    return holdBackExact(exactPerSecond, LONGEST_SEGMENT_MS, holdBackWindow(this.#samplingRate));
  }

  async #load(channel: Channel, id: Hex): Promise<Book> {
    const { vouchers, chain, signers, signerOf } = this.#components;
    const [decimals, newest, totalExact, open, state, paid] = await Promise.all([
      chain.decimalsOf(channel.token),
      vouchers.newest(this.#side, id),
      vouchers.totalExact(this.#side, id),
      vouchers.openEntries(this.#side, id),
      chain.channelState(channel, id),
      chain.paidHistory(channel.payer, channel.payee, channel.token),
    ]);
    const signer = signerOf(newest?.voucher);
    const waiting = open.filter((entry) => entry.state === "waiting").reduce((sum, entry) => sum + entry.exact, 0n);
    const vouchered = newest?.voucher.value.cumulative ?? 0n;
    return {
      channel,
      id,
      decimals,
      ledger: new Ledger({ decimals, bookedExact: totalExact + waiting, vouchered }),
      rate: new SpendingRate(),
      mutex: new Mutex(),
      openJobs: new OpenJobs(),
      closedJobs: new Map(),
      key: signer === undefined ? undefined : await signers.allottedKey(channel, signer),
      state,
      readAtMs: this.#components.clock.nowMs(),
      usedAtMs: this.#components.clock.nowMs(),
      paid,
    };
  }
}

function isSame(one: Channel, other: Channel): boolean {
  return (
    one === other ||
    (one.payer === other.payer &&
      one.payee === other.payee &&
      one.token === other.token &&
      one.cluster === other.cluster &&
      one.clusterPpm === other.clusterPpm)
  );
}

function isAtRest({ openJobs, ledger, state }: Book): boolean {
  return openJobs.size === 0 && ledger.vouchered <= state.collected;
}

/** The least credit that the open jobs of a channel and one more need. */
export function leastCreditWith(book: Book, terms: CreditTerms): bigint {
  return leastCreditExact(book.openJobs.costsWith(terms));
}
