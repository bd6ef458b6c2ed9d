import assert from "node:assert/strict";
import { describeVp9, readVp9KeyFrame } from "@leat/transcoder/bitstream/vp9.ts";

/** Head of a key frame that libvpx wrote for 640x360. */
const KEY_FRAME = Buffer.from("824983420027f0167600", "hex");

describe("transcoder/bitstream/vp9", () => {
  it("reads size, depth and sampling from a key frame", () => {
    const { profile, bitDepth, chroma, width, height } = readVp9KeyFrame(KEY_FRAME);
    assert.deepEqual(
      { profile, bitDepth, chroma, width, height },
      { profile: 0, bitDepth: 8, chroma: 1, width: 640, height: 360 },
    );
  });

  it("names the codec after what the bitstream says", () => {
    const { codecString, description } = describeVp9(KEY_FRAME, 30);
    assert.equal(codecString, "vp09.00.21.08");
    assert.equal(Buffer.from(description).toString("hex").slice(0, 14), "01000000001582");
  });

  it("refuses what is no key frame", () => {
    for (const bytes of [[], [0], [0x86, 0, 0], [0x82, 1, 2, 3, 4, 5, 6]]) {
      assert.throws(() => readVp9KeyFrame(Uint8Array.from(bytes)), { code: "TRANSCODE_BITSTREAM_INVALID" });
    }
  });
});
