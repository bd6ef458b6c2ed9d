const RANGE = 2 ** 33;
const TICKS_PER_MS = 90;

/** Takes the wraps of 33 bits out of a stream's times: steps stay what they are, over all its tracks. */
export class TsClock {
  #last: number | undefined;

  /** One that goes on from here; what it reads does not move this one. */
  fork(): TsClock {
    const clock = new TsClock();
    clock.#last = this.#last;
    return clock;
  }

  /** Ticks that go on beyond 33 bits. */
  unwrap(ticks: number): number {
    const last = this.#last;
    if (last === undefined) {
      this.#last = ticks;
      return ticks;
    }
    const step = (((ticks - last) % RANGE) + RANGE) % RANGE;
    this.#last = last + (step >= RANGE / 2 ? step - RANGE : step);
    return this.#last;
  }

  /** How far one time is behind another, either way round the wrap. */
  static between(later: number, earlier: number): number {
    const step = (((later - earlier) % RANGE) + RANGE) % RANGE;
    return step >= RANGE / 2 ? step - RANGE : step;
  }
}

export function toMs(ticks: number): number {
  return ticks / TICKS_PER_MS;
}
