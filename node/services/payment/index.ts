import type { Channel } from "@leat/sdk/protocol/channel.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import type { VoucherOffer } from "@leat/sdk/protocol/job.ts";
import type { Voucher } from "@leat/sdk/protocol/signed.ts";
import type { Signed } from "@leat/sdk/protocol/statements.ts";

/** What a payee answers to an offer: it is on disk, or this is what I hold (and the payer adopts it). */
export type VoucherAnswer =
  | { readonly acknowledged: { readonly channel: Hex; readonly cumulative: bigint; readonly seq: bigint } }
  | { readonly held: Signed<Voucher>; readonly code?: string };

/** A payee asks a payer for a voucher that covers these receipts: the balancer asks a buyer's agent. */
export interface VoucherRequest {
  /** Channel id. */
  readonly channel: Hex;
  readonly kind: VoucherOffer["kind"];
  /** The seq that the answer must have: one more than the payee holds. */
  readonly seq: bigint;
  /** The least total that the payee expects, base units. */
  readonly cumulative: bigint;
  readonly receiptsRoot: Hex;
  readonly receiptHashes: readonly Hex[];
  /** What the payee holds: a payer that lost its store goes on from it. */
  readonly held?: Signed<Voucher>;
}

/** Where a channel stands: total in base units, and the seq of its newest voucher (0: none). */
export interface Vouchered {
  readonly vouchered: bigint;
  readonly seq: bigint;
}

export interface WorkKey {
  readonly job: Hex;
  readonly attempt: number;
  /** Segment number. */
  readonly seq: bigint;
}

/** One receipt's worth. */
export interface Work extends WorkKey {
  readonly channel: Channel;
  /** 10^-30 of a whole token. */
  readonly exact: bigint;
  readonly receiptHash: Hex;
}

/** Work of one channel that its payee booked and nobody paid. */
export interface WaitingWork {
  readonly channel: Channel;
  readonly work: readonly WorkKey[];
}

/** What one side knows of one channel. Exact amounts are 10^-30 of a whole token, the others base units. */
export interface ChannelStatus {
  readonly channel: Channel;
  readonly channelId: Hex;
  /** Work done and not covered by an acknowledged voucher, in the hold-back or not; 0 while a prepayment lasts. */
  readonly unpaidExact: bigint;
  /** The largest it was since this process began. */
  readonly largestUnpaidExact: bigint;
  readonly creditLimitExact: bigint;
  readonly vouchered: bigint;
  readonly collected: bigint;
  readonly collectTransaction: Hex | undefined;
  /** Confirmed, not thawing, and within what an allotted key may sign; what the chain last said. */
  readonly reserve: bigint;
  /** On its way back to the payer, still collectable. */
  readonly thawing: bigint;
  readonly decimals: number;
  /** What the channel costs a second now: measured over the last minutes, or quoted. */
  readonly exactPerSecond: bigint;
  /** What of the reserve is promised to no voucher and needed for no work that was done. */
  readonly freeExact: bigint;
  /** For how long that lasts; undefined while nothing is spent. */
  readonly runwaySeconds: bigint | undefined;
  /**
   * Most that our side can lose now, exact. Payee: max(credit limit, unpaid) + max(0, vouchered - collected - reserve).
   * Payer: what it paid ahead and one hold-back window of work that may turn out bad.
   */
  readonly canLoseExact: bigint;
}

/** The payer's pen of its channels: the balancer's towards nodes, a buyer agent's towards a cluster. */
export interface Payer {
  /** Tells the price of a job that begins, so that vouchers come before half of the credit is used up. */
  openJob(terms: CreditTerms): Promise<void>;
  /** Books work, which waits in its attempt's hold-back. False when it was booked before: then nothing changes. */
  owe(work: Work): Promise<boolean>;
  /** A segment passed its check, or is paid unproven. */
  passed(key: WorkKey): Promise<void>;
  /** Work that is booked and has not passed: after a restart, its checks are looked at again. */
  waiting(): Promise<WorkKey[]>;
  /** The attempt is over: what passed, or passes from now on, is payable at once. */
  release(job: Hex, attempt: number): Promise<void>;
  /**
   * The attempt is over for bad work: what still waits is never paid. Answers what was forfeited, exact. With `passedToo`
   * nor is what passed and no voucher was signed over, as soon as none is on its way.
   */
  forfeit(job: Hex, attempt: number, options?: Pick<CloseOptions, "passedToo">): Promise<bigint>;
  /** Never pays this work, as far as it waits: nobody says any more that it is good, or another is paid for it. */
  refuse(channel: Channel, keys: readonly WorkKey[]): Promise<void>;
  /**
   * Which of the work that the payee says no voucher covers will never be covered by one: refused, forfeited, or never
   * heard of. None while a voucher is on its way.
   */
  unpaid(channel: Channel, keys: readonly WorkKey[]): Promise<WorkKey[]>;
  /**
   * The first voucher of a new channel: 10 s at the quoted price ahead of any work. Undefined where the channel has
   * vouchers that the payee acknowledged: then none is needed.
   */
  prepay(channel: Channel, exactPerSecond: bigint): Promise<VoucherOffer | undefined>;
  /** The payee has it on disk: call it when the job that a prepayment went with was accepted. */
  acknowledged(offer: VoucherOffer): Promise<void>;
  /** Signs and delivers a voucher for all that is payable now; resolves when the payee acknowledged it. */
  settleNow(channel: Channel): Promise<Vouchered>;
  /** Signs for exactly the receipts that a payee asks for (the buyer agent's side of `voucher.request`). */
  answerRequest(request: VoucherRequest): Promise<VoucherOffer>;
  status(): Promise<ChannelStatus[]>;
}

export interface CreditTerms {
  readonly job: Hex;
  readonly attempt: number;
  readonly channel: Channel;
  /** Exact cost of one second of the job at the quoted prices. */
  readonly exactPerSecond: bigint;
  /** Longest segment, for the hold-back. */
  readonly segmentMs: number;
  readonly samplingRate: number;
  /** Seconds since 1970 until which quote and assignment stand. */
  readonly validUntil: bigint;
}

/** Not at all, or: the limit of unpaid work is reached; an allotted key can sign for no more; the reserve is used up. */
export type MayWork = "ok" | "CREDIT_EXHAUSTED" | "CREDIT_SIGNER_SPENT" | "CREDIT_RESERVE_SPENT";

export interface CloseOptions {
  /** What is not vouchered yet is written off, but for what passed its check. */
  readonly forfeit: boolean;
  /** That too: a buyer that finds an edge lying pays nothing more for it. */
  readonly passedToo?: boolean;
}

/** The payee's book of its channels: a node's towards its balancer, the balancer's towards buyers. */
export interface Payee {
  /**
   * Accepts a job's terms or throws a PaymentError: CREDIT_PREPAY_REQUIRED (new payer, no prepayment),
   * CREDIT_RESERVE_SHORT (the confirmed, unthawing reserve does not cover the credit), CREDIT_QUOTE_EXPIRED.
   */
  openJob(terms: CreditTerms, prepay?: VoucherOffer): Promise<void>;
  /**
   * Goes on with a job that was open before a restart: its terms were judged when it began.
   * @param booked One past its newest segment that is booked: what began before is under way no more.
   */
  resumeJob(terms: CreditTerms, booked: bigint): Promise<void>;
  /** Books work that was done. False when it was booked before. */
  earned(work: Work): Promise<boolean>;
  /**
   * Segments `first` to `last` of an open job were given to be worked on: what of them is not booked yet is under way.
   * @returns Takes it back, where called at once.
   */
  begun(job: Hex, first: bigint, last: bigint): () => void;
  /**
   * Marks booked work as passed, so that `requestVoucher` asks for it (not needed where the payer decides alone). Where
   * half of the credit is used up, the payer is asked at once.
   */
  passed(key: WorkKey): Promise<void>;
  /** Work that is booked and has not passed: after a restart, its checks are looked at again. */
  waiting(): Promise<WorkKey[]>;
  /** Whether one more segment of the job may be done on credit. */
  mayWork(job: Hex): MayWork;
  /** Resolves when the voucher is on disk, or with the one held. Throws a PaymentError for one that must be refused. */
  accept(offer: VoucherOffer): Promise<VoucherAnswer>;
  /** Ends the attempt in the book. `forfeit`: what is not vouchered yet is written off. */
  closeJob(job: Hex, attempt: number, options: CloseOptions): Promise<void>;
  /** Work that waits on the open channels of one payer. */
  waitingFor(payer: Address): Promise<WaitingWork[]>;
  /** This work is never paid, as far as it waits. A voucher that covers it after all is still taken. Answers its worth. */
  writeOff(channel: Channel, keys: readonly WorkKey[]): Promise<bigint>;
  /** Asks the payer for a voucher over all passed work and accepts it. Nothing to ask for: answers what is held. */
  requestVoucher(channel: Channel, kind?: "usage" | "final"): Promise<Vouchered>;
  /** Asks a new payer for its prepayment and accepts it; a payer that has vouchered before is not asked. */
  requestPrepay(channel: Channel, exactPerSecond: bigint): Promise<Vouchered>;
  /** Open jobs of a channel: with none, its voucher is final for now. */
  openJobs(channel: Hex): number;
  /** Called after a voucher was accepted or a job closed, with the channel's id. Answers how to stop. */
  onChange(listener: (channel: Hex) => void): () => void;
  largestUnpaid(): Promise<ReadonlyMap<Address, bigint>>;
  status(): Promise<ChannelStatus[]>;
}
