import type { Clock } from "@leat/node/kernel/clock.ts";
import { ALIVE_MS } from "../jobs/progress-count.ts";
import { DeliveryError } from "./errors.ts";
import type { OriginTime } from "./origin-time.ts";

export interface LatenessLimits {
  /** How old the newest word of the origin may be. */
  readonly maxMs: number;
  /** How long the first one of a holder may take, from when it serves. */
  readonly firstMs: number;
}

/** A segment lasts two seconds at least: one that sends it within less comes nearer to the newest. */
const CAUGHT_UP_MS = 1_000;
/** Whoever feeds an edge gets so much longer for each step further from the origin: those nearer to it leave first. */
const STEP_MS = 800;

/** How far an edge's stream may fall behind, at so many steps from the origin. */
export function lateAfterMs(behindMs: number, depth: number): number {
  return behindMs + STEP_MS * Math.max(0, depth - 2);
}

/**
 * Notices that what a holder brings falls behind the origin: one that is slow, or keeps something back, never has a new
 * word of the origin for all that it sent, whatever it says itself.
 */
export class Lateness {
  readonly #clock: Clock;
  readonly #origin: OriginTime;
  readonly #limits: LatenessLimits;
  readonly #over = new AbortController();
  #isServed = false;
  #patienceMs: number;
  #toldAtMs: number | undefined;

  constructor(clock: Clock, origin: OriginTime, limits: LatenessLimits) {
    this.#clock = clock;
    this.#origin = origin;
    this.#limits = limits;
    this.#patienceMs = limits.firstMs;
  }

  /** The holder answered that it serves. */
  served(): void {
    this.#isServed = true;
  }

  /** A later segment than any before: one that sends what was kept, and sends it fast, is on its way to the newest. */
  caughtUp(): void {
    this.#patienceMs = Math.max(this.#patienceMs, CAUGHT_UP_MS);
  }

  /** A word of the origin came that names nothing that is not here. */
  told(atMs: number): void {
    this.#origin.heard(atMs);
    this.#toldAtMs = atMs;
  }

  /** Resolves with DELIVERY_PARENT_LATE when it was noticed, or with nothing when stopped. */
  async watch(): Promise<DeliveryError | undefined> {
    const { signal } = this.#over;
    for (;;) {
      await this.#clock.sleep(ALIVE_MS, signal).catch(() => {});
      if (signal.aborted) return undefined;
      if (this.#isLate()) return new DeliveryError({ code: "DELIVERY_PARENT_LATE" });
    }
  }

  stop(): void {
    this.#over.abort();
  }

  #isLate(): boolean {
    // Time passes while nothing is said, too.
    const ageMs = this.#origin.ageMs(this.#toldAtMs ?? 0);
    if (!this.#isServed) return false;
    if (this.#toldAtMs !== undefined) return ageMs > this.#limits.maxMs;
    // Step by step: while this process itself stands still, nothing that is sent meanwhile can be heard.
    this.#patienceMs -= ALIVE_MS;
    return this.#patienceMs <= 0;
  }
}
