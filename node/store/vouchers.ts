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
import { ChannelEntries } from "./channel-entries.ts";
import type { Database } from "./database.ts";

type Records = Map<Hex, VoucherRecord>;

/** What was read of the database, and what changed since. */
class Memory {
  readonly entries = { issued: new Map<Hex, Promise<ChannelEntries>>(), held: new Map<Hex, Promise<ChannelEntries>>() };
  /** The same, once they are there: hundreds of receipts a second are booked without waiting for what is known. */
  readonly loaded = { issued: new Map<Hex, ChannelEntries>(), held: new Map<Hex, ChannelEntries>() };
  readonly records = new Map<VoucherSide, Promise<Records>>();
  /** Failed writes before it: after another one it may hold what is not there. */
  readonly failures: number;

  constructor(failures: number) {
    this.failures = failures;
  }
}

/**
 * Vouchers and the entries behind them, in `level`. The newest vouchers, and what channels that were asked for have
 * open, are read once and then kept, since every voucher asks for them. Nobody else writes to the database.
 */
export class LevelVoucherStore implements VoucherStore {
  readonly #database: Database;
  #memory: Memory;

  constructor(database: Database) {
    this.#database = database;
    this.#memory = new Memory(database.failures);
  }

  async newest(side: VoucherSide, channel: Hex): Promise<VoucherRecord | undefined> {
    return (await this.#records(side)).get(channel);
  }

  async all(side: VoucherSide): Promise<VoucherRecord[]> {
    return [...(await this.#records(side)).values()];
  }

  put(side: VoucherSide, change: PutVoucher): Promise<PutVoucherResult> {
    const { record, expectedSeq, covered, adjustExact } = change;
    const { channel } = record;
    const options = { patient: change.patient };
    return this.#database.change(async (changes): Promise<PutVoucherResult> => {
      const records = await this.#records(side);
      const entries = await this.#entries(side, channel);
      const held = records.get(channel);
      if ((held?.voucher.value.seq ?? 0n) !== expectedSeq) return { stored: false, held };
      changes.put(voucherKey(side, channel), recordText(record));
      records.set(channel, record);
      entries.move(changes, covered, "vouchered", adjustExact);
      return { stored: true };
    }, options);
  }

  acknowledge(channel: Hex, seq: bigint): Promise<void> {
    return this.#database.change(async (changes) => {
      const records = await this.#records("issued");
      const held = records.get(channel);
      if (held === undefined || held.voucher.value.seq !== seq || held.acknowledged) return;
      const record = { ...held, acknowledged: true };
      changes.put(voucherKey("issued", channel), recordText(record));
      records.set(channel, record);
    });
  }

  addEntry(side: VoucherSide, channel: Hex, entry: LedgerEntry): Promise<boolean> {
    // Who did the work knows of it without this; who pays for it is answered when it is there.
    const options = { patient: side === "held" };
    return this.#database.change((changes) => {
      const entries = this.#current().loaded[side].get(channel);
      return entries?.add(changes, entry) ?? this.#entries(side, channel).then((them) => them.add(changes, entry));
    }, options);
  }

  setEntries(
    side: VoucherSide,
    channel: Hex,
    keys: readonly EntryKey[],
    state: "payable" | "vouchered" | "forfeited",
  ): Promise<void> {
    return this.#database.change(async (changes) => (await this.#entries(side, channel)).move(changes, keys, state));
  }

  async openEntries(side: VoucherSide, channel: Hex, only?: "waiting" | "payable"): Promise<LedgerEntry[]> {
    const open = (await this.#entries(side, channel)).open();
    return only === undefined ? open : open.filter(({ state }) => state === only);
  }

  async countOpen(side: VoucherSide, channel: Hex): Promise<number> {
    return (await this.#entries(side, channel)).countOpen;
  }

  hasEntry(side: VoucherSide, channel: Hex, key: EntryKey): Promise<boolean> {
    return this.#database.change(async (changes) => (await this.#entries(side, channel)).has(changes, key));
  }

  async totalExact(side: VoucherSide, channel: Hex): Promise<bigint> {
    return (await this.#entries(side, channel)).totalExact;
  }

  async channels(side: VoucherSide): Promise<Hex[]> {
    const totals = await this.#database.list(`total/${side}/`);
    return totals.map(([key]) => key.slice(key.lastIndexOf("/") + 1) as Hex);
  }

  forgetJob(side: VoucherSide, channel: Hex, job: Hex): Promise<void> {
    return this.#database.change(async (changes) => (await this.#entries(side, channel)).forgetJob(changes, job));
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

  #records(side: VoucherSide): Promise<Records> {
    return remember(this.#current().records, side, async () => {
      const found = await this.#database.list(`voucher/${side}/`);
      return new Map(found.map(([, text]) => parseRecord(text)).map((record) => [record.channel, record]));
    });
  }

  #entries(side: VoucherSide, channel: Hex): Promise<ChannelEntries> {
    const { entries, loaded } = this.#current();
    return remember(entries[side], channel, async () => {
      const them = await ChannelEntries.load(this.#database, side, channel);
      loaded[side].set(channel, them);
      return them;
    });
  }

  #current(): Memory {
    const { failures } = this.#database;
    if (this.#memory.failures !== failures) this.#memory = new Memory(failures);
    return this.#memory;
  }
}

/** What is read is there for all who ask from now on; what could not be read is asked for again. */
function remember<K, V>(known: Map<K, Promise<V>>, key: K, read: () => Promise<V>): Promise<V> {
  const found = known.get(key);
  if (found !== undefined) return found;
  const reading = read();
  known.set(key, reading);
  reading.catch(() => known.delete(key));
  return reading;
}

function voucherKey(side: VoucherSide, channel: Hex): string {
  return `voucher/${side}/${channel}`;
}

function recordText(record: VoucherRecord): string {
  const { voucher, ...rest } = record;
  return JSON.stringify({
    ...rest,
    value: valueToJson(voucherStructure, voucher.value),
    signature: voucher.signature,
  });
}

function parseRecord(text: string): VoucherRecord {
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
