import type { Clock } from "@leat/node/kernel/clock.ts";
import type { DeliveryError } from "./errors.ts";
import { Lateness, type LatenessLimits } from "./lateness.ts";
import type { OriginTime } from "./origin-time.ts";
import { Silence } from "./silence.ts";

export interface HolderLimits extends LatenessLimits {
  /** How long it may take to answer. */
  readonly answerMs: number;
  /** How long it may say nothing once it did. */
  readonly silenceMs: number;
}

/** Notices that one holder is gone, or that what it brings falls behind. */
export class HolderWatch {
  readonly #silence: Silence;
  readonly #lateness: Lateness;
  readonly #silenceMs: number;
  readonly #lost = new AbortController();
  #watching: Promise<unknown> = Promise.resolve();

  constructor(clock: Clock, origin: OriginTime, limits: HolderLimits) {
    this.#silence = new Silence(clock, limits.answerMs);
    this.#lateness = new Lateness(clock, origin, limits);
    this.#silenceMs = limits.silenceMs;
  }

  /** Aborts with DELIVERY_PARENT_SILENT or DELIVERY_PARENT_LATE. */
  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  /** `isOrigin`: who signs what the stream is falls behind nothing. */
  start(isOrigin: boolean): void {
    const watches = [this.#silence.watch(), ...(isOrigin ? [] : [this.#lateness.watch()])];
    this.#watching = Promise.all(watches.map((watch) => watch.then((reason) => this.#lose(reason))));
  }

  heard(): void {
    this.#silence.heard();
  }

  served(): void {
    this.#silence.maxMs = this.#silenceMs;
    this.#lateness.served();
  }

  caughtUp(): void {
    this.#lateness.caughtUp();
  }

  told(atMs: number): void {
    this.#lateness.told(atMs);
  }

  /** Resolves when nothing is watched any more. */
  async stop(): Promise<void> {
    this.#silence.stop();
    this.#lateness.stop();
    await this.#watching;
  }

  #lose(reason: DeliveryError | undefined): void {
    if (reason !== undefined) this.#lost.abort(reason);
  }
}
