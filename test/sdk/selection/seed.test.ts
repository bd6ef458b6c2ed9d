import assert from "node:assert/strict";
import fc from "fast-check";
import type { Hex } from "../../../sdk/protocol/hex.ts";
import { SelectionError } from "../../../sdk/selection/parameters.ts";
import { createSeedChain, deriveSeed, SeedStream, verifyPreimage } from "../../../sdk/selection/seed.ts";

const word = (byte: number): Hex => `0x${byte.toString(16).padStart(2, "0").repeat(32)}`;

describe("seed", () => {
  it("proves every preimage against the anchor, and only at its own place", () => {
    const chain = createSeedChain(new Uint8Array(32).fill(7), 5);
    for (let index = 1; index <= 5; index += 1) {
      assert.ok(verifyPreimage(chain.anchor, index, chain.preimage(index)));
      assert.ok(!verifyPreimage(chain.anchor, index + 1, chain.preimage(index)));
    }
  });

  it("refuses a preimage beyond the chain", () => {
    const chain = createSeedChain(new Uint8Array(32).fill(7), 5);
    for (const index of [0, 6, 1.5]) {
      assert.throws(
        () => chain.preimage(index),
        (error) => error instanceof SelectionError && error.code === "SELECTION_CHAIN_SPENT",
      );
    }
  });

  it("changes with each of its four parts", () => {
    const base = [word(1), word(2), word(3), 1] as const;
    const seeds = new Set([
      deriveSeed(...base),
      deriveSeed(word(9), base[1], base[2], base[3]),
      deriveSeed(base[0], word(9), base[2], base[3]),
      deriveSeed(base[0], base[1], word(9), base[3]),
      deriveSeed(base[0], base[1], base[2], 2),
    ]);
    assert.equal(seeds.size, 5);
  });

  it("streams integers below any bound, the same from the same seed", () => {
    fc.assert(
      fc.property(fc.nat(255), fc.array(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })), (byte, bounds) => {
        const left = new SeedStream(word(byte));
        const right = new SeedStream(word(byte));
        for (const bound of bounds) {
          const value = left.below(bound);
          assert.ok(value >= 0 && value < bound);
          assert.equal(right.below(bound), value);
        }
      }),
    );
  });
});
