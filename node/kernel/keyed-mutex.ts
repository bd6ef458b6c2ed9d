import { Mutex } from "./mutex.ts";

/** One at a time for each key, in the order of asking; keys do not wait for each other. Nothing stays of one that is free. */
export class KeyedMutex<K> {
  readonly #held = new Map<K, { readonly mutex: Mutex; users: number }>();

  async run<T>(key: K, work: () => Promise<T>): Promise<T> {
    const held = this.#held.get(key) ?? { mutex: new Mutex(), users: 0 };
    this.#held.set(key, held);
    held.users += 1;
    try {
      return await held.mutex.run(work);
    } finally {
      held.users -= 1;
      if (held.users === 0) this.#held.delete(key);
    }
  }
}
