import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import { MAX_CLOCK_ERROR_SECONDS } from "@leat/sdk/protocol/limits.ts";
import type { Clock } from "../../kernel/clock.ts";
import type { NodeSession } from "../../wire/session/session.ts";
import { SessionError } from "./errors.ts";

/** From here on it is worth a line in the log: the API of a balancer refuses what is signed five minutes off. */
const TOLD_MS = 60_000;

export interface ClockCheckComponents {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricsRegister;
}

/** Compares this machine's clock with its balancers': offers and quotes carry times, which the other reads by its own. */
export class ClockCheck {
  readonly #components: ClockCheckComponents;
  readonly #aheadMs = new Map<Address, number>();

  constructor(components: ClockCheckComponents) {
    this.#components = components;
    components.metrics.gauge({
      name: "leat_session_clock_ahead_seconds",
      help: "How far this machine's clock is ahead of a balancer's, of all balancers the farthest; below 0: behind",
      collect: () => {
        const rising = [...this.#aheadMs.values()].sort((one, other) => Math.abs(one) - Math.abs(other));
        return (rising.at(-1) ?? 0) / 1_000;
      },
    });
  }

  /** @throws SESSION_CLOCK_WRONG when the two clocks are further apart than what one signs can bear at the other. */
  async compare(balancer: Address, session: NodeSession, signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#components;
    const askedMs = clock.nowMs();
    const theirMs = await readTheirs(session, signal);
    if (theirMs === undefined) return;
    const halfMs = (clock.nowMs() - askedMs) / 2;
    const aheadMs = Math.round(askedMs + halfMs - theirMs);
    this.#aheadMs.set(balancer, aheadMs);
    const awayMs = Math.abs(aheadMs) - halfMs;
    if (awayMs > MAX_CLOCK_ERROR_SECONDS * 1_000) {
      const direction = aheadMs > 0 ? "ahead of" : "behind";
      const message = `this machine's clock is ${Math.round(Math.abs(aheadMs) / 1_000)} s ${direction} the balancer's; set it`;
      throw new SessionError({ code: "SESSION_CLOCK_WRONG", balancer, aheadMs }, { message });
    }
    if (awayMs > TOLD_MS) logger.warn("Find clock far from the balancer's: set it", { balancer, aheadMs });
  }
}

/** Undefined from a balancer of a version that does not tell. */
async function readTheirs(session: NodeSession, signal: AbortSignal): Promise<number | undefined> {
  try {
    return (await session.call("clock.read", {}, { signal })).nowMs;
  } catch (error) {
    if (isCodedError(error) && error.code === "METHOD_UNKNOWN") return undefined;
    throw error;
  }
}
