import type { Clock } from "../../kernel/clock.ts";

/** Tells jobs that nobody does of what may have changed that: a node came, or the table of candidates is another. */
export class PlaceNews {
  readonly #clock: Clock;
  readonly #listeners = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isAwaited(): boolean {
    return this.#listeners.size > 0;
  }

  tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  /** Resolves with the next news, or after `ms`. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const listener = () => over.abort();
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

/** How long one job waits between tries that brought nothing: longer each time, until somebody comes who was not there before. */
export class PlacePauses {
  readonly #components: { readonly clock: Clock; readonly news: PlaceNews };
  readonly #firstMs: number;
  #pauseMs: number;
  /** One who comes and goes all the time must not have us decide all the time. */
  #floorMs = 0;

  constructor(components: { readonly clock: Clock; readonly news: PlaceNews }, firstMs: number) {
    this.#components = components;
    this.#firstMs = firstMs;
    this.#pauseMs = firstMs;
  }

  /** Resolves when it is time to try again. `isHelped`: whether somebody is there now who was not at the last try. */
  async next(isHelped: () => boolean, signal: AbortSignal): Promise<void> {
    const { clock, news } = this.#components;
    const startMs = clock.nowMs();
    for (;;) {
      const passedMs = clock.nowMs() - startMs;
      const isOver = passedMs >= this.#pauseMs;
      if (!isOver && (passedMs < this.#floorMs || !isHelped())) {
        const untilMs = passedMs < this.#floorMs ? Math.min(this.#floorMs, this.#pauseMs) : this.#pauseMs;
        await news.wait(untilMs - passedMs, signal);
        continue;
      }
      this.#floorMs = isOver ? 0 : this.#firstMs;
      this.#pauseMs = isOver ? Math.min(this.#pauseMs * 2, Math.max(LONGEST_MS, this.#firstMs)) : this.#firstMs;
      return;
    }
  }
}
