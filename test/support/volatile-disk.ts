import { Mutex } from "../../node/kernel/mutex.ts";
import type { Changes } from "../../node/store/changes.ts";

/** What survives: keys and values of a node's store, and the text beside its key. */
export interface Disk {
  entries: Map<string, string>;
  witness: string | undefined;
}

/**
 * A store whose writes reach the disk when the test says so, and are lost when the process dies before. It promises what
 * `Database` does: a change is whole, sees all before it, and resolves when it is on disk.
 */
export class VolatileStore {
  readonly #disk: Disk;
  readonly #mutex = new Mutex();
  #staged = new Map<string, string | undefined>();
  #waiting: (() => void)[] = [];
  #isDead = false;

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  readonly witness = {
    location: "a test",
    read: async () => this.#disk.witness,
    write: (text: string) =>
      this.#afterSync(() => {
        this.#disk.witness = text;
      }),
  };

  async change<T>(work: (changes: Changes) => Promise<T>): Promise<T> {
    const { result, durable } = await this.#mutex.run(async () => {
      const own = new Map<string, string | undefined>();
      const changes: Changes = {
        get: async (key) => this.#read(own).get(key),
        list: async (prefix) => [...this.#read(own)].filter(([key]) => key.startsWith(prefix)).sort(),
        lastKey: async (prefix) =>
          [...this.#read(own).keys()]
            .filter((key) => key.startsWith(prefix))
            .sort()
            .at(-1),
        firstFrom: async (from, prefix) =>
          [...this.#read(own)].filter(([key]) => key >= from && key.startsWith(prefix)).sort()[0],
        put: (key, value) => own.set(key, value),
        delete: (key) => own.set(key, undefined),
      };
      const value = await work(changes);
      for (const [key, item] of own) this.#staged.set(key, item);
      return { result: value, durable: this.#afterSync(() => {}) };
    });
    await durable;
    return result;
  }

  async get(key: string): Promise<string | undefined> {
    return this.#read(new Map()).get(key);
  }

  async list(prefix: string): Promise<[string, string][]> {
    return [...this.#read(new Map())].filter(([key]) => key.startsWith(prefix)).sort();
  }

  /** Everything until now is on disk. */
  sync(): void {
    if (this.#isDead) return;
    for (const [key, value] of this.#staged) {
      if (value === undefined) this.#disk.entries.delete(key);
      else this.#disk.entries.set(key, value);
    }
    this.#staged = new Map();
    for (const done of this.#waiting.splice(0)) done();
  }

  /** Nothing more is written, and nobody is answered. */
  die(): void {
    this.#isDead = true;
  }

  #afterSync(write: () => void): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(() => {
        write();
        resolve();
      });
    });
  }

  #read(own: Map<string, string | undefined>): Map<string, string> {
    const all = new Map(this.#disk.entries);
    for (const [key, value] of [...this.#staged, ...own]) {
      if (value === undefined) all.delete(key);
      else all.set(key, value);
    }
    return all;
  }
}
