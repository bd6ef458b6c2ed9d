import assert from "node:assert/strict";
import { describeAv1, findSequenceHeader, readTemporalUnit } from "@leat/sdk/protocol/bitstream/av1.ts";
import { hasIrap, parseHevcConfiguration } from "@leat/sdk/protocol/bitstream/hevc.ts";
import { joinNals, splitNals } from "@leat/sdk/protocol/bitstream/nal.ts";
import { joinObus, obuTypes, splitObus } from "@leat/sdk/protocol/bitstream/obu.ts";
import { opusPacketSamples, parseOpusHead } from "@leat/sdk/protocol/bitstream/opus.ts";
import { findVp9Key, parseVp9Configuration } from "@leat/sdk/protocol/bitstream/vp9.ts";
import { encodeFragmented } from "../../../support/media/ffmpeg.ts";
import { readTrack } from "../../../support/media/mp4-reader.ts";

const x265 = ["-c:v", "libx265", "-preset", "ultrafast", "-tag:v", "hvc1", "-x265-params", "log-level=none:keyint=10"];
const aom = ["-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime", "-g", "3", "-strict", "experimental"];
const svt = ["-c:v", "libsvtav1", "-preset", "12", "-g", "5"];
const vp9 = ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "5"];

const pictures = (size: string, count: number) => [
  "-f",
  "lavfi",
  "-i",
  `testsrc2=size=${size}:rate=25:duration=${count / 25}`,
];

describe("bitstream of the newer codecs", function () {
  this.timeout(30_000);

  for (const [size, format, chromaFormat, bitDepth, codecString] of [
    ["374x666", "yuv420p", 1, 8, /^hvc1\.1\.6\.L\d+\.90$/],
    ["320x180", "yuv420p10le", 1, 10, /^hvc1\.2\.4\.L\d+\.90$/],
    ["162x98", "yuv422p10le", 2, 10, /^hvc1\.4\.10\.L\d+\.9D(\.\w\w)*$/],
    ["162x98", "yuv444p", 3, 8, /^hvc1\.4\.10\.L\d+\.9E(\.\w\w)*$/],
    ["162x98", "gray", 0, 8, /^hvc1\.4\.10\.L\d+\.9F(\.\w\w)*$/],
  ] as const) {
    it(`reads the parameter sets of HEVC at ${size}, ${format}`, async () => {
      const { config, frames } = readTrack(
        await encodeFragmented(pictures(size, 20), [...x265, "-pix_fmt", format, "-bf", "2"]),
      );
      const read = parseHevcConfiguration(config.description);
      const { facts } = read;
      assert.deepEqual(
        [`${facts.width}x${facts.height}`, facts.chromaFormat, facts.bitDepth],
        [size, chromaFormat, bitDepth],
      );
      assert.match(read.codecString, codecString);
      assert.deepEqual(read.description, config.description);
      assert.ok(frames.filter(({ key }) => key).length >= 2);
      for (const frame of frames) {
        const nals = splitNals(frame.data, read.lengthSize);
        assert.equal(hasIrap(nals), frame.key);
        assert.deepEqual(joinNals(nals), frame.data);
      }
    });
  }

  it("takes the pictures of HEVC at which decoding can begin for key frames: BLA, IDR, CRA", () => {
    const types = [1, 15, 16, 19, 21, 22, 32];
    assert.deepEqual(
      types.filter((type) => hasIrap([Uint8Array.of(type << 1, 1)])),
      [16, 19, 21],
    );
  });

  for (const [size, output, codecString, count] of [
    ["374x666", [...svt, "-pix_fmt", "yuv420p"], /^av01\.0\.\d\dM\.08$/, 12],
    ["320x180", [...svt, "-pix_fmt", "yuv420p10le"], /^av01\.0\.\d\dM\.10$/, 12],
    ["66x34", [...aom, "-pix_fmt", "yuv420p"], /^av01\.0\.00M\.08$/, 7],
    ["66x34", [...aom, "-pix_fmt", "yuv444p"], /^av01\.1\.00M\.08$/, 4],
    ["66x34", [...aom, "-pix_fmt", "yuv422p10le"], /^av01\.2\.00M\.10$/, 4],
    ["66x34", [...aom, "-pix_fmt", "yuv420p12le"], /^av01\.2\.00M\.12$/, 4],
    ["66x34", [...aom, "-pix_fmt", "gray"], /^av01\.0\.00M\.08$/, 4],
  ] as const) {
    it(`reads the sequence header of AV1 at ${size}, ${output.slice(1, 2)} ${output.at(-1)}`, async () => {
      const { config, frames } = readTrack(await encodeFragmented(pictures(size, count), [...output]));
      const header = findSequenceHeader(config.description)!;
      const { facts, description, codecString: found } = describeAv1(header);
      assert.equal(`${facts.width}x${facts.height}`, size);
      assert.match(found, codecString);
      // As FFmpeg describes it. The delay before the first picture, its last byte, is no one's need here.
      const same = (record: Uint8Array) => [...record.subarray(0, 3), ...record.subarray(4)];
      assert.deepEqual(same(description), same(config.description));
      assert.ok(frames.some(({ key }) => !key));
      for (const frame of frames) {
        const unit = readTemporalUnit(frame.data, facts.isReduced);
        assert.equal(unit.key, frame.key);
        assert.deepEqual(unit.data, frame.data);
      }
    });
  }

  it("takes delimiters and padding out of AV1, and gives every unit its size", () => {
    const header = { type: obuTypes.sequenceHeader, extension: undefined, payload: Uint8Array.of(1, 2, 3) };
    const frame = { type: obuTypes.frame, extension: 0x20, payload: new Uint8Array(300).fill(0x10) };
    const wanted = joinObus([header, frame]);
    const withoutSize = Uint8Array.of((obuTypes.frame << 3) | 4, 0x20, ...frame.payload);
    const padded = [0x12, 0, ...joinObus([header]), (obuTypes.padding << 3) | 2, 2, 7, 7, ...withoutSize];
    const unit = readTemporalUnit(Uint8Array.from(padded), false);
    assert.deepEqual(unit.data, wanted);
    assert.equal(unit.key, true);
    assert.deepEqual(splitObus(wanted), [header, frame]);
    assert.throws(() => splitObus(Uint8Array.of(0x32, 0x05, 1)), { code: "BITSTREAM_TRUNCATED" });
    assert.throws(() => splitObus(Uint8Array.of(0x32, ...Array<number>(9).fill(0x80))), { code: "BITSTREAM_INVALID" });
    // An empty unit is two bytes: a message of them must not become as many objects.
    const flood = new Uint8Array(2_000_000).map((_, index) => (index % 2 === 0 ? 0x7a : 0));
    assert.throws(() => splitObus(flood), { code: "BITSTREAM_INVALID" });
    const nals = new Uint8Array(2_000_000).map((_, index) => (index % 5 === 3 ? 1 : 0));
    assert.throws(() => splitNals(nals), { code: "BITSTREAM_INVALID" });
  });

  it("reads the configuration of VP9, and its key frames", async () => {
    const { config, frames } = readTrack(
      await encodeFragmented(pictures("374x666", 12), [...vp9, "-pix_fmt", "yuv420p"]),
    );
    assert.deepEqual(parseVp9Configuration(config.description).description, config.description);
    assert.deepEqual(parseVp9Configuration(config.description.subarray(4)).description, config.description);
    assert.match(parseVp9Configuration(config.description).codecString, /^vp09\.00\.\d\d\.08$/);
    for (const { key, data } of frames) {
      const found = findVp9Key(data);
      assert.deepEqual(found && [found.width, found.height], key ? [374, 666] : undefined);
    }
    assert.throws(() => parseVp9Configuration(Uint8Array.of(0, 10, 0x92, 2, 2, 2, 0, 0)), {
      code: "BITSTREAM_INVALID",
    });
    assert.throws(() => parseVp9Configuration(Uint8Array.of(0, 10, 0x82, 2)), { code: "BITSTREAM_TRUNCATED" });
  });

  it("knows how long an Opus packet sounds", () => {
    const cases = [
      [[0x00], 480],
      [[0x18], 2_880],
      [[0x60], 480],
      [[0x78], 960],
      [[0x80], 120],
      [[0xf8], 960],
      [[0xf9], 1_920],
      [[0xfa, 1], 1_920],
      [[0xfb, 6], 5_760],
      [[0xfb, 7], undefined],
      [[0xfb, 0], undefined],
      [[0xfb], undefined],
      [[], undefined],
    ] as const;
    for (const [bytes, samples] of cases) assert.equal(opusPacketSamples(Uint8Array.from(bytes)), samples, `${bytes}`);
  });

  it("reads the head of Opus with eight channels, and refuses places that are none", () => {
    const fields = [1, 8, 0x38, 1, 0x80, 0xbb, 0, 0, 0xff, 0xff, 1];
    const table = [5, 3, 0, 6, 1, 2, 3, 4, 5, 7];
    const head = (...tail: number[]) => Uint8Array.from([...Buffer.from("OpusHead"), ...fields, ...tail]);
    const { channels, description } = parseOpusHead(head(...table));
    assert.equal(channels, 8);
    assert.deepEqual([...description], [0, 8, 1, 0x38, 0, 0, 0xbb, 0x80, 0xff, 0xff, 1, ...table]);
    assert.throws(() => parseOpusHead(head(5, 3, 0, 6, 1, 2, 3, 4, 5, 8)), { code: "BITSTREAM_INVALID" });
    assert.throws(() => parseOpusHead(head(3, 4, 0, 1, 2, 3, 4, 5, 6, 6)), { code: "BITSTREAM_INVALID" });
    assert.throws(() => parseOpusHead(head(...table.slice(1))), { code: "BITSTREAM_TRUNCATED" });
    const nine = head(...table);
    nine[9] = 9;
    assert.throws(() => parseOpusHead(nine), { code: "BITSTREAM_UNSUPPORTED" });
  });
});
