import assert from "node:assert/strict";
import { planRenditions } from "@leat/node/services/balancer/renditions.ts";
import { parseLadder } from "@leat/transcoder/ladder.ts";

describe("the renditions of a source", () => {
  const ladder = parseLadder([
    { name: "small", codec: "av1", height: 240, videoBitrate: 100_000, audioBitrate: 64_000 },
  ]);
  const tiny = { video: { codec: "vp9", codecString: "vp09.00.10.08", width: 32, height: 16, fps: 30 } } as const;

  it("are the source alone where every rung is too small for its encoder and the source is wanted", () => {
    const { renditions, families } = planRenditions({ ladder, passthrough: true }, tiny);
    assert.deepEqual(
      renditions.map(({ name, width, height }) => ({ name, width, height })),
      [{ name: "source", width: 32, height: 16 }],
    );
    assert.equal(families.size, 0);
  });

  it("are the ladder's alone of VP8, and none where it has no rung for it: that is said by code", () => {
    const vp8 = { video: { codec: "vp8", codecString: "vp8", width: 640, height: 360 } } as const;
    const { renditions } = planRenditions({ ladder, passthrough: true }, vp8);
    assert.deepEqual(
      renditions.map(({ name }) => name),
      ["small"],
    );
    assert.throws(() => planRenditions({ ladder: [], passthrough: true }, vp8), { code: "STREAM_LADDER_MISSING" });
    const small = { video: { ...vp8.video, width: 32, height: 16 } };
    assert.throws(() => planRenditions({ ladder, passthrough: true }, small), { code: "LADDER_RUNGS_TOO_SMALL" });
  });

  it("are none where the source is not wanted: that is said by code", () => {
    assert.throws(() => planRenditions({ ladder, passthrough: false }, tiny), { code: "LADDER_RUNGS_TOO_SMALL" });
  });
});
