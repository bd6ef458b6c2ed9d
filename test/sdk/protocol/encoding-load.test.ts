import assert from "node:assert/strict";
import { encodingLoad, speedOf } from "@leat/sdk/protocol/encoding-load.ts";
import { ladderPixels, measuredSpeeds as speeds } from "../../support/measured-speeds.ts";

describe("load of an encoding", () => {
  it("is of H.264 what it is, and of other codecs as much more as their encoder is slower", () => {
    const counts = (["h264", "vp9", "hevc", "av1"] as const).map((codec) => encodingLoad(speeds, codec, ladderPixels));
    assert.deepEqual(counts, [9_979_200, 14_134_077, 22_347_039, 27_249_361]);
    for (const codec of ["vp9", "av1", "hevc"] as const) {
      const slower = speedOf(speeds, "h264")! / speedOf(speeds, codec)!;
      assert.ok(slower > 1, codec);
      assert.equal(encodingLoad(speeds, codec, ladderPixels), Math.ceil(ladderPixels * slower));
    }
  });

  it("is the same share of the time whatever encodes it", () => {
    for (const { codec, pixelsPerSecond } of speeds) {
      // What the encoder makes in a second is what H.264's makes in one.
      assert.equal(encodingLoad(speeds, codec, pixelsPerSecond), speedOf(speeds, "h264"));
    }
  });

  it("is measured against the fastest where a node has no H.264, and is what it is where nothing was measured", () => {
    const some = [
      { codec: "vp9", pixelsPerSecond: 40 },
      { codec: "av1", pixelsPerSecond: 10 },
    ] as const;
    assert.deepEqual([encodingLoad(some, "vp9", 7), encodingLoad(some, "av1", 7)], [7, 28]);
    assert.deepEqual([encodingLoad([], "vp9", 7), encodingLoad(some, "hevc", 7)], [7, 7]);
    assert.equal(encodingLoad([{ codec: "vp9", pixelsPerSecond: 0 }], "vp9", 7), 7);
  });

  it("is less where a chip does it faster than software does H.264", () => {
    const chip = [
      { codec: "h264", pixelsPerSecond: 100 },
      { codec: "hevc", pixelsPerSecond: 400 },
    ] as const;
    assert.equal(encodingLoad(chip, "hevc", 100), 25);
  });
});
