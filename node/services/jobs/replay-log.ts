import { CodedError } from "@leat/sdk/base/errors.ts";

/** The reader asked for something that was dropped already: it is slower than what is kept for it. */
export class ReplayLogError extends CodedError<{ code: "INGEST_READER_BEHIND"; wanted: number; first: number }> {}

type Waiting = (index: number) => void;

/**
 * One writer, any number of readers, each at its own place. The writer never waits: what readers have not taken when it
 * is dropped is gone for them, and they are told.
 */
export class ReplayLog<T> {
  readonly #items: T[] = [];
  /** Of each. */
  readonly #sizes: number[] = [];
  #first = 0;
  #sizeBytes = 0;
  #closed = false;
  /** Told where the news is. */
  #waiting: Waiting[] = [];
  /** The same, not woken by what is minor. */
  #patient: Waiting[] = [];
  /** Signals whose abort wakes those who wait. */
  readonly #heard = new WeakSet<AbortSignal>();

  /** Number of the oldest item still held. */
  get first(): number {
    return this.#first;
  }

  /** Number that the next item gets. */
  get next(): number {
    return this.#first + this.#items.length;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Of what is held from item `index` on. */
  sizeFrom(index: number): number {
    return this.#sizes.slice(Math.max(0, index - this.#first)).reduce((sum, sizeBytes) => sum + sizeBytes, 0);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Gives back the item's number. `isMinor`: it is no news to patient readers. */
  append(item: T, sizeBytes = 0, isMinor = false): number {
    const index = this.next;
    this.#items.push(item);
    this.#sizes.push(sizeBytes);
    this.#sizeBytes += sizeBytes;
    this.#waiting = wakeAll(this.#waiting, index);
    if (!isMinor) this.#patient = wakeAll(this.#patient, index);
    return index;
  }

  at(index: number): T | undefined {
    return this.#items[index - this.#first];
  }

  dropBefore(index: number): void {
    const count = Math.min(Math.max(0, index - this.#first), this.#items.length);
    if (count === 0) return;
    this.#items.splice(0, count);
    for (const sizeBytes of this.#sizes.splice(0, count)) this.#sizeBytes -= sizeBytes;
    this.#first += count;
  }

  /** Nothing more comes; readers get what is held and then the end. */
  close(): void {
    this.#closed = true;
    this.wake();
  }

  /**
   * Resolves when there may be news: another item, the end, or what somebody woke the readers for. `isPatient`: a minor
   * item is none. Gives the number of the item that is, or that the next one gets: all that came before it was none.
   */
  async change(signal: AbortSignal, isPatient = false): Promise<number> {
    signal.throwIfAborted();
    const index = await this.#waitForMore(signal, isPatient);
    signal.throwIfAborted();
    return index;
  }

  /** Lets all who wait look again. */
  wake(): void {
    this.#waiting = wakeAll(this.#waiting, this.next);
    this.#patient = wakeAll(this.#patient, this.next);
  }

  /** Waits for item `index`. Undefined when the log closed before it came. */
  async read(index: number, signal: AbortSignal): Promise<T | undefined> {
    for (;;) {
      signal.throwIfAborted();
      if (index < this.#first)
        throw new ReplayLogError({ code: "INGEST_READER_BEHIND", wanted: index, first: this.#first });
      const item = this.#items[index - this.#first];
      if (item !== undefined) return item;
      if (this.#closed) return undefined;
      await this.#waitForMore(signal, false);
    }
  }

  #waitForMore(signal: AbortSignal, isPatient: boolean): Promise<number> {
    // One listener for all that a reader waits for: each of its waits is short, and there are hundreds a second.
    if (!this.#heard.has(signal)) {
      this.#heard.add(signal);
      signal.addEventListener("abort", () => this.wake(), { once: true });
    }
    const waiting = isPatient ? this.#patient : this.#waiting;
    return new Promise((resolve) => waiting.push(resolve));
  }
}

/** Gives the list of those who wait from then on. */
function wakeAll(waiting: Waiting[], index: number): Waiting[] {
  if (waiting.length === 0) return waiting;
  for (const done of waiting) done(index);
  return [];
}
