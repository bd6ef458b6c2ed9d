import type { DurableLevel } from "./durable-level.ts";

/** What a change sees: everything written before it, also what is not on disk yet. */
export interface Changes {
  get(key: string): Promise<string | undefined>;
  /** Keys that begin with `prefix`, ascending, all or those from `from` on. */
  list(prefix: string, from?: string): Promise<[key: string, value: string][]>;
  /** The greatest key that begins with `prefix`. */
  lastKey(prefix: string): Promise<string | undefined>;
  /** The least key from `from` on that begins with `prefix`, and what it holds. */
  firstFrom(from: string, prefix: string): Promise<[key: string, value: string] | undefined>;
  put(key: string, value: string): void;
  delete(key: string): void;
}

/** What was put and is not on disk; undefined: deleted. */
export type Staged = Map<string, string | undefined>;

/** What a change stands on. */
export interface Ground {
  readonly level: Pick<DurableLevel, "get" | "read">;
  /** What the changes before it put, now. */
  staged(): Staged;
  assertOpen(): void;
}

/** What one change sees and puts. There are hundreds a second of them, and most put one thing. */
export class ChangesView implements Changes {
  readonly #ground: Ground;
  #own: Staged | undefined;

  constructor(ground: Ground) {
    this.#ground = ground;
  }

  /** Hands on what the change put: it was made as a whole. */
  keep(): void {
    if (this.#own === undefined) return;
    const staged = this.#ground.staged();
    for (const [key, value] of this.#own) staged.set(key, value);
  }

  async get(key: string): Promise<string | undefined> {
    if (this.#own?.has(key)) return this.#own.get(key);
    const { level, staged, assertOpen } = this.#ground;
    if (staged().has(key)) return staged().get(key);
    assertOpen();
    return level.get(key);
  }

  async list(prefix: string, from = prefix): Promise<[key: string, value: string][]> {
    this.#ground.assertOpen();
    // Layers first: what is moved to disk while the iterator runs must not be missed.
    const above = this.#above();
    const found = new Map(
      await this.#ground.level.read((level) => level.iterator({ gte: from, lt: endOf(prefix) }).all()),
    );
    for (const [key, value] of above) {
      if (!key.startsWith(prefix) || key < from) continue;
      if (value === undefined) found.delete(key);
      else found.set(key, value);
    }
    return [...found].sort(([left], [right]) => (left < right ? -1 : 1));
  }

  async lastKey(prefix: string): Promise<string | undefined> {
    this.#ground.assertOpen();
    const above = this.#above();
    let last: string | undefined;
    for (const [key, value] of above) {
      if (value !== undefined && key.startsWith(prefix) && key > (last ?? "")) last = key;
    }
    return this.#ground.level.read(async (level) => {
      for await (const key of level.keys({ gte: prefix, lt: endOf(prefix), reverse: true })) {
        if (above.has(key) && above.get(key) === undefined) continue;
        return key > (last ?? "") ? key : last;
      }
      return last;
    });
  }

  async firstFrom(from: string, prefix: string): Promise<[key: string, value: string] | undefined> {
    this.#ground.assertOpen();
    const { staged } = this.#ground;
    // Not copied: there is one such look for each receipt that comes again. What is moved to disk meanwhile stays here.
    const [own, before] = [this.#own, staged()];
    let first: [key: string, value: string] | undefined;
    const consider = ([key, value]: [string, string | undefined]) => {
      const fits = value !== undefined && key >= from && key.startsWith(prefix);
      if (fits && (first === undefined || key < first[0])) first = [key, value];
    };
    for (const entry of before) if (own?.has(entry[0]) !== true) consider(entry);
    for (const entry of own ?? []) consider(entry);
    return this.#ground.level.read(async (level) => {
      for await (const found of level.iterator({ gte: from < prefix ? prefix : from, lt: endOf(prefix) })) {
        if (own?.has(found[0]) === true || before.has(found[0])) continue;
        return first !== undefined && first[0] < found[0] ? first : found;
      }
      return first;
    });
  }

  put(key: string, value: string): void {
    this.#layer().set(key, value);
  }

  delete(key: string): void {
    this.#layer().set(key, undefined);
  }

  #layer(): Staged {
    this.#own ??= new Map();
    return this.#own;
  }

  /** All that is not on disk, the newest of each key. */
  #above(): Staged {
    return new Map([...this.#ground.staged(), ...(this.#own ?? [])]);
  }
}

function endOf(prefix: string): string {
  return `${prefix}\uffff`;
}
