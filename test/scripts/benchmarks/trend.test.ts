import assert from "node:assert/strict";
import { judgeTrend } from "../../../scripts/benchmarks/support/soak/trend.ts";
import { randomFrom } from "../../support/seeded-random.ts";
import { soakSamples } from "../../support/soak-samples.ts";

const samplesOf = (heldMb: (atS: number) => number) => soakSamples((atS) => ({ heldMb: heldMb(atS) }));
const DRAWS = 300;

describe("trend of what a node holds", () => {
  const random = randomFrom(7);
  const noisy = (level: number, mb: number) => level + (random.next() - 0.5) * mb;
  const spiky = (level: number, mb: number) => level + (random.next() < 0.5 ? mb * random.next() : 0);
  const countLeaks = (heldMb: (atS: number) => number) =>
    Array.from({ length: DRAWS }, () => judgeTrend(samplesOf(heldMb), "heldMb")).filter(({ isLeak }) => isLeak).length;

  for (const [what, heldMb] of [
    ["more than it wanders", (atS: number) => noisy(100 + atS / 20, 4)],
    ["while far more than that comes and goes", (atS: number) => spiky(100 + atS / 20, 60)],
    ["by little while ten times as much comes and goes", (atS: number) => spiky(100 + atS / 50, 30)],
  ] as const) {
    it(`is a leak where it rises ${what}`, () => {
      const found = countLeaks(heldMb);
      assert.ok(found >= 0.95 * DRAWS, `${found} of ${DRAWS}`);
    });
  }

  for (const [what, heldMb] of [
    ["wanders", () => noisy(100, 10)],
    ["fills its caches first", (atS: number) => noisy(atS < 200 ? 50 + atS / 4 : 100, 4)],
    ["swings", (atS: number) => noisy(100 + 5 * Math.sin(atS / 60), 1)],
    ["steps up once and stays", (atS: number) => noisy(atS < 400 ? 100 : 104, 4)],
    ["steps up far and stays", (atS: number) => noisy(atS < 420 ? 100 : 110, 4)],
  ] as const) {
    it(`is none where it ${what}`, () => {
      const found = countLeaks(heldMb);
      assert.ok(found <= 0.02 * DRAWS, `${found} of ${DRAWS}`);
    });
  }

  it("says how fast it rises", () => {
    const { perHour } = judgeTrend(
      samplesOf((atS) => noisy(100 + atS / 20, 4)),
      "heldMb",
    );
    assert.ok(Math.abs(perHour - 180) < 15, `${perHour}`);
  });

  it("does not call a rise of next to nothing a leak, however steady it is", () => {
    const steady = (perS: number) =>
      judgeTrend(
        samplesOf((atS) => 100 + perS * atS),
        "heldMb",
      );
    assert.deepEqual([steady(0.001).isLeak, steady(0.01).isLeak], [false, true]);
  });
});
