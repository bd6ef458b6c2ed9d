import { Turns } from "../kernel/turns.ts";
import { type Changes, ChangesView, type Ground, type Staged } from "./changes.ts";
import { DurableLevel } from "./durable-level.ts";
import { StoreError } from "./errors.ts";

/**
 * Under a lasting load fsyncs begin so far apart on average, after a few at once: a change that comes alone waits for
 * nothing, and a thousand channels that bring their vouchers one by one cost ten fsyncs a second, not hundreds.
 */
const TURNS = { everyMs: 40, atOnce: 10, most: 256 };
const PATIENT_TURNS = { everyMs: 100, atOnce: 10, most: 256, crowd: { least: 16, everyMs: 500 } };

/** A change that somebody asked for, and how it ended. */
class Asked<T = unknown> {
  readonly #work: (changes: Changes) => T | Promise<T>;
  readonly #resolve: (value: T) => void;
  /** Whatever else was made, it failed. */
  readonly fail: (error: unknown) => void;
  #end: { readonly value: T } | { readonly error: unknown } | undefined;

  constructor(
    work: (changes: Changes) => T | Promise<T>,
    resolve: (value: T) => void,
    reject: (error: unknown) => void,
  ) {
    this.#work = work;
    this.#resolve = resolve;
    this.fail = reject;
  }

  /** Answers what to wait for; most are made at once. */
  make(changes: ChangesView): Promise<void> | undefined {
    try {
      const made = this.#work(changes);
      if (made instanceof Promise)
        return made.then((value) => this.#keep(changes, value)).catch((error) => this.#lose(error));
      this.#keep(changes, made);
    } catch (error) {
      this.#lose(error);
    }
    return undefined;
  }

  /** Tells whoever asked how it ended. */
  answer(): void {
    if (this.#end === undefined) return;
    if ("error" in this.#end) this.fail(this.#end.error);
    else this.#resolve(this.#end.value);
  }

  #keep(changes: ChangesView, value: T): void {
    changes.keep();
    this.#end = { value };
  }

  #lose(error: unknown): void {
    this.#end = { error };
  }
}

export interface ChangeOptions {
  /** Nothing waits for it: it may wait for others to share their fsync. */
  readonly patient?: boolean;
}

/**
 * One `level` database. A change is all or nothing and its promise resolves only when it is on disk (fsync). Changes
 * that come close together are made in a row and share an fsync, so many small durable writes cost few of them. While
 * the disk refuses, changes are refused and what is there can be read; each change looks whether there is room again.
 */
export class Database {
  readonly location: string;
  readonly #level: DurableLevel;
  readonly #ground: Ground;
  readonly #turns = new Turns(TURNS);
  readonly #patientTurns = new Turns(PATIENT_TURNS);
  #asked: Asked[] = [];
  /** What the changes made in this row put, not on disk yet. */
  #staged: Staged = new Map();
  #writing: Promise<void> | undefined;
  /** Somebody's turn came, and what it asked for is not being written yet. */
  #isTurn = false;
  #isClosing = false;
  #isClosed = false;
  #commits = 0;
  #failures = 0;

  private constructor(level: DurableLevel) {
    this.location = level.location;
    this.#level = level;
    this.#ground = { level, staged: () => this.#staged, assertOpen: () => this.#assertOpen() };
  }

  static async open(location: string): Promise<Database> {
    return new Database(await DurableLevel.open(location));
  }

  /** Fsyncs so far: for measuring how many changes share one. */
  get commits(): number {
    return this.#commits;
  }

  /** Writes that failed so far: what was read before the last of them may never have been written. */
  get failures(): number {
    return this.#failures;
  }

  /** Asks whether it can be written, and makes it so again if there is room. Answers the code of why not. */
  async findFault(): Promise<StoreError["code"] | undefined> {
    if (this.#level.failure === undefined) return undefined;
    await this.change(() => {}).catch(() => {});
    return this.#level.failure === undefined ? undefined : "STORE_WRITE_FAILED";
  }

  /** Runs `work` alone. What it puts becomes durable as a whole before the promise resolves; nothing of it if it throws. */
  change<T>(work: (changes: Changes) => T | Promise<T>, { patient = false }: ChangeOptions = {}): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#isClosing) throw this.#closedError();
      this.#asked.push(new Asked(work, resolve, reject) as Asked);
      void (patient ? this.#patientTurns : this.#turns).next().then(() => this.#write());
    });
  }

  get(key: string): Promise<string | undefined> {
    return new ChangesView(this.#ground).get(key);
  }

  list(prefix: string, from?: string): Promise<[key: string, value: string][]> {
    return new ChangesView(this.#ground).list(prefix, from);
  }

  /** Waits for what is under way. Works twice. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#write();
    this.#isClosed = true;
    await this.#level.close();
  }

  /** Makes and writes what was asked for until now, and what comes meanwhile when its turn comes. */
  #write(): Promise<void> {
    this.#isTurn = true;
    this.#writing ??= this.#writeInTurn();
    return this.#writing;
  }

  async #writeInTurn(): Promise<void> {
    try {
      while (this.#isTurn) {
        this.#isTurn = false;
        await this.#writeRow(this.#asked.splice(0));
      }
    } finally {
      // At once: a turn that came between the last look and this would be nobody's.
      this.#writing = undefined;
    }
  }

  async #writeRow(asked: readonly Asked[]): Promise<void> {
    // A turn may come after the end, with nothing to write: nothing may be opened anew for it.
    if (this.#isClosed) return;
    await this.#level.mend();
    for (const one of asked) {
      const making = one.make(new ChangesView(this.#ground));
      if (making !== undefined) await making;
    }
    try {
      if (this.#staged.size > 0) {
        await this.#level.write(this.#staged);
        this.#commits += 1;
      }
      this.#staged = new Map();
      // Also an answer that changed nothing may rest on what was made before it.
      for (const one of asked) one.answer();
    } catch (error) {
      this.#staged = new Map();
      this.#failures += 1;
      for (const one of asked) one.fail(error);
    }
  }

  #assertOpen(): void {
    if (this.#isClosed) throw this.#closedError();
  }

  #closedError(): StoreError {
    return new StoreError({ code: "STORE_CLOSED", location: this.location });
  }
}
