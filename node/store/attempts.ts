import { randomBytes } from "node:crypto";
import { bytesToHex, type Hex } from "@leat/sdk/protocol/hex.ts";
import { Mutex } from "../kernel/mutex.ts";
import type { Database } from "./database.ts";
import { StoreError } from "./errors.ts";

/** A few bytes that live with the node's key and not with its data: durable when `write` resolves. */
export interface KeyWitness {
  /** For messages. */
  readonly location: string;
  read(): Promise<string | undefined>;
  write(text: string): Promise<void>;
}

/** Which store this is, and how many attempts it has seen begin. */
interface Mark {
  readonly store: string;
  readonly attempts: number;
}

const markKey = "attempts/mark";
const attemptKey = (job: Hex) => `attempts/job/${job}`;

/**
 * The newest attempt at each job that this node ever took. One that began, here or before a restart, can not begin
 * again, so no second receipt is ever signed for its segments.
 *
 * That holds as long as the store is the one that the key signed from. The witness, kept beside the key, tells: a store
 * that was lost, or brought back as it was before the key's newest attempt, is refused, and the key with it.
 */
export class LevelAttemptStore {
  readonly #database: Pick<Database, "change" | "get">;
  readonly #witness: KeyWitness;
  readonly #mutex = new Mutex();

  constructor(database: Pick<Database, "change" | "get">, witness: KeyWitness) {
    this.#database = database;
    this.#witness = witness;
  }

  /** Call before the first attempt. @throws STORE_NOT_OF_KEY */
  async open(): Promise<void> {
    const [own, seen] = [parse(await this.#database.get(markKey)), parse(await this.#witness.read())];
    if (seen !== undefined && (own?.store !== seen.store || own.attempts < seen.attempts)) {
      const location = this.#witness.location;
      throw new StoreError(
        { code: "STORE_NOT_OF_KEY", location },
        {
          message: `the node key signed from a data folder that is lost or newer than this one (${location}); look whether node.dataDir and node.keyFile belong together, and where that folder is lost for good make another key with "leat keys create" and rotate to it`,
        },
      );
    }
    const mark = own ?? { store: bytesToHex(randomBytes(16)), attempts: 0 };
    // The store first: after a crash in between it is ahead of its witness, never behind.
    if (own === undefined) await this.#database.change(async (changes) => changes.put(markKey, JSON.stringify(mark)));
    if (seen?.attempts !== mark.attempts) await this.#witness.write(JSON.stringify(mark));
  }

  /**
   * Resolves when it is durable that the attempt began. Where that attempt or a later one began before, gives its
   * number and changes nothing.
   */
  begin(job: Hex, attempt: number): Promise<number | undefined> {
    return this.#mutex.run(async () => {
      const outcome = await this.#database.change(async (changes) => {
        const newest = await changes.get(attemptKey(job));
        if (newest !== undefined && Number(newest) >= attempt) return Number(newest);
        const mark = parse(await changes.get(markKey));
        if (mark === undefined) throw new Error("an attempt began before the store was opened");
        const next: Mark = { ...mark, attempts: mark.attempts + 1 };
        changes.put(attemptKey(job), String(attempt));
        changes.put(markKey, JSON.stringify(next));
        return next;
      });
      if (typeof outcome === "number") return outcome;
      await this.#witness.write(JSON.stringify(outcome));
      return undefined;
    });
  }
}

/** Undefined for what was never written; a mark that cannot be read is another store's. */
function parse(text: string | undefined): Mark | undefined {
  if (text === undefined) return undefined;
  try {
    const { store, attempts } = JSON.parse(text) as Mark;
    if (typeof store === "string" && Number.isSafeInteger(attempts)) return { store, attempts };
  } catch {
    // Answered below.
  }
  return { store: "unreadable", attempts: Number.MAX_SAFE_INTEGER };
}
