import assert from "node:assert/strict";
import fc from "fast-check";
import type { Hex } from "../../../sdk/protocol/hex.ts";
import { drawTickets } from "../../../sdk/selection/lottery.ts";
import { SeedStream } from "../../../sdk/selection/seed.ts";

const seedOf = (number: number): Hex => `0x${number.toString(16).padStart(64, "0")}`;
const weightList = fc.array(fc.integer({ min: 0, max: 1_000_000 }), { minLength: 1, maxLength: 40 });

describe("lottery", () => {
  it("draws the same operators from the same seed however one of them splits", () => {
    fc.assert(
      fc.property(weightList, fc.nat(), fc.nat(), fc.nat(), (weights, at, cut, seed) => {
        const split = at % weights.length;
        const first = cut % (weights[split]! + 1);
        const halves = [...weights.slice(0, split), first, weights[split]! - first, ...weights.slice(split + 1)];
        const whole = drawTickets(weights, 3, new SeedStream(seedOf(seed))).map((entry) => entry.index);
        const parts = drawTickets(halves, 3, new SeedStream(seedOf(seed))).map((entry) =>
          entry.index > split ? entry.index - 1 : entry.index,
        );
        assert.deepEqual([...new Set(parts)], whole);
      }),
    );
  });

  it("gives each drawn entry once, never one without weight", () => {
    fc.assert(
      fc.property(weightList, fc.integer({ min: 1, max: 8 }), fc.nat(), (weights, draw, seed) => {
        const drawn = drawTickets(weights, draw, new SeedStream(seedOf(seed)));
        assert.equal(new Set(drawn.map((entry) => entry.index)).size, drawn.length);
        for (const entry of drawn) assert.ok(weights[entry.index]! > 0);
        assert.equal(
          drawn.length > 0,
          weights.some((weight) => weight > 0),
        );
      }),
    );
  });

  it("draws all where there are fewer tickets than draws", () => {
    const drawn = drawTickets([1, 0, 1], 3, new SeedStream(seedOf(9)));
    assert.deepEqual(drawn.map((entry) => entry.index).sort(), [0, 2]);
  });
});
