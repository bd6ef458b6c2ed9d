import { DeliveryError } from "./errors.ts";

/** Among so many of a rung's newest segments those are counted that were left before their end. */
const NEWEST = 20;

/**
 * Segments that a holder left before their end, by rung. One that is slow goes on with the newest one now and then; who
 * does so again and again shows gaps for nothing.
 */
export class CutSegments {
  readonly #most: number;
  readonly #cut = new Map<number, number[]>();

  constructor(most: number) {
    this.#most = most;
  }

  /** @throws DELIVERY_SEGMENTS_CUT */
  note(rung: number, sequence: number): void {
    const cut = [...(this.#cut.get(rung) ?? []), sequence].filter((other) => other > sequence - NEWEST);
    this.#cut.set(rung, cut);
    if (cut.length > this.#most) throw new DeliveryError({ code: "DELIVERY_SEGMENTS_CUT", rung });
  }
}
