import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { EntryKey, LedgerEntry, VoucherSide } from "../metering/voucher-store.ts";
import type { Changes } from "./changes.ts";
import type { Database } from "./database.ts";

/** Jobs of a channel of which the last entry is remembered: more than run at once. */
const MAX_JOBS = 64;

/** Places of closed entries that are kept to be used again: more than a channel has under way as a rule. */
const MAX_FREE = 64;

/** An open entry and the end of the key that it is kept under. */
interface Open {
  readonly entry: LedgerEntry;
  readonly slot: string;
}

/**
 * The entries behind one side of one channel's vouchers. Open and closed ones stand apart, so that open ones are listed
 * fast. The total and the open ones are in memory as they are in the database: every voucher asks for them. Closed ones
 * that follow each other are one record, under the last of them: all that is asked of it is whether there was one.
 *
 * Open entries are kept under numbers, not under their names. One that is closed is left where it is until the next one
 * needs the place, which spares a delete of each: that a closed record holds its name says that it is open no more.
 */
export class ChannelEntries {
  readonly #path: string;
  readonly #open = new Map<string, Open>();
  /** Places of closed entries, by the job of what still stands there. */
  #free: { readonly slot: string; readonly job: Hex }[] = [];
  #slots = 0;
  /** Whether open ones were added by name. */
  #isInOrder = true;
  /** The one that was added last. */
  #newestOpen = "";
  #named: { readonly job: Hex; readonly attempt: number; readonly begin: string } | undefined;
  /** Undefined until there is one. */
  #total: bigint | undefined;
  /** Of a job the greatest name that was ever written, or more: what comes after it is new without a look. */
  readonly #last = new Map<Hex, string>();

  private constructor(path: string, total: bigint | undefined) {
    this.#path = path;
    this.#total = total;
  }

  static async load(database: Database, side: VoucherSide, channel: Hex): Promise<ChannelEntries> {
    const path = `${side}/${channel}`;
    const [open, total] = await Promise.all([database.list(entryKey("open", path, "")), database.get(`total/${path}`)]);
    const them = new ChannelEntries(path, total === undefined ? undefined : BigInt(total));
    const rows = open.map(([key, text]) => parseOpen(key.slice(entryKey("open", path, "").length), text));
    const closed = await findClosed(database, path, rows);
    for (const { slot, entry, name } of rows) {
      them.#slots = Math.max(them.#slots, Number(slot) + 1 || 0);
      if (closed.has(name)) them.#free.push({ slot, job: entry.job });
      else them.#setOpen(name, { entry, slot });
    }
    return them;
  }

  /** By job, attempt and segment. */
  open(): LedgerEntry[] {
    const open = [...this.#open];
    if (!this.#isInOrder) open.sort(([left], [right]) => (left < right ? -1 : 1));
    return open.map(([, { entry }]) => entry);
  }

  #setOpen(name: string, open: Open): void {
    if (this.#open.size === 0) this.#isInOrder = true;
    else if (name < this.#newestOpen) this.#isInOrder = false;
    this.#newestOpen = name;
    this.#open.set(name, open);
  }

  #putOpen(changes: Changes, name: string, { entry, slot }: Open): void {
    changes.put(entryKey("open", this.#path, slot), openText(entry, name));
  }

  #nextSlot(): string {
    const free = this.#free.pop();
    if (free !== undefined) return free.slot;
    this.#slots += 1;
    return String(this.#slots - 1);
  }

  /** The name of an entry: most are of the attempt that was named last. */
  #nameOf(key: EntryKey): string {
    const { job, attempt, seq } = key;
    if (this.#named?.job !== job || this.#named.attempt !== attempt) {
      this.#named = { job, attempt, begin: attemptName(job, attempt) };
    }
    return `${this.#named.begin}${seqName(seq)}`;
  }

  get countOpen(): number {
    return this.#open.size;
  }

  get totalExact(): bigint {
    return this.#total ?? 0n;
  }

  /** Whether there is one of that key, open or closed. */
  async has(changes: Changes, key: EntryKey): Promise<boolean> {
    const name = this.#nameOf(key);
    return this.#open.has(name) || this.#isDone(changes, key, name);
  }

  /** False when there is one of that key already, open or closed. */
  add(changes: Changes, entry: LedgerEntry): boolean | Promise<boolean> {
    const name = this.#nameOf(entry);
    if (this.#open.has(name)) return false;
    const last = this.#last.get(entry.job);
    return last !== undefined && name > last
      ? this.#addNew(changes, entry, name, last)
      : this.#addOlder(changes, entry, name);
  }

  /** One that may be there already: by what is on disk. */
  async #addOlder(changes: Changes, entry: LedgerEntry, name: string): Promise<boolean> {
    const last = this.#last.get(entry.job) ?? (await this.#findLast(changes, entry.job));
    if (name <= last && (await this.#isDone(changes, entry, name))) return false;
    return this.#addNew(changes, entry, name, last);
  }

  #addNew(changes: Changes, entry: LedgerEntry, name: string, last: string): true {
    const isOpen = entry.state === "waiting" || entry.state === "payable";
    this.#addToTotal(changes, countedExact(entry));
    if (isOpen) {
      const open = { entry, slot: this.#nextSlot() };
      this.#putOpen(changes, name, open);
      this.#setOpen(name, open);
    } else changes.put(entryKey("done", this.#path, name), entryText(entry));
    if (name > last) this.#remember(entry.job, name);
    return true;
  }

  /** Moves open entries, and the total with them. */
  move(
    changes: Changes,
    keys: readonly EntryKey[],
    state: "payable" | "vouchered" | "forfeited",
    adjustExact = 0n,
  ): void {
    let difference = adjustExact;
    const done: LedgerEntry[] = [];
    for (const key of keys) {
      const name = this.#nameOf(key);
      const before = this.#open.get(name);
      if (before === undefined) continue;
      const { slot } = before;
      const after = { ...before.entry, state };
      difference += countedExact(after) - countedExact(before.entry);
      if (state === "payable") {
        const open = { entry: after, slot };
        this.#putOpen(changes, name, open);
        this.#open.set(name, open);
      } else {
        this.#open.delete(name);
        this.#free.push({ slot, job: after.job });
        done.push(after);
      }
    }
    while (this.#free.length > MAX_FREE) changes.delete(entryKey("open", this.#path, this.#free.pop()!.slot));
    for (const run of runsOf(done)) {
      changes.put(
        entryKey("done", this.#path, this.#nameOf(run.at(-1)!)),
        run.length === 1 ? entryText(run[0]!) : runText(run),
      );
    }
    this.#addToTotal(changes, difference);
  }

  /** Whether there is a closed one of that key, by itself or within a run. */
  async #isDone(changes: Changes, { job, attempt, seq }: EntryKey, name: string): Promise<boolean> {
    const key = entryKey("done", this.#path, name);
    const found = await changes.firstFrom(key, entryKey("done", this.#path, attemptName(job, attempt)));
    return holds(found, key, seq);
  }

  /** Writes the total even when it stays: its key is also the list of channels. */
  #addToTotal(changes: Changes, difference: bigint): void {
    if (this.#total !== undefined && difference === 0n) return;
    this.#total = this.totalExact + difference;
    changes.put(`total/${this.#path}`, this.#total.toString());
  }

  async forgetJob(changes: Changes, job: Hex): Promise<void> {
    for (const [key] of await changes.list(entryKey("done", this.#path, `${job}/`))) changes.delete(key);
    // Without its closed record, what stands there would be open again.
    for (const free of this.#free) if (free.job === job) changes.delete(entryKey("open", this.#path, free.slot));
    this.#free = this.#free.filter((free) => free.job !== job);
  }

  /** The greatest name of a job's entries, open or closed; empty where it has none. */
  async #findLast(changes: Changes, job: Hex): Promise<string> {
    const key = await changes.lastKey(entryKey("done", this.#path, `${job}/`));
    let last = key === undefined ? "" : key.slice(entryKey("done", this.#path, "").length);
    for (const name of this.#open.keys()) if (name.startsWith(job) && name > last) last = name;
    this.#remember(job, last);
    return last;
  }

  #remember(job: Hex, name: string): void {
    this.#last.set(job, name);
    if (this.#last.size > MAX_JOBS) this.#last.delete(this.#last.keys().next().value!);
  }
}

/** Names of those that have a closed record. What is closed of an attempt is read once, however many there are. */
async function findClosed(database: Database, path: string, rows: readonly OpenRow[]): Promise<Set<string>> {
  const closed = new Set<string>();
  let [attempt, records, at]: [string, [key: string, value: string][], number] = ["", [], 0];
  for (const { entry, name } of [...rows].sort((left, right) => (left.name < right.name ? -1 : 1))) {
    const key = entryKey("done", path, name);
    const begin = entryKey("done", path, attemptName(entry.job, entry.attempt));
    if (begin !== attempt) [attempt, records, at] = [begin, await database.list(begin, key), 0];
    while (at < records.length && records[at]![0] < key) at += 1;
    if (holds(records[at], key, entry.seq)) closed.add(name);
  }
  return closed;
}

/** Whether the first closed record from an entry's key on is of that entry, by itself or within a run. */
function holds(record: [key: string, value: string] | undefined, key: string, seq: bigint): boolean {
  return record !== undefined && (record[0] === key || firstOf(record[1]) <= seq);
}

function countedExact(entry: LedgerEntry): bigint {
  return entry.state === "payable" || entry.state === "vouchered" ? entry.exact : 0n;
}

function entryKey(set: "open" | "done", path: string, name: string): string {
  return `entry/${set}/${path}/${name}`;
}

/** What the names of an attempt's entries begin with. Numbers are padded so that text order is number order. */
function attemptName(job: Hex, attempt: number): string {
  return `${job}/${attempt.toString().padStart(10, "0")}/`;
}

function seqName(seq: bigint): string {
  return seq.toString().padStart(20, "0");
}

/** Cuts entries where one does not follow the one before it. */
function runsOf(entries: readonly LedgerEntry[]): LedgerEntry[][] {
  const runs: LedgerEntry[][] = [];
  for (const entry of entries) {
    const run = runs.at(-1);
    const last = run?.at(-1);
    const follows = last?.job === entry.job && last.attempt === entry.attempt && last.seq + 1n === entry.seq;
    if (follows) run!.push(entry);
    else runs.push([entry]);
  }
  return runs;
}

/** In place of a receipt's hash, the number of the first. */
function runText(run: readonly LedgerEntry[]): string {
  const { seq, state } = run[0]!;
  const exact = run.reduce((sum, entry) => sum + entry.exact, 0n);
  return JSON.stringify([exact.toString(), seq.toString(), state]);
}

/** Of a run its first number; of a record of one entry, more than any. */
function firstOf(text: string): bigint {
  const [, first] = JSON.parse(text) as [string, string, string];
  return first.startsWith("0x") ? 1n << 64n : BigInt(first);
}

function entryText(entry: LedgerEntry): string {
  return JSON.stringify([entry.exact.toString(), entry.receiptHash, entry.state]);
}

function openText({ exact, receiptHash, state }: LedgerEntry, name: string): string {
  return JSON.stringify([exact.toString(), receiptHash, state, name]);
}

interface OpenRow extends Open {
  readonly name: string;
}

/** Older ones have no name within: they are kept under it. */
function parseOpen(slot: string, text: string): OpenRow {
  type Parts = [exact: string, receiptHash: Hex, state: LedgerEntry["state"], name?: string];
  const [exact, receiptHash, state, name = slot] = JSON.parse(text) as Parts;
  const [job, attempt, seq] = name.split("/") as [Hex, string, string];
  return {
    slot,
    entry: { job, attempt: Number(attempt), seq: BigInt(seq), exact: BigInt(exact), receiptHash, state },
    name,
  };
}
