import type { Clock } from "@leat/node/kernel/clock.ts";
import { ALIVE_MS } from "../jobs/progress-count.ts";
import { DeliveryError } from "./errors.ts";

/** Notices that nothing is heard any more of a holder, which would say that it is there. */
export class Silence {
  /** How long it may last. */
  maxMs: number;
  readonly #clock: Clock;
  readonly #over = new AbortController();
  #heard = 0;

  constructor(clock: Clock, maxMs: number) {
    this.#clock = clock;
    this.maxMs = maxMs;
  }

  heard(): void {
    this.#heard += 1;
  }

  /** Resolves with DELIVERY_PARENT_SILENT when it was noticed, or with nothing when stopped. */
  async watch(): Promise<DeliveryError | undefined> {
    const { signal } = this.#over;
    // Step by step: while this process itself stands still, nothing that is sent meanwhile can be heard.
    for (let quietMs = 0; quietMs < this.maxMs; ) {
      const before = this.#heard;
      await this.#clock.sleep(ALIVE_MS, signal).catch(() => {});
      if (signal.aborted) return undefined;
      quietMs = this.#heard === before ? quietMs + ALIVE_MS : 0;
    }
    return new DeliveryError({ code: "DELIVERY_PARENT_SILENT" });
  }

  stop(): void {
    this.#over.abort();
  }
}
