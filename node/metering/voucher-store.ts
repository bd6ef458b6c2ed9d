import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { Voucher } from "@leat/sdk/protocol/signed.ts";
import type { Signed } from "@leat/sdk/protocol/statements.ts";

/** `issued`: vouchers that we signed as payer. `held`: vouchers that we accepted as payee. Kept apart, never mixed. */
export type VoucherSide = "issued" | "held";

/** The newest voucher of one channel; earlier ones are worth nothing and are not kept. */
export interface VoucherRecord {
  readonly channel: Hex;
  readonly voucher: Signed<Voucher>;
  /** The root that its usageRoot added last, and what stands under it: needed to send the same offer again. */
  readonly receiptsRoot: Hex;
  readonly receiptHashes: readonly Hex[];
  /** The payee said that it has it on disk. Always true for `held`. */
  readonly acknowledged: boolean;
}

/**
 * `waiting`: in the hold-back, not to be paid yet. `payable`: to be covered by the next voucher. `vouchered`: covered.
 * `forfeited`: will never be paid. Only `payable` and `vouchered` count to the channel's total.
 */
export type EntryState = "waiting" | "payable" | "vouchered" | "forfeited";

/** One receipt's worth in one channel. (job, attempt, seq) is unique in a channel's side: a second one adds nothing. */
export interface LedgerEntry {
  readonly job: Hex;
  readonly attempt: number;
  /** Segment number. */
  readonly seq: bigint;
  /** 10^-30 of a whole token. May pass 2^128: store it as text or numeric. */
  readonly exact: bigint;
  readonly receiptHash: Hex;
  readonly state: EntryState;
}

export interface EntryKey {
  readonly job: Hex;
  readonly attempt: number;
  readonly seq: bigint;
}

export function entryName({ job, attempt, seq }: EntryKey): string {
  return `${job}/${attempt}/${seq}`;
}

/** What the chain confirmed of a channel. */
export interface CollectedRecord {
  readonly channel: Hex;
  /** Total collected, base units. */
  readonly collected: bigint;
  readonly transaction: Hex;
  readonly blockNumber: bigint;
}

export interface PutVoucher {
  readonly record: VoucherRecord;
  /** Compare-and-set: the seq of the newest voucher there, 0 when there is none. */
  readonly expectedSeq: bigint;
  /** Entries that become `vouchered` with it. */
  readonly covered: readonly EntryKey[];
  /** Exact amount added to the channel's total beside its entries (work known only from an adopted voucher). */
  readonly adjustExact?: bigint;
  /** Nothing waits for it: it may wait a moment for others, and be written with them. */
  readonly patient?: boolean;
}

export type PutVoucherResult =
  | { readonly stored: true }
  /** Somebody was faster. `held` is what is there now. */
  | { readonly stored: false; readonly held: VoucherRecord | undefined };

/**
 * Where money is remembered. Every promise of a writing method resolves only when the change is durable (fsync or
 * commit), each change is all or nothing, and changes of one channel are serial. It knows no payment rules but these.
 */
export interface VoucherStore {
  newest(side: VoucherSide, channel: Hex): Promise<VoucherRecord | undefined>;
  /** The newest voucher of every channel of a side, in no order. */
  all(side: VoucherSide): Promise<VoucherRecord[]>;
  put(side: VoucherSide, change: PutVoucher): Promise<PutVoucherResult>;
  /** Marks the newest issued voucher acknowledged, if it still is `seq`. */
  acknowledge(channel: Hex, seq: bigint): Promise<void>;

  /** False when the channel already has an entry of that key: nothing changes then, whatever its amount. */
  addEntry(side: VoucherSide, channel: Hex, entry: LedgerEntry): Promise<boolean>;
  /** Unknown keys, and entries that are `vouchered` or `forfeited` already, are left as they are. */
  setEntries(
    side: VoucherSide,
    channel: Hex,
    keys: readonly EntryKey[],
    state: "payable" | "vouchered" | "forfeited",
  ): Promise<void>;
  /** Entries that are `waiting` or `payable`, or one of the two alone, by job, attempt, seq. */
  openEntries(side: VoucherSide, channel: Hex, state?: "waiting" | "payable"): Promise<LedgerEntry[]>;
  countOpen(side: VoucherSide, channel: Hex): Promise<number>;
  /** Whether there is an entry of that key, in whatever state, that was not forgotten. */
  hasEntry(side: VoucherSide, channel: Hex, key: EntryKey): Promise<boolean>;
  /**
   * Exact sum of all entries that are `payable` or `vouchered` (forgotten ones too) and of all adjustments, since the
   * channel began.
   */
  totalExact(side: VoucherSide, channel: Hex): Promise<bigint>;
  /** Every channel id of a side that has a voucher or an entry. */
  channels(side: VoucherSide): Promise<Hex[]>;

  /** Drops a job's `vouchered` and `forfeited` entries; the total stays. After it their keys count as new. */
  forgetJob(side: VoucherSide, channel: Hex, job: Hex): Promise<void>;

  /** The newest confirmed collection; a smaller total than what is there changes nothing. */
  putCollected(record: CollectedRecord): Promise<void>;
  collected(channel: Hex): Promise<CollectedRecord | undefined>;
}
