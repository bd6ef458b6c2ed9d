import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { Clock } from "../../kernel/clock.ts";
import type { JobRow } from "../../store/sql/job-store.ts";

/** Tells jobs that nobody does of what may have changed that: a node came, or the table of candidates is another. */
export class PlaceNews {
  readonly #clock: Clock;
  readonly #listeners = new Set<(job: Hex | undefined) => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isAwaited(): boolean {
    return this.#listeners.size > 0;
  }

  /** @param job The only one that it concerns. */
  tell(job?: Hex): void {
    for (const listener of [...this.#listeners]) listener(job);
  }

  /** Resolves with the next news of this job, or after `ms`. */
  async wait(job: Hex, ms: number, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const listener = (told: Hex | undefined) => {
      if (told === undefined || told === job) over.abort();
    };
    this.#listeners.add(listener);
    try {
      await this.#clock.sleep(ms, AbortSignal.any([signal, over.signal]));
    } catch (error) {
      if (signal.aborted || !over.signal.aborted) throw error;
    } finally {
      this.#listeners.delete(listener);
    }
  }
}

/** The longest pause between two tries of one job while nothing is heard that would help it. */
const LONGEST_MS = 30_000;
/** The same of an edge, for which viewers wait. */
const LONGEST_DELIVERY_MS = 5_000;

interface PauseComponents {
  readonly clock: Clock;
  readonly news: PlaceNews;
}

/** How long one job waits between tries that brought nothing: longer each time, until somebody comes who was not there before. */
export class PlacePauses {
  readonly #components: PauseComponents;
  readonly #job: Hex;
  readonly #firstMs: number;
  readonly #longestMs: number;
  #pauseMs: number;
  /** One who comes and goes all the time must not have us decide all the time. */
  #floorMs = 0;
  #isAsked = false;

  constructor(components: PauseComponents, job: Pick<JobRow, "id" | "primitive">, firstMs: number) {
    this.#components = components;
    this.#job = job.id;
    this.#firstMs = firstMs;
    this.#longestMs = Math.max(firstMs, job.primitive === "delivery" ? LONGEST_DELIVERY_MS : LONGEST_MS);
    this.#pauseMs = firstMs;
  }

  /** A viewer waits for it: it is tried as soon as the first pause is over. */
  ask(): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    this.#components.news.tell(this.#job);
  }

  /** Resolves when it is time to try again. `isHelped`: whether somebody is there now who was not at the last try. */
  async next(isHelped: () => boolean, signal: AbortSignal): Promise<void> {
    const { clock, news } = this.#components;
    const startMs = clock.nowMs();
    for (;;) {
      const passedMs = clock.nowMs() - startMs;
      const isOver = passedMs >= this.#pauseMs;
      const isAwaited = this.#isAsked && passedMs >= this.#firstMs;
      if (!isOver && !isAwaited && (passedMs < this.#floorMs || !isHelped())) {
        const floorMs = this.#isAsked ? this.#firstMs : this.#floorMs;
        const untilMs = passedMs < floorMs ? Math.min(floorMs, this.#pauseMs) : this.#pauseMs;
        await news.wait(this.#job, untilMs - passedMs, signal);
        continue;
      }
      this.#isAsked = false;
      this.#floorMs = isOver ? 0 : this.#firstMs;
      if (isOver) this.#pauseMs = Math.min(this.#pauseMs * 2, this.#longestMs);
      else if (!isAwaited) this.#pauseMs = this.#firstMs;
      return;
    }
  }
}
