import type { Clock } from "../../kernel/clock.ts";

/** A network of 20,000 nodes that each speak every 30 s is 670 a second, of which a peer forwards a share. */
const PER_SECOND = 200;
const BURST = 1_000;
const MAX_PEERS = 5_000;

/** How many messages each peer may still hand on: a bucket per peer that fills with time. Bounded. */
export class PeerRates {
  readonly #clock: Clock;
  readonly #buckets = new Map<string, { left: number; atMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  allow(peer: string): boolean {
    const nowMs = this.#clock.nowMs();
    const held = this.#buckets.get(peer);
    const earned = held === undefined ? BURST : held.left + ((nowMs - held.atMs) / 1_000) * PER_SECOND;
    const left = Math.min(BURST, earned);
    this.#buckets.delete(peer);
    this.#buckets.set(peer, { left: left >= 1 ? left - 1 : left, atMs: nowMs });
    if (this.#buckets.size > MAX_PEERS) this.#buckets.delete(this.#buckets.keys().next().value!);
    return left >= 1;
  }
}
