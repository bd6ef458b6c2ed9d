import type { Address } from "@leat/sdk/protocol/hex.ts";
import type { Clock } from "../kernel/clock.ts";

/** Ten bad messages in ten minutes are no accident. */
export const BAN_SCORE = 10;
/** After it, half of a score is forgotten: a ban of a peer that stops lasts some minutes. */
const HALF_LIFE_MS = 600_000;
/** Peers remembered; the least recently bad one is forgotten first. */
const MAX_PEERS = 10_000;

/** How badly each peer behaved of late. Bounded, and forgetting. */
export class PeerScores {
  readonly #clock: Clock;
  readonly #onBan: (peer: Address) => void;
  readonly #scores = new Map<Address, { score: number; atMs: number }>();

  /** `onBan` hears of a peer whose score passes the limit. */
  constructor(clock: Clock, onBan: (peer: Address) => void = () => {}) {
    this.#clock = clock;
    this.#onBan = onBan;
  }

  get size(): number {
    return this.#scores.size;
  }

  /** Adds to a peer's score and gives the new one. A bad message is 1. */
  add(peer: Address, points: number): number {
    const before = this.scoreOf(peer);
    const score = before + points;
    this.#scores.delete(peer);
    this.#scores.set(peer, { score, atMs: this.#clock.nowMs() });
    if (this.#scores.size > MAX_PEERS) this.#scores.delete(this.#scores.keys().next().value!);
    if (before < BAN_SCORE && score >= BAN_SCORE) this.#onBan(peer);
    return score;
  }

  scoreOf(peer: Address): number {
    const held = this.#scores.get(peer);
    if (held === undefined) return 0;
    return held.score * 2 ** (-Math.max(0, this.#clock.nowMs() - held.atMs) / HALF_LIFE_MS);
  }

  isBanned(peer: Address): boolean {
    return this.scoreOf(peer) >= BAN_SCORE;
  }
}
