import { type Address, type Hex, zeroAddress } from "@leat/sdk/protocol/hex.ts";
import { KeyedMutex } from "../../kernel/keyed-mutex.ts";
import { Recent } from "../../kernel/recent.ts";
import type { LeaseRow, StreamRow, StreamStore } from "../../store/sql/stream-store.ts";

/** Holds a lease that was taken away, until somebody publishes again. */
export const NOBODY = zeroAddress;

/** Streams whose last receipts and checks may still come, and for how long they mostly do. 2 KB each in memory. */
const MOST_OVER = 500;
const OVER_MS = 300_000;

/** Streams that are not over, and their leases: in memory for speed, on disk before anybody is told. */
export class StreamBook {
  readonly #store: StreamStore;
  readonly #streams = new Map<Hex, StreamRow>();
  /** Those that ended last. */
  readonly #over = new Recent<Hex, StreamRow>(MOST_OVER, { ageMs: OVER_MS });
  readonly #leases = new Map<Hex, LeaseRow>();
  /** Whose holder fetches it, as far as this process knows: no key has to do with that. */
  readonly #fetched = new Set<Hex>();
  readonly #mutex = new KeyedMutex<Hex>();

  constructor(store: StreamStore) {
    this.#store = store;
  }

  async load(): Promise<void> {
    for (const row of await this.#store.open()) this.#streams.set(row.id, row);
    for (const lease of await this.#store.leases()) this.#leases.set(lease.stream, lease);
  }

  open(): StreamRow[] {
    return [...this.#streams.values()];
  }

  async insert(row: StreamRow, keyHash: Hex): Promise<void> {
    await this.#store.insert(row, keyHash);
    this.#streams.set(row.id, row);
  }

  /** Also one that is over. */
  async find(id: Hex): Promise<StreamRow | undefined> {
    return this.#streams.get(id) ?? this.#over.get(id) ?? this.#store.find(id);
  }

  async findBySlug(slug: string): Promise<StreamRow | undefined> {
    for (const row of this.#streams.values()) if (row.slug === slug) return row;
    return this.#store.findBySlug(slug);
  }

  async change(id: Hex, change: Partial<StreamRow>): Promise<void> {
    const held = this.#streams.get(id);
    if (held !== undefined) this.#streams.set(id, { ...held, ...change });
    await this.#store.update(id, change);
    const over = this.#over.get(id);
    if (over !== undefined) this.#over.set(id, { ...over, ...change });
    const ended = this.#streams.get(id);
    if (change.state !== "ended" || ended === undefined) return;
    this.#streams.delete(id);
    this.#over.set(id, ended);
  }

  /** A stream that is not over came so far, or further: what is told late takes nothing back. */
  async advance(id: Hex, nextSequence: number, nextFrame = 0n): Promise<void> {
    const held = this.#streams.get(id);
    if (held === undefined || held.state === "ended") return;
    const isFurther = nextFrame > held.nextFrame;
    if (nextSequence <= held.nextSequence && !isFurther) return;
    await this.change(id, {
      nextSequence: Math.max(held.nextSequence, nextSequence),
      nextFrame: isFurther ? nextFrame : held.nextFrame,
    });
  }

  lease(stream: Hex): LeaseRow | undefined {
    return this.#leases.get(stream);
  }

  /** Who publishes the stream, or did a moment ago. */
  holder(stream: Hex): Address | undefined {
    const node = this.#leases.get(stream)?.node;
    return node === NOBODY ? undefined : node;
  }

  leases(): LeaseRow[] {
    return [...this.#leases.values()];
  }

  async lend(lease: LeaseRow, isByKey: boolean): Promise<void> {
    if (isByKey) this.#fetched.delete(lease.stream);
    else this.#fetched.add(lease.stream);
    await this.putLease(lease);
  }

  async putLease(lease: LeaseRow): Promise<void> {
    this.#leases.set(lease.stream, lease);
    await this.#store.putLease(lease);
  }

  /** Whoever publishes by a key is to go on no more: it hears so when it renews, and the next one gets the lease at once. */
  async vacateLease(stream: Hex, nowMs: number): Promise<void> {
    const lease = this.#leases.get(stream);
    if (lease === undefined || this.#fetched.has(stream)) return;
    await this.putLease({ ...lease, node: NOBODY, lastFrameAtMs: nowMs });
  }

  async dropLease(stream: Hex): Promise<void> {
    this.#leases.delete(stream);
    this.#fetched.delete(stream);
    await this.#store.dropLease(stream);
  }

  /** One change of a stream's lease, origin or edges at a time. */
  exclusively<T>(stream: Hex, work: () => Promise<T>): Promise<T> {
    return this.#mutex.run(stream, work);
  }
}
