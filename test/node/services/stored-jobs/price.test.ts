import assert from "node:assert/strict";
import { pixelCost, priceJob } from "@leat/node/services/stored-jobs/price.ts";

const rung = { name: "360p", codec: "h264", height: 360, videoBitrate: 500_000, audioBitrate: 64_000 } as const;
const source = { width: 1280, height: 720, fps: 30, seconds: 1 };

describe("price of a stored job", () => {
  it("is that of every pixel that the declared source can give", () => {
    const { pixels, costExact } = priceJob(source, [rung], { pixelH264: 3n });
    assert.equal(pixels, 31n * 230_400n);
    assert.equal(costExact, 3n * pixels);
  });

  it("takes a rung's own frame rate, and no rung twice", () => {
    const twin = { ...rung, name: "twin" };
    const slow = { ...rung, name: "slow", fps: 10 };
    const { pixels } = priceJob(source, [rung, twin, slow], { pixelH264: 1n });
    assert.equal(pixels, (31n + 11n) * 230_400n);
  });

  it("has none where a codec is not for sale", () => {
    const vp9 = { ...rung, name: "vp9", codec: "vp9" } as const;
    assert.throws(() => priceJob(source, [rung, vp9], { pixelH264: 1n }), { code: "STORED_JOB_CODEC_UNSOLD" });
    assert.throws(() => pixelCost("theora", 1n, { pixelH264: 1n }), { code: "STORED_JOB_CODEC_UNSOLD" });
  });
});
