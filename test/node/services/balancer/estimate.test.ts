import assert from "node:assert/strict";
import { estimateCost, findWarnings } from "@leat/node/services/balancer/estimate.ts";

const rung = { name: "480p", codec: "h264" as const, height: 480, videoBitrate: 1_000_000, audioBitrate: 128_000 };
const exact = (digits: number) => 10n ** BigInt(30 - digits);
const retail = {
  ingestMs: 5n * exact(10),
  pixelH264: 2n * exact(12),
  pixelVp9: 4n * exact(12),
  deliveredByte: 3n * exact(11),
};

describe("estimate of a stream's cost", () => {
  it("counts ingest, the pixels of each rung, and delivery up to its budget", () => {
    const vp9 = { ...rung, name: "240p-vp9", codec: "vp9" as const, height: 240, fps: 15 };
    const found = estimateCost({ ladder: [rung, vp9], passthrough: false }, retail, 2_000_000_000n);
    const [h264Pixels, vp9Pixels] = [12_288_000n, 1_536_000n];
    assert.deepEqual(found, {
      ingestPerMinuteExact: 60_000n * 5n * exact(10),
      transcodePerMinuteExact: 60n * (h264Pixels * 2n + vp9Pixels * 4n) * exact(12),
      deliveryPerGigabyteExact: 3n * exact(2),
      deliveryMostExact: 6n * exact(2),
    });
    const alone = estimateCost({ ladder: [], passthrough: true }, { ingestMs: 1n, deliveredByte: 1n }, 0n);
    assert.deepEqual([alone.transcodePerMinuteExact, alone.deliveryMostExact], [0n, 0n]);
  });

  it("warns of a region where nobody is, and of a budget that the reserve does not cover", () => {
    const facts = { region: "eu", regions: ["us", "eu", "eu"], budgetExact: 5n, reserveExact: 5n, hasAgent: true };
    assert.deepEqual(findWarnings(facts), []);
    assert.deepEqual(findWarnings({ ...facts, hasAgent: false }), [{ code: "STREAM_AGENT_ABSENT" }]);
    assert.deepEqual(findWarnings({ ...facts, region: undefined }), []);
    assert.deepEqual(findWarnings({ ...facts, region: "mars", budgetExact: 6n }), [
      { code: "STREAM_REGION_EMPTY", region: "mars", regions: ["eu", "us"] },
      { code: "STREAM_BUDGET_ABOVE_RESERVE", budgetExact: 6n, reserveExact: 5n },
    ]);
  });
});
