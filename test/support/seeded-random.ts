import { randomInt } from "node:crypto";

export interface SeededRandom {
  /** To be told when a test fails. LEAT_TEST_SEED brings the same run again. */
  readonly seed: number;
  /** From 0 up to 1. */
  next(): number;
}

/** Chance that can be had again: the numbers follow from the seed alone. */
export function randomFrom(seed = Number(process.env.LEAT_TEST_SEED ?? randomInt(2 ** 31))): SeededRandom {
  let state = seed >>> 0;
  return {
    seed,
    next() {
      // mulberry32: 32 bits of state are plenty for choosing where to kill.
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    },
  };
}
