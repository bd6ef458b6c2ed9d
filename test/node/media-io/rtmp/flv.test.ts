import assert from "node:assert/strict";
import { RtmpError } from "@leat/node/media-io/rtmp/errors.ts";
import { FlvDemuxer } from "@leat/node/media-io/rtmp/flv.ts";
import { BitstreamError } from "@leat/sdk/protocol/bitstream/bit-reader.ts";
import fc from "fast-check";

/** 64x64, baseline. */
const sps = [0x67, 0x42, 0xc0, 0x0a, 0xda, 0x10, 0x99];
const pps = [0x68, 0xce, 0x0f, 0xc8];

function configuration(lengthSize: number): Uint8Array {
  const sets = [0xe1, 0, sps.length, ...sps, 1, 0, pps.length, ...pps];
  return Uint8Array.of(0x17, 0, 0, 0, 0, 1, 0x42, 0xc0, 0x0a, 0xfc | (lengthSize - 1), ...sets);
}

function demuxer(lengthSize = 4): FlvDemuxer {
  const made = new FlvDemuxer();
  const [item] = made.video(0, configuration(lengthSize));
  assert.equal(item?.type === "config" && item.config.kind === "video" && item.config.description[4], 0xff);
  return made;
}

describe("flv", () => {
  it("reads composition times as signed 24 bits, and tells an IDR from a recovery point", () => {
    const cases = [
      [[0xff, 0xff, 0xd8], 0x65, -40, true],
      [[0, 0, 80], 0x41, 80, false],
    ] as const;
    for (const [cts, nal, ctsMs, key] of cases) {
      // FLV's own key flag is set on both.
      const items = demuxer().video(1000, Uint8Array.of(0x17, 1, ...cts, 0, 0, 0, 2, nal, 0x80));
      const sample = { dtsMs: 1000, ctsMs, key, data: Uint8Array.of(0, 0, 0, 2, nal, 0x80) };
      assert.deepEqual(items, [{ type: "video", sample }]);
    }
  });

  it("makes all NAL lengths four bytes", () => {
    const [item] = demuxer(2).video(0, Uint8Array.of(0x27, 1, 0, 0, 0, 0, 2, 0x41, 7, 0, 1, 0x41));
    assert.deepEqual(item?.type === "video" && item.sample.data, Uint8Array.of(0, 0, 0, 2, 0x41, 7, 0, 0, 0, 1, 0x41));
  });

  it("leaves out frames whose lengths are wrong, and media before its configuration", () => {
    const made = demuxer();
    assert.deepEqual(made.video(0, Uint8Array.of(0x27, 1, 0, 0, 0, 0, 0, 0, 9, 0x41)), []);
    assert.equal(made.malformed, 1);
    assert.deepEqual(new FlvDemuxer().video(0, Uint8Array.of(0x17, 1, 0, 0, 0, 0, 0, 0, 1, 0x65)), []);
    assert.deepEqual(new FlvDemuxer().audio(0, Uint8Array.of(0xaf, 1, 1, 2)), []);
  });

  it("refuses other codecs by name", () => {
    const refused = (run: () => unknown, found: string) => {
      assert.throws(
        run,
        (error) => error instanceof RtmpError && "found" in error.detail && error.detail.found === found,
      );
    };
    refused(() => new FlvDemuxer().video(0, Uint8Array.of(0x90, 0x76, 0x76, 0x63, 0x31)), "vvc1");
    refused(() => new FlvDemuxer().video(0, Uint8Array.of(0x12, 0)), "flv codec 2");
    refused(() => new FlvDemuxer().audio(0, Uint8Array.of(0x2f, 0)), "mp3");
  });

  it("meets any bytes with an item, nothing or a coded error", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (bytes, video) => {
        const made = demuxer();
        try {
          if (video) made.video(0, bytes);
          else made.audio(0, bytes);
        } catch (error) {
          assert.ok(error instanceof RtmpError || error instanceof BitstreamError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
