import { valueFromJson, valueToJson } from "@leat/sdk/protocol/eip712.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { voucherStructure } from "@leat/sdk/protocol/signed.ts";
import type {
  CollectedRecord,
  EntryKey,
  LedgerEntry,
  PutVoucher,
  PutVoucherResult,
  VoucherRecord,
  VoucherSide,
  VoucherStore,
} from "../metering/voucher-store.ts";
import type { Changes, Database } from "./database.ts";

type OpenEntries = Map<string, LedgerEntry>;

/**
 * Vouchers and the entries behind them, in `level`. Open and closed entries stand apart, so that open ones are listed
 * fast; those of a channel are listed once and then kept, since every voucher asks for them.
 */
export class LevelVoucherStore implements VoucherStore {
  readonly #database: Database;
  /** Open entries by key, of each channel that was asked for. Nobody else writes to the database. */
  #open = new Map<string, Promise<OpenEntries>>();
  /** Failed writes when `#open` was begun: after another one it may hold what is not there. */
  #openSince = 0;

  constructor(database: Database) {
    this.#database = database;
  }

  async newest(side: VoucherSide, channel: Hex): Promise<VoucherRecord | undefined> {
    return parseRecord(await this.#database.get(voucherKey(side, channel)));
  }

  async all(side: VoucherSide): Promise<VoucherRecord[]> {
    const found = await this.#database.list(`voucher/${side}/`);
    return found.map(([, text]) => parseRecord(text)!);
  }

  put(side: VoucherSide, change: PutVoucher): Promise<PutVoucherResult> {
    const { record, expectedSeq, covered, adjustExact = 0n } = change;
    return this.#database.change(async (changes): Promise<PutVoucherResult> => {
      const key = voucherKey(side, record.channel);
      const held = parseRecord(await changes.get(key));
      if ((held?.voucher.value.seq ?? 0n) !== expectedSeq) return { stored: false, held };
      changes.put(key, recordText(record));
      const moved = await this.#moveEntries(changes, side, record.channel, covered, "vouchered");
      await addToTotal(changes, side, record.channel, moved + adjustExact);
      return { stored: true };
    });
  }

  acknowledge(channel: Hex, seq: bigint): Promise<void> {
    return this.#database.change(async (changes) => {
      const key = voucherKey("issued", channel);
      const held = parseRecord(await changes.get(key));
      if (held === undefined || held.voucher.value.seq !== seq || held.acknowledged) return;
      changes.put(key, recordText({ ...held, acknowledged: true }));
    });
  }

  addEntry(side: VoucherSide, channel: Hex, entry: LedgerEntry): Promise<boolean> {
    return this.#database.change(async (changes) => {
      const isOpen = entry.state === "waiting" || entry.state === "payable";
      const openKey = entryKey("open", side, channel, entry);
      const doneKey = entryKey("done", side, channel, entry);
      const open = await this.#openEntries(side, channel);
      if (open.has(openKey) || (await changes.get(doneKey)) !== undefined) return false;
      await addToTotal(changes, side, channel, countedExact(entry));
      changes.put(isOpen ? openKey : doneKey, entryText(entry));
      if (isOpen) open.set(openKey, entry);
      return true;
    });
  }

  setEntries(
    side: VoucherSide,
    channel: Hex,
    keys: readonly EntryKey[],
    state: "payable" | "vouchered" | "forfeited",
  ): Promise<void> {
    return this.#database.change(async (changes) => {
      await addToTotal(changes, side, channel, await this.#moveEntries(changes, side, channel, keys, state));
    });
  }

  async openEntries(side: VoucherSide, channel: Hex): Promise<LedgerEntry[]> {
    const open = await this.#openEntries(side, channel);
    return [...open].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, entry]) => entry);
  }

  async totalExact(side: VoucherSide, channel: Hex): Promise<bigint> {
    return BigInt((await this.#database.get(totalKey(side, channel))) ?? "0");
  }

  async channels(side: VoucherSide): Promise<Hex[]> {
    const totals = await this.#database.list(`total/${side}/`);
    return totals.map(([key]) => key.slice(key.lastIndexOf("/") + 1) as Hex);
  }

  forgetJob(side: VoucherSide, channel: Hex, job: Hex): Promise<void> {
    return this.#database.change(async (changes) => {
      for (const [key] of await changes.list(`entry/done/${side}/${channel}/${job}/`)) changes.delete(key);
    });
  }

  putCollected(record: CollectedRecord): Promise<void> {
    return this.#database.change(async (changes) => {
      const key = `collected/${record.channel}`;
      const held = parseCollected(record.channel, await changes.get(key));
      if (held !== undefined && held.collected >= record.collected) return;
      const { collected, transaction, blockNumber } = record;
      changes.put(
        key,
        JSON.stringify({ collected: collected.toString(), transaction, blockNumber: blockNumber.toString() }),
      );
    });
  }

  async collected(channel: Hex): Promise<CollectedRecord | undefined> {
    return parseCollected(channel, await this.#database.get(`collected/${channel}`));
  }

  #openEntries(side: VoucherSide, channel: Hex): Promise<OpenEntries> {
    if (this.#openSince !== this.#database.failures) {
      this.#open = new Map();
      this.#openSince = this.#database.failures;
    }
    const prefix = `entry/open/${side}/${channel}/`;
    const known = this.#open.get(prefix);
    if (known !== undefined) return known;
    const listing = this.#database
      .list(prefix)
      .then((found) => new Map(found.map(([key, text]) => [key, parseEntry(key, text)])));
    const open = this.#open;
    open.set(prefix, listing);
    listing.catch(() => open.delete(prefix));
    return listing;
  }

  /** Moves open entries and answers how much the total changes by it. */
  async #moveEntries(
    changes: Changes,
    side: VoucherSide,
    channel: Hex,
    keys: readonly EntryKey[],
    state: "payable" | "vouchered" | "forfeited",
  ): Promise<bigint> {
    const open = await this.#openEntries(side, channel);
    let difference = 0n;
    for (const key of keys) {
      const openKey = entryKey("open", side, channel, key);
      const before = open.get(openKey);
      if (before === undefined) continue;
      const after = { ...before, state };
      difference += countedExact(after) - countedExact(before);
      if (state === "payable") {
        changes.put(openKey, entryText(after));
        open.set(openKey, after);
      } else {
        changes.delete(openKey);
        changes.put(entryKey("done", side, channel, key), entryText(after));
        open.delete(openKey);
      }
    }
    return difference;
  }
}

/** Writes the total even when it stays: its key is also the list of channels. */
async function addToTotal(changes: Changes, side: VoucherSide, channel: Hex, difference: bigint): Promise<void> {
  const key = totalKey(side, channel);
  const before = await changes.get(key);
  if (before !== undefined && difference === 0n) return;
  changes.put(key, (BigInt(before ?? "0") + difference).toString());
}

function countedExact(entry: LedgerEntry): bigint {
  return entry.state === "payable" || entry.state === "vouchered" ? entry.exact : 0n;
}

function voucherKey(side: VoucherSide, channel: Hex): string {
  return `voucher/${side}/${channel}`;
}

function totalKey(side: VoucherSide, channel: Hex): string {
  return `total/${side}/${channel}`;
}

/** Numbers are padded so that text order is number order. */
function entryKey(set: "open" | "done", side: VoucherSide, channel: Hex, key: EntryKey): string {
  const attempt = key.attempt.toString().padStart(10, "0");
  return `entry/${set}/${side}/${channel}/${key.job}/${attempt}/${key.seq.toString().padStart(20, "0")}`;
}

function entryText(entry: LedgerEntry): string {
  return JSON.stringify([entry.exact.toString(), entry.receiptHash, entry.state]);
}

function parseEntry(key: string, text: string): LedgerEntry {
  const [job, attempt, seq] = key.split("/").slice(-3) as [Hex, string, string];
  const [exact, receiptHash, state] = JSON.parse(text) as [string, Hex, LedgerEntry["state"]];
  return { job, attempt: Number(attempt), seq: BigInt(seq), exact: BigInt(exact), receiptHash, state };
}

function recordText(record: VoucherRecord): string {
  const { voucher, ...rest } = record;
  return JSON.stringify({
    ...rest,
    value: valueToJson(voucherStructure, voucher.value),
    signature: voucher.signature,
  });
}

function parseRecord(text: string | undefined): VoucherRecord | undefined {
  if (text === undefined) return undefined;
  const { value, signature, ...rest } = JSON.parse(text) as Omit<VoucherRecord, "voucher"> & {
    value: unknown;
    signature: Hex;
  };
  return { ...rest, voucher: { value: valueFromJson(voucherStructure, value), signature } };
}

function parseCollected(channel: Hex, text: string | undefined): CollectedRecord | undefined {
  if (text === undefined) return undefined;
  const { collected, transaction, blockNumber } = JSON.parse(text) as Record<string, string>;
  return {
    channel,
    collected: BigInt(collected!),
    transaction: transaction as Hex,
    blockNumber: BigInt(blockNumber!),
  };
}
