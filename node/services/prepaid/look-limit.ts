import type { Clock } from "@leat/node/kernel/clock.ts";
import { PrepaidError } from "./errors.ts";

/**
 * Looks at strangers' accounts in a second, a small part of what an endpoint gives a node: one call each, some ten for who
 * has the money that it shows, and none while there is no gas.
 */
const LOOKS_PER_SECOND = 16;

/**
 * Bounds what strangers make this node ask of the chain: a signature costs them nothing, so without it they could take
 * the calls that the node's own transactions and its view of the chain live on.
 */
export class LookLimit {
  readonly #clock: Clock;
  #left = LOOKS_PER_SECOND;
  #filledAtMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#filledAtMs = clock.nowMs();
  }

  /** @throws X402_BUSY */
  take(): void {
    const nowMs = this.#clock.nowMs();
    const earned = (Math.max(0, nowMs - this.#filledAtMs) * LOOKS_PER_SECOND) / 1_000;
    this.#left = Math.min(LOOKS_PER_SECOND, this.#left + earned);
    this.#filledAtMs = nowMs;
    if (this.#left < 1) throw new PrepaidError({ code: "X402_BUSY" });
    this.#left -= 1;
  }
}
