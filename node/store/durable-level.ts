import { fileReason } from "@leat/sdk/base/file-reasons.ts";
import { Level } from "level";
import { makeFolder } from "../kernel/make-folder.ts";
import type { Staged } from "./changes.ts";
import { openError, reasonOf, StoreError } from "./errors.ts";
import { findDamage } from "./log-check.ts";
import { clearRoomCheck, findRoomMissing } from "./room.ts";

/**
 * Most records live for seconds: a receipt that is booked is vouchered soon after. With the usual 4 MB they are sorted
 * into files and merged away again; most of these are gone before they fill 16.
 */
const WRITE_BUFFER_BYTES = 16 * 1024 * 1024;

/** A write that failed, and what stood before it under the keys that it would have changed. */
interface Failure {
  readonly reason: string;
  /** Undefined where that cannot be read either: then only a restart helps. */
  readonly before: Staged | undefined;
}

/**
 * One LevelDB that goes on by itself after a write failed. LevelDB does not: the record that failed stands in its log,
 * cut off or whole, what it wrote behind it would be lost at the next start, and it refuses all once a sync failed. So
 * nothing is written after a failure until there is room to open it anew. What failed may then be there after all, and
 * was refused: what stood before it is put back before anybody reads.
 */
export class DurableLevel {
  readonly location: string;
  readonly #level: Level<string, string>;
  #failure: Failure | undefined;
  /** While it is closed to be opened anew. */
  #reopening: Promise<void> | undefined;
  #reads = 0;
  #onIdle = () => {};

  private constructor(location: string, level: Level<string, string>) {
    this.location = location;
    this.#level = level;
  }

  /** @throws StoreError */
  static async open(location: string): Promise<DurableLevel> {
    await makeFolder(location).catch((cause: Error) => {
      throw new StoreError({ code: "STORE_UNUSABLE", location, reason: fileReason(cause) }, { cause });
    });
    await clearRoomCheck(location);
    await assertWhole(location);
    // Opens by itself from here on.
    const level = new Level<string, string>(location, { valueEncoding: "utf8", writeBufferSize: WRITE_BUFFER_BYTES });
    await openLevel(level, location);
    return new DurableLevel(location, level);
  }

  /** Why it cannot be written, if it cannot. */
  get failure(): string | undefined {
    return this.#failure?.reason;
  }

  async get(key: string): Promise<string | undefined> {
    while (this.#reopening !== undefined) await this.#reopening;
    this.#assertReadable();
    // A read through the thread pool costs ten times the look-up, and changes wait for each other's reads.
    return this.#level.getSync(key);
  }

  /** For what takes more than one step: it is not opened anew meanwhile. */
  async read<T>(work: (level: Level<string, string>) => Promise<T>): Promise<T> {
    while (this.#reopening !== undefined) await this.#reopening;
    this.#assertReadable();
    this.#reads += 1;
    try {
      return await work(this.#level);
    } finally {
      this.#reads -= 1;
      if (this.#reads === 0) this.#onIdle();
    }
  }

  /** Resolves when all of it is on disk. One at a time. @throws StoreError STORE_WRITE_FAILED: nothing of it is there */
  async write(staged: Staged): Promise<void> {
    if (this.#failure !== undefined) throw this.#writeError(this.#failure.reason);
    try {
      await this.#put(staged);
    } catch (cause) {
      const reason = reasonOf(cause);
      this.#failure = { reason, before: this.#readBefore(staged) };
      throw this.#writeError(reason, cause);
    }
  }

  #readBefore(staged: Staged): Staged | undefined {
    try {
      return new Map([...staged.keys()].map((key) => [key, this.#level.getSync(key)]));
    } catch {
      return undefined;
    }
  }

  /** Makes it writable again if there is room. Never while something is written. */
  async mend(): Promise<void> {
    if (this.#failure === undefined) return;
    const { before } = this.#failure;
    if (before === undefined) return;
    const missing = await findRoomMissing(this.location);
    if (missing !== undefined) {
      this.#failure = { reason: missing, before };
      return;
    }
    this.#reopening = this.#reopen(before)
      .then(
        () => {
          this.#failure = undefined;
        },
        (error) => {
          const known = error instanceof StoreError && "reason" in error.detail;
          this.#failure = { reason: known ? error.detail.reason : reasonOf(error), before };
        },
      )
      .finally(() => {
        this.#reopening = undefined;
      });
    await this.#reopening;
  }

  async close(): Promise<void> {
    await this.#level.close();
  }

  async #reopen(before: Staged): Promise<void> {
    if (this.#reads > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
    await this.#level.close();
    try {
      await assertWhole(this.location);
      await openLevel(this.#level, this.location);
      await this.#put(before);
    } catch (error) {
      // Closed until the next try: nobody may read what was refused.
      await this.#level.close();
      throw error;
    }
  }

  async #put(staged: Staged): Promise<void> {
    // One by one: handed over as an array each change costs twice as much.
    const batch = this.#level.batch();
    for (const [key, value] of staged) {
      if (value === undefined) batch.del(key);
      else batch.put(key, value);
    }
    await batch.write({ sync: true });
  }

  #assertReadable(): void {
    if (this.#failure !== undefined && this.#level.status !== "open") throw this.#writeError(this.#failure.reason);
  }

  #writeError(reason: string, cause?: unknown): StoreError {
    return new StoreError({ code: "STORE_WRITE_FAILED", location: this.location, reason }, { cause });
  }
}

async function assertWhole(location: string): Promise<void> {
  const damage = await findDamage(location);
  if (damage !== undefined) throw new StoreError({ code: "STORE_DAMAGED", location, reason: damage });
}

async function openLevel(level: Level<string, string>, location: string): Promise<void> {
  try {
    await level.open();
  } catch (error) {
    throw openError(location, error);
  }
}
