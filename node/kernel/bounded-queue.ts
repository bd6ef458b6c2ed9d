import { CodedError } from "@leat/sdk/base/errors.ts";

export class QueueError extends CodedError<
  { code: "KERNEL_QUEUE_CLOSED" } | { code: "KERNEL_QUEUE_ITEM_TOO_LARGE"; sizeBytes: number; maxBytes: number }
> {}

export interface BoundedQueueOptions<T> {
  readonly maxItems: number;
  /** Needs `sizeOf`. */
  readonly maxBytes?: number;
  readonly sizeOf?: (item: T) => number;
  /** What `offer` does when there is no room: refuse the new item, or drop the oldest ones for it. */
  readonly overflow: "refuse" | "drop-oldest";
  readonly onDrop?: (item: T) => void;
}

interface Taker<T> {
  resolve(result: IteratorResult<T, undefined>): void;
  reject(error: unknown): void;
}

interface Waiter {
  wake(): void;
  fail(error: unknown): void;
}

/** Bounded by count and bytes. `offer` never waits; `push` waits for room, which is backpressure for its caller. */
export class BoundedQueue<T> implements AsyncIterable<T> {
  readonly #options: BoundedQueueOptions<T>;
  readonly #maxBytes: number;
  #items: T[] = [];
  #head = 0;
  #bytes = 0;
  #takers: Taker<T>[] = [];
  #waiters: Waiter[] = [];
  #closed = false;
  #failure: { error: unknown } | undefined;

  constructor(options: BoundedQueueOptions<T>) {
    this.#options = options;
    this.#maxBytes = options.maxBytes ?? Number.POSITIVE_INFINITY;
  }

  get size(): number {
    return this.#items.length - this.#head;
  }

  get sizeBytes(): number {
    return this.#bytes;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** True when the item is in. False when it is refused, as there is no room or the queue is closed. */
  offer(item: T): boolean {
    if (this.#closed) return false;
    const size = this.#sizeOf(item);
    // Those who wait in push came first.
    if (this.#waiters.length > 0 && this.#options.overflow === "refuse") return false;
    while (!this.#hasRoom(size)) {
      if (this.#options.overflow === "refuse") return false;
      this.#options.onDrop?.(this.#shift());
    }
    this.#add(item, size);
    return true;
  }

  /** Waits until there is room. Rejects when the queue closes or the signal aborts. */
  async push(item: T, signal?: AbortSignal): Promise<void> {
    const size = this.#sizeOf(item);
    signal?.throwIfAborted();
    let mustWait = this.#waiters.length > 0 || !this.#hasRoom(size);
    while (mustWait && !this.#closed) {
      await this.#waitForRoom(signal);
      mustWait = !this.#hasRoom(size);
    }
    if (this.#closed) throw new QueueError({ code: "KERNEL_QUEUE_CLOSED" });
    this.#add(item, size);
    this.#wakeWaiter();
  }

  /** The next item, or undefined when the queue is closed and empty. */
  async take(): Promise<T | undefined> {
    const result = await this.#next();
    return result.done === true ? undefined : result.value;
  }

  /** No more items come in; those inside still go out. */
  close(): void {
    this.#end(undefined);
  }

  /** Like close, and readers get `error` after the last item. */
  fail(error: unknown): void {
    this.#end({ error });
  }

  /** Drops what is inside. */
  clear(): void {
    this.#items = [];
    this.#head = 0;
    this.#bytes = 0;
    this.#wakeWaiter();
  }

  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return {
      next: () => this.#next(),
      // A reader that leaves its loop wants nothing more: whoever pushes must not wait for it.
      return: async () => {
        this.close();
        this.clear();
        return { done: true, value: undefined };
      },
    };
  }

  #next(): Promise<IteratorResult<T, undefined>> {
    if (this.size > 0) {
      const value = this.#shift();
      this.#wakeWaiter();
      return Promise.resolve({ done: false, value });
    }
    if (this.#failure !== undefined) return Promise.reject(this.#failure.error);
    if (this.#closed) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => this.#takers.push({ resolve, reject }));
  }

  #add(item: T, size: number): void {
    const taker = this.#takers.shift();
    if (taker !== undefined) {
      taker.resolve({ done: false, value: item });
      return;
    }
    this.#items.push(item);
    this.#bytes += size;
  }

  #shift(): T {
    const item = this.#items[this.#head] as T;
    this.#items[this.#head] = undefined as T;
    this.#head += 1;
    this.#bytes -= this.#options.sizeOf?.(item) ?? 0;
    if (this.#head > 64 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  #hasRoom(size: number): boolean {
    return this.size < this.#options.maxItems && this.#bytes + size <= this.#maxBytes;
  }

  #sizeOf(item: T): number {
    const size = this.#options.sizeOf?.(item) ?? 0;
    if (size > this.#maxBytes) {
      throw new QueueError({ code: "KERNEL_QUEUE_ITEM_TOO_LARGE", sizeBytes: size, maxBytes: this.#maxBytes });
    }
    return size;
  }

  #waitForRoom(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        reject(signal?.reason);
        // The turn that this waiter may have been given passes on.
        this.#wakeWaiter();
      };
      const waiter: Waiter = {
        wake: () => {
          signal?.removeEventListener("abort", leave);
          resolve();
        },
        fail: reject,
      };
      signal?.addEventListener("abort", leave, { once: true });
      this.#waiters.push(waiter);
    });
  }

  #wakeWaiter(): void {
    if (this.#closed || this.size < this.#options.maxItems) this.#waiters.shift()?.wake();
  }

  #end(failure: { error: unknown } | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#failure = failure;
    const takers = this.#takers;
    this.#takers = [];
    for (const taker of takers) {
      if (failure === undefined) taker.resolve({ done: true, value: undefined });
      else taker.reject(failure.error);
    }
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.wake();
  }
}
