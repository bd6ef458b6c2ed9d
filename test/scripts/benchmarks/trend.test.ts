import assert from "node:assert/strict";
import type { NodeSample } from "../../../scripts/benchmarks/support/soak/node-samples.ts";
import { judgeTrend } from "../../../scripts/benchmarks/support/soak/trend.ts";
import { randomFrom } from "../../support/seeded-random.ts";

/** Samples every ten seconds, ten minutes. */
function samplesOf(heldMb: (atS: number) => number): NodeSample[] {
  return Array.from({ length: 60 }, (_, at) => ({
    atS: at * 10,
    heldMb: heldMb(at * 10),
    residentMb: 0,
    descriptors: 0,
    processes: 1,
  }));
}

describe("trend of what a node holds", () => {
  const random = randomFrom(7);
  const noisy = (level: number, mb: number) => level + (random.next() - 0.5) * mb;

  it("is a leak where it rises more than it wanders", () => {
    const { isLeak, perHour } = judgeTrend(
      samplesOf((atS) => noisy(100 + atS / 20, 4)),
      "heldMb",
    );
    assert.ok(isLeak);
    assert.ok(Math.abs(perHour - 180) < 10, `${perHour}`);
  });

  it("is a leak too where far more than it comes and goes meanwhile", () => {
    const { isLeak, growth, noise } = judgeTrend(
      samplesOf((atS) => 100 + atS / 20 + (random.next() < 0.5 ? 60 * random.next() : 0)),
      "heldMb",
    );
    assert.ok(isLeak, `${growth} over ${noise}`);
  });

  it("is none where it wanders, fills its caches first, or steps up once and stays", () => {
    for (const heldMb of [
      () => noisy(100, 10),
      (atS: number) => noisy(atS < 200 ? 50 + atS / 4 : 100, 4),
      (atS: number) => noisy(100 + 5 * Math.sin(atS / 60), 1),
      (atS: number) => noisy(atS < 400 ? 100 : 104, 4),
    ]) {
      const { isLeak, growth, noise } = judgeTrend(samplesOf(heldMb), "heldMb");
      assert.ok(!isLeak, `${growth} over ${noise}`);
    }
  });

  it("does not call a rise of next to nothing a leak, however steady it is", () => {
    assert.equal(
      judgeTrend(
        samplesOf((atS) => 100 + atS / 1_000),
        "heldMb",
      ).isLeak,
      false,
    );
    assert.equal(
      judgeTrend(
        samplesOf((atS) => 100 + atS / 100),
        "heldMb",
      ).isLeak,
      true,
    );
  });
});
