import assert from "node:assert/strict";
import { vp9Level } from "@leat/sdk/protocol/vp9-level.ts";

describe("vp9 level", () => {
  it("takes the lowest level that holds size and speed", () => {
    const cases = [
      [256, 144, 15, 10],
      [426, 240, 30, 20],
      [640, 360, 30, 21],
      [854, 480, 30, 30],
      [1280, 720, 30, 31],
      [1920, 1080, 30, 40],
      [1920, 1080, 60, 41],
      [3840, 2160, 60, 51],
      [3840, 2160, 120, 52],
      [7680, 4320, 60, 61],
      [16_384, 16_384, 120, 62],
    ] as const;
    for (const [width, height, fps, level] of cases) assert.equal(vp9Level(width, height, fps), level);
  });
});
