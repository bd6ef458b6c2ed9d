export interface TurnsOptions {
  /** Under a lasting load turns are so far apart on average. */
  readonly everyMs: number;
  /** Turns that are given at once after a rest: who comes alone waits for nothing. */
  readonly atOnce: number;
  /** So many that wait are not kept waiting. */
  readonly most: number;
  /** After a turn that at least so many shared, turns are so far apart: where many come, more can share the next one. */
  readonly crowd?: { readonly least: number; readonly everyMs: number };
}

/**
 * Lets callers that come one by one go on together. A small piece of work that is done alone costs several times what it
 * costs in a row of its like: the processor has forgotten it, and each ends in a wake-up and a write of its own.
 */
export class Turns {
  readonly #options: TurnsOptions;
  #left: number;
  #countedAtMs = performance.now();
  #isCrowded = false;
  /** How many wait for the next turn, and what they wait for: one promise for all. */
  #waiting = 0;
  #turn: PromiseWithResolvers<void> | undefined;
  #soon: NodeJS.Immediate | undefined;
  #later: NodeJS.Timeout | undefined;

  constructor(options: TurnsOptions) {
    this.#options = options;
    this.#left = options.atOnce;
  }

  /** Resolves with the next turn, `everyMs` from now at the latest, or the crowd's. */
  next(): Promise<void> {
    this.#turn ??= Promise.withResolvers<void>();
    const { promise } = this.#turn;
    this.#waiting += 1;
    if (this.#waiting >= this.#options.most) this.#give();
    else if (this.#waiting === 1) this.#plan();
    return promise;
  }

  #plan(): void {
    this.#count();
    // What comes in one moment shares a turn, also after a rest.
    if (this.#left >= 1) this.#soon = setImmediate(() => this.#give());
    else this.#later = setTimeout(() => this.#give(), (1 - this.#left) * this.#everyMs);
  }

  #give(): void {
    clearImmediate(this.#soon);
    clearTimeout(this.#later);
    this.#count();
    this.#left = Math.max(0, this.#left - 1);
    this.#isCrowded = this.#waiting >= (this.#options.crowd?.least ?? Number.POSITIVE_INFINITY);
    const turn = this.#turn;
    this.#waiting = 0;
    this.#turn = undefined;
    turn?.resolve();
  }

  #count(): void {
    const nowMs = performance.now();
    this.#left = Math.min(this.#options.atOnce, this.#left + (nowMs - this.#countedAtMs) / this.#everyMs);
    this.#countedAtMs = nowMs;
  }

  get #everyMs(): number {
    const { crowd, everyMs } = this.#options;
    return crowd !== undefined && this.#isCrowded ? crowd.everyMs : everyMs;
  }
}
