import assert from "node:assert/strict";
import { parseAudioSpecificConfig } from "@leat/sdk/protocol/bitstream/aac.ts";
import { BitstreamError } from "@leat/sdk/protocol/bitstream/bit-reader.ts";
import { hasIdr, parseAvcConfiguration, parseSps } from "@leat/sdk/protocol/bitstream/h264.ts";
import { joinNals, splitNals } from "@leat/sdk/protocol/bitstream/nal.ts";
import { parseVp8Header } from "@leat/sdk/protocol/bitstream/vp8.ts";
import { parseVp9Header, splitSuperframe } from "@leat/sdk/protocol/bitstream/vp9.ts";
import fc from "fast-check";
import { encodeFragmented } from "../../../support/media/ffmpeg.ts";
import { encodeVp8 } from "../../../support/media/ivf.ts";
import { readTrack } from "../../../support/media/mp4-reader.ts";

const x264 = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "10"];
const vp9 = ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "10"];

function pictures(size: string): string[] {
  return ["-f", "lavfi", "-i", `testsrc2=size=${size}:rate=25:duration=1`];
}

describe("bitstream", () => {
  for (const [size, output, chromaFormat, bitDepth] of [
    ["374x666", [...x264, "-pix_fmt", "yuv420p"], 1, 8],
    ["128x72", [...x264, "-pix_fmt", "yuv420p", "-profile:v", "baseline"], 1, 8],
    ["1280x720", [...x264, "-pix_fmt", "yuv422p"], 2, 8],
    ["162x98", [...x264, "-pix_fmt", "yuv444p"], 3, 8],
    ["320x180", [...x264, "-pix_fmt", "yuv420p10le"], 1, 10],
    ["640x360", [...x264, "-pix_fmt", "yuv420p", "-flags", "+ildct+ilme"], 1, 8],
  ] as const) {
    it(`reads the parameter sets of H.264 at ${size}, ${output.slice(6).join(" ")}`, async () => {
      const { config, frames } = readTrack(await encodeFragmented(pictures(size), [...output]));
      const { facts, codecString, lengthSize } = parseAvcConfiguration(config.description);
      assert.deepEqual(
        [`${facts.width}x${facts.height}`, facts.chromaFormat, facts.bitDepth],
        [size, chromaFormat, bitDepth],
      );
      assert.equal(codecString, config.codecString);
      assert.equal(lengthSize, 4);
      for (const frame of frames) {
        const nals = splitNals(frame.data);
        assert.equal(hasIdr(nals), frame.key);
        assert.deepEqual(joinNals(nals), frame.data);
      }
    });
  }

  for (const [size, output, profile, is420] of [
    ["374x666", [...vp9, "-pix_fmt", "yuv420p"], 0, true],
    ["160x90", [...vp9, "-pix_fmt", "yuv444p"], 1, false],
    [
      "160x90",
      [...vp9, "-pix_fmt", "yuv420p", "-deadline", "good", "-lag-in-frames", "16", "-auto-alt-ref", "1"],
      0,
      true,
    ],
  ] as const) {
    it(`reads the headers of VP9 at ${size}, ${output.slice(8).join(" ")}`, async () => {
      const { frames } = readTrack(await encodeFragmented(pictures(size), [...output]));
      for (const frame of frames) {
        const headers = splitSuperframe(frame.data).map(parseVp9Header);
        assert.equal(headers.filter((header) => header.shown).length, 1);
        assert.equal(
          headers.some((header) => header.key),
          frame.key,
        );
        for (const header of headers) {
          assert.equal(header.profile, profile);
          if (header.key)
            assert.deepEqual([`${header.width}x${header.height}`, header.is420, header.bitDepth], [size, is420, 8]);
        }
      }
    });
  }

  it("reads the headers of VP8, whose size stands in key frames alone", async () => {
    const { frames } = await encodeVp8(pictures("374x666"), 25, 10);
    const headers = frames.map(({ data }) => parseVp8Header(data));
    assert.deepEqual(
      headers.flatMap(({ key }, at) => (key ? [at] : [])),
      [0, 10, 20],
    );
    for (const { key, shown, size } of headers) {
      assert.deepEqual([shown, size], [true, key ? { width: 374, height: 666 } : undefined]);
    }
  });

  it("reads audio configurations", () => {
    assert.deepEqual(parseAudioSpecificConfig(Uint8Array.of(0x12, 0x10)), {
      objectType: 2,
      sampleRate: 44_100,
      channels: 2,
      codecString: "mp4a.40.2",
    });
    assert.throws(() => parseAudioSpecificConfig(Uint8Array.of(0x12, 0x00)), { code: "BITSTREAM_UNSUPPORTED" });
  });

  it("meets random bytes with a coded error or facts", async () => {
    const { config } = readTrack(await encodeFragmented(pictures("64x64"), x264));
    const parsers = [
      parseAvcConfiguration,
      parseAudioSpecificConfig,
      parseVp8Header,
      (bytes: Uint8Array) => parseVp8Header(Uint8Array.of(0x10, 0, 0, 0x9d, 0x01, 0x2a, ...bytes)),
      parseVp9Header,
      splitSuperframe,
      splitNals,
      (bytes: Uint8Array) => parseSps(Uint8Array.of(0x67, ...bytes)),
      (bytes: Uint8Array) => {
        const record = Uint8Array.from(config.description);
        for (const [index, byte] of bytes.entries())
          if (index % 2 === 1) record[bytes[index - 1]! % record.length] = byte;
        parseAvcConfiguration(record);
      },
    ];
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
        for (const parse of parsers) {
          try {
            parse(bytes);
          } catch (error) {
            assert.ok(error instanceof BitstreamError);
          }
        }
      }),
      { numRuns: 3000 },
    );
  });
});
