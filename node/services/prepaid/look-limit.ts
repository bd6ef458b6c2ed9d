import type { Clock } from "@leat/node/kernel/clock.ts";
import { TokenBucket } from "@leat/node/kernel/token-bucket.ts";
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
  readonly #bucket: TokenBucket;

  constructor(clock: Clock) {
    this.#bucket = new TokenBucket(clock, { burst: LOOKS_PER_SECOND, refillMs: 1_000 });
  }

  /** @throws X402_BUSY */
  take(): void {
    if (!this.#bucket.take()) throw new PrepaidError({ code: "X402_BUSY" });
  }
}
