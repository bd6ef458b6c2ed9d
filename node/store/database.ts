import { mkdir } from "node:fs/promises";
import { CodedError } from "@leat/sdk/base/errors.ts";
import { Level } from "level";
import { systemClock } from "../kernel/clock.ts";
import { Mutex } from "../kernel/mutex.ts";
import { findDamage } from "./log-check.ts";

export class StoreError extends CodedError<
  | { code: "STORE_LOCKED"; location: string }
  | { code: "STORE_DAMAGED"; location: string; reason: string }
  | { code: "STORE_UNUSABLE"; location: string; reason: string }
  | { code: "STORE_WRITE_FAILED"; location: string; reason: string }
  | { code: "STORE_CLOSED"; location: string }
  | { code: "STORE_RECEIPT_DIFFERENT"; key: string }
  | { code: "STORE_NOT_OF_KEY"; location: string }
> {}

/**
 * Under a lasting load fsyncs begin so far apart on average, after a few at once: a change that comes alone waits for
 * nothing, and a thousand channels that bring their vouchers one by one cost twenty-five fsyncs a second, not hundreds.
 */
const FLUSH_EVERY_MS = 40;
const FLUSHES_AT_ONCE = 10;

/** What a change sees: everything written before it, also what is not on disk yet. */
export interface Changes {
  get(key: string): Promise<string | undefined>;
  /** Keys that begin with `prefix`, ascending. */
  list(prefix: string): Promise<[key: string, value: string][]>;
  /** The greatest key that begins with `prefix`. */
  lastKey(prefix: string): Promise<string | undefined>;
  put(key: string, value: string): void;
  delete(key: string): void;
}

type Staged = Map<string, string | undefined>;
interface Waiter {
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * One `level` database. A change is all or nothing and its promise resolves only when it is on disk (fsync). Changes
 * that arrive while the disk is busy share the next fsync, so many small durable writes cost few of them.
 */
export class Database {
  readonly location: string;
  readonly #level: Level<string, string>;
  readonly #mutex = new Mutex();
  /** Written to the change log in order; later ones hide earlier ones. */
  #staged: Staged = new Map();
  #waiters: Waiter[] = [];
  #writing: Staged = new Map();
  #flushing: Promise<void> | undefined;
  #closed = false;
  #commits = 0;
  #failures = 0;
  /** When the next flush is due if all are so far apart. */
  #flushDueMs = 0;

  private constructor(location: string, level: Level<string, string>) {
    this.location = location;
    this.#level = level;
  }

  static async open(location: string): Promise<Database> {
    await mkdir(location, { recursive: true }).catch((cause: Error) => {
      throw new StoreError({ code: "STORE_UNUSABLE", location, reason: cause.message }, { cause });
    });
    const damage = await findDamage(location);
    if (damage !== undefined) throw new StoreError({ code: "STORE_DAMAGED", location, reason: damage });
    const level = new Level<string, string>(location, { valueEncoding: "utf8" });
    try {
      await level.open();
    } catch (error) {
      throw openError(location, error);
    }
    return new Database(location, level);
  }

  /** Fsyncs so far: for measuring how many changes share one. */
  get commits(): number {
    return this.#commits;
  }

  /** Writes that failed so far: what was read before the last of them may never have been written. */
  get failures(): number {
    return this.#failures;
  }

  /** Runs `work` alone. What it puts becomes durable as a whole before the promise resolves; nothing of it if it throws. */
  async change<T>(work: (changes: Changes) => Promise<T>): Promise<T> {
    const { result, durable } = await this.#mutex.run(async () => {
      this.#assertOpen();
      const failures = this.#failures;
      const own: Staged = new Map();
      const value = await work(this.#view(own));
      // It may have read what then failed to be written.
      if (failures !== this.#failures) throw this.#writeError("an earlier write failed");
      for (const [key, item] of own) this.#staged.set(key, item);
      return { result: value, durable: this.#durable() };
    });
    await durable;
    return result;
  }

  get(key: string): Promise<string | undefined> {
    return this.#view(new Map()).get(key);
  }

  list(prefix: string): Promise<[key: string, value: string][]> {
    return this.#view(new Map()).list(prefix);
  }

  /** Waits for what is under way. Works twice. */
  async close(): Promise<void> {
    await this.#mutex.run(async () => {
      this.#closed = true;
    });
    await this.#flushing;
    await this.#level.close();
  }

  #view(own: Staged): Changes {
    const layers = () => [this.#writing, this.#staged, own];
    return {
      get: async (key) => {
        for (const layer of layers().reverse()) if (layer.has(key)) return layer.get(key);
        this.#assertOpen();
        // A read through the thread pool costs ten times the look-up, and changes wait for each other's reads.
        return this.#level.getSync(key);
      },
      list: async (prefix) => {
        this.#assertOpen();
        // Layers first: what is moved to disk while the iterator runs must not be missed.
        const above = layers();
        const found = new Map(await this.#level.iterator({ gte: prefix, lt: `${prefix}\uffff` }).all());
        for (const layer of above) {
          for (const [key, value] of layer) {
            if (!key.startsWith(prefix)) continue;
            if (value === undefined) found.delete(key);
            else found.set(key, value);
          }
        }
        return [...found].sort(([left], [right]) => (left < right ? -1 : 1));
      },
      lastKey: async (prefix) => {
        this.#assertOpen();
        const above = new Map(layers().flatMap((layer) => [...layer]));
        let last: string | undefined;
        for (const [key, value] of above) {
          if (value !== undefined && key.startsWith(prefix) && key > (last ?? "")) last = key;
        }
        for await (const key of this.#level.keys({ gte: prefix, lt: `${prefix}\uffff`, reverse: true })) {
          if (above.has(key) && above.get(key) === undefined) continue;
          return key > (last ?? "") ? key : last;
        }
        return last;
      },
      put: (key, value) => own.set(key, value),
      delete: (key) => own.set(key, undefined),
    };
  }

  /** Resolves when all that was put until now is on disk: also an answer that changed nothing may rest on it. */
  #durable(): Promise<void> {
    if (this.#staged.size === 0 && this.#flushing === undefined) return Promise.resolve();
    const done = new Promise<void>((resolve, reject) => this.#waiters.push({ resolve, reject }));
    this.#flushing ??= this.#flush().finally(() => {
      this.#flushing = undefined;
    });
    return done;
  }

  async #flush(): Promise<void> {
    while (this.#waiters.length > 0) {
      await this.#pace();
      const waiters = this.#waiters;
      this.#waiters = [];
      this.#writing = this.#staged;
      this.#staged = new Map();
      try {
        if (this.#writing.size > 0) {
          const operations = [...this.#writing].map(([key, value]) =>
            value === undefined ? { type: "del" as const, key } : { type: "put" as const, key, value },
          );
          await this.#level.batch(operations, { sync: true });
          this.#commits += 1;
        }
        for (const waiter of waiters) waiter.resolve();
      } catch (cause) {
        const error = this.#writeError(reasonOf(cause), cause);
        this.#failures += 1;
        // What was staged meanwhile may rest on what failed.
        this.#staged = new Map();
        for (const waiter of [...waiters, ...this.#waiters.splice(0)]) waiter.reject(error);
      } finally {
        this.#writing = new Map();
      }
    }
  }

  async #pace(): Promise<void> {
    const early = this.#flushDueMs - FLUSHES_AT_ONCE * FLUSH_EVERY_MS - performance.now();
    if (early > 0) await systemClock.sleep(early);
    this.#flushDueMs = Math.max(this.#flushDueMs, performance.now()) + FLUSH_EVERY_MS;
  }

  #writeError(reason: string, cause?: unknown): StoreError {
    return new StoreError({ code: "STORE_WRITE_FAILED", location: this.location, reason }, { cause });
  }

  #assertOpen(): void {
    if (this.#closed) throw new StoreError({ code: "STORE_CLOSED", location: this.location });
  }
}

function openError(location: string, error: unknown): StoreError {
  const reason = reasonOf(error);
  const code = ((error as { cause?: { code?: string } }).cause?.code ?? "") as string;
  if (code === "LEVEL_LOCKED") return new StoreError({ code: "STORE_LOCKED", location }, { cause: error });
  if (
    code === "LEVEL_CORRUPTION" ||
    /corrupt|checksum|CURRENT file|missing files|MANIFEST-\d+: No such file/i.test(reason)
  ) {
    return new StoreError({ code: "STORE_DAMAGED", location, reason }, { cause: error });
  }
  return new StoreError({ code: "STORE_UNUSABLE", location, reason }, { cause: error });
}

function reasonOf(error: unknown): string {
  const inner = (error as { cause?: unknown }).cause ?? error;
  return inner instanceof Error ? inner.message : String(inner);
}
