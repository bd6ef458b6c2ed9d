import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { initSegment } from "@leat/node/media/mp4/init.ts";
import { type Part, SegmentPackager } from "@leat/node/media/packager.ts";
import { concatBytes } from "@leat/sdk/base/bytes.ts";
import type { AudioConfig, Frame, TrackConfig } from "@leat/sdk/protocol/frame.ts";
import { insertCaptions } from "@leat/transcoder/bitstream/captions.ts";
import { joinLengthPrefixed } from "@leat/transcoder/bitstream/h264.ts";
import fc from "fast-check";
import { decodeFrames, encodeFragmented, probePackets } from "../../support/media/ffmpeg.ts";
import { readBoxes, readTrack } from "../../support/media/mp4-reader.ts";

const pattern = ["-f", "lavfi", "-i", "testsrc2=size=160x120:rate=30:duration=5"];
const tone = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=3"];

const cases = [
  { name: "h264 with B-frames", input: pattern, output: ["-c:v", "libx264", "-g", "60", "-bf", "3"] },
  {
    name: "vp9",
    input: pattern,
    output: ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "60"],
  },
  { name: "hevc", input: pattern, output: ["-c:v", "libx265", "-tag:v", "hvc1", "-x265-params", "log-level=error"] },
  { name: "aac", input: tone, output: ["-c:a", "aac", "-ac", "2"] },
  { name: "opus", input: tone, output: ["-c:a", "libopus", "-ac", "2", "-strict", "-2"] },
];

function packAll(config: TrackConfig, frames: readonly Frame[]): { file: Uint8Array; parts: Part[] } {
  const parts: Part[] = [];
  let sequence = -1;
  let packager: SegmentPackager | undefined;
  const keep = (part: Part | undefined) => {
    if (part !== undefined) parts.push(part);
  };
  for (const [index, frame] of frames.entries()) {
    if (index === 0 || (config.kind === "video" ? frame.key : index % 94 === 0)) {
      keep(packager?.finish());
      sequence += 1;
      packager = new SegmentPackager({ config, sequence });
    }
    keep(packager!.push(frame));
  }
  keep(packager?.finish());
  return { file: concatBytes([initSegment(config), ...parts.map((part) => part.bytes)]), parts };
}

/** Bytes of an `emsg`, field by field. */
function readEvent(body: Uint8Array) {
  const bytes = Buffer.from(body);
  const [scheme = "", value = ""] = bytes.toString("latin1", 24).split("\0");
  return {
    version: bytes[0],
    timescale: bytes.readUInt32BE(4),
    time: Number(bytes.readBigUInt64BE(8)),
    duration: bytes.readUInt32BE(16),
    number: bytes.readUInt32BE(20),
    scheme,
    value,
    tag: bytes.subarray(24 + scheme.length + value.length + 2),
  };
}

describe("packager", () => {
  it("puts what sound says of times before the part that it goes with, the same on every node", () => {
    const shape = { sampleRate: 48_000, channels: 2, description: Uint8Array.of(0x11, 0x90) };
    const config = { kind: "audio", codec: "aac", timescale: 48_000, ...shape } as AudioConfig;
    const frames = Array.from({ length: 24 }, (_, index): Frame => {
      const times = { dts: index * 1_024, pts: index * 1_024, duration: 1_024 };
      return {
        kind: "audio",
        epoch: 0,
        ...times,
        key: true,
        configVersion: 0,
        arrivalMs: 0,
        data: Buffer.alloc(9, index),
      };
    });
    const tags = [
      { pts: 13_000, tag: Buffer.from("ID3 one") },
      { pts: 2 ** 32 + 7, tag: Buffer.from("ID3 two") },
    ];
    const tagged = frames.map((frame, index) => (index === 12 ? { ...frame, tags } : frame));
    const [plain, some, again] = [frames, tagged, tagged].map((all) => packAll(config, all).parts);
    assert.deepEqual(again, some);
    assert.deepEqual([some!.length, some![0]], [3, plain![0]]);
    const [part, without] = [some![1]!, plain![1]!];
    const boxes = readBoxes(part.bytes);
    assert.deepEqual(
      boxes.map(({ type }) => type),
      ["emsg", "emsg", "moof", "mdat"],
    );
    assert.deepEqual(Buffer.from(part.bytes.subarray(boxes[2]!.start)), Buffer.from(without.bytes));
    assert.equal(part.headSizeBytes - without.headSizeBytes, boxes[2]!.start);
    const common = { version: 1, timescale: 48_000, duration: 0xffff_ffff, value: "" };
    const scheme = "https://aomedia.org/emsg/ID3";
    assert.deepEqual(
      boxes.slice(0, 2).map(({ body }) => readEvent(body)),
      [
        { ...common, time: 13_000, number: 13_000, scheme, tag: tags[0]!.tag },
        { ...common, time: 2 ** 32 + 7, number: 7, scheme, tag: tags[1]!.tag },
      ],
    );
  });

  for (const { name, input, output } of cases) {
    it(`packs ${name} so that the ffmpeg programs read the same packets and decode the same frames`, async () => {
      const made = await encodeFragmented(input, output);
      const { config, frames } = readTrack(made);
      const { file, parts } = packAll(config, frames);
      const packets = await probePackets(file);
      assert.deepEqual(
        packets.map((packet) => [Math.round(packet.pts * config.timescale), Math.round(packet.dts * config.timescale)]),
        frames.map((frame) => [frame.pts, frame.dts]),
      );
      if (config.kind === "video") {
        assert.deepEqual(
          packets.map((packet) => packet.key),
          frames.map((frame) => frame.key),
        );
      }
      const [ours, theirs] = await Promise.all([decodeFrames(file), decodeFrames(made)]);
      assert.equal(ours.complaints, "");
      assert.ok(ours.checksums.length > 0);
      if (config.kind === "video") {
        assert.deepEqual(ours.checksums, theirs.checksums);
        assert.equal(
          parts.reduce((sum, part) => sum + part.pixels, 0),
          frames.length * 160 * 120,
        );
      }
      assert.deepEqual(
        readTrack(file).frames,
        frames.map((frame) => ({ ...frame, key: readKey(config, frame) })),
      );
    });
  }

  it("packs the same frames into the same bytes", async () => {
    const { config, frames } = readTrack(await encodeFragmented(pattern, ["-c:v", "libx264", "-g", "60"]));
    const hash = () => createHash("sha256").update(packAll(config, frames).file).digest("hex");
    assert.equal(hash(), hash());
  });

  for (const [rate, ticks, fits] of [
    [24, 3750, true],
    [25, 3600, true],
    [30, 3000, true],
    [60, 1500, true],
    [120, 750, true],
    [5, 18000, false],
    [0.5, 180_000, false],
  ] as const) {
    it(`cuts parts at ${rate} frames a second that ${fits ? "obey" : "do not obey"} the part target`, () => {
      const packager = new SegmentPackager({ config: videoConfig(), sequence: 0 });
      const parts: Part[] = [];
      for (let index = 0; index < rate * 4; index += 1) {
        const part = packager.push(makeFrame({ dts: index * ticks, duration: ticks, key: index === 0 }));
        if (part !== undefined) parts.push(part);
      }
      const last = packager.finish();
      if (last !== undefined) parts.push(last);
      assert.equal(packager.totals.partsFit, fits);
      assert.equal(packager.totals.frames, rate * 4);
      assert.equal(packager.totals.durationTicks, rate * 4 * ticks);
      if (!fits) return;
      for (const part of parts) assert.ok(part.durationTicks <= 22_500);
      for (const part of parts.slice(1, -1)) assert.ok(part.durationTicks >= 22_500 * 0.85);
    });
  }

  it("loses no frame and no tick for any frame times", () => {
    const steps = fc.array(fc.record({ step: fc.integer({ min: 1, max: 200_000 }), offset: fc.nat(90_000) }), {
      minLength: 1,
      maxLength: 80,
    });
    fc.assert(
      fc.property(steps, fc.nat(2 ** 32), (items, start) => {
        const frames: Frame[] = [];
        let dts = start;
        for (const { step, offset } of items) {
          frames.push(makeFrame({ dts, pts: dts + offset, duration: step, key: frames.length === 0 }));
          dts += step;
        }
        const packager = new SegmentPackager({ config: videoConfig(), sequence: 7 });
        const parts = frames.map((frame) => packager.push(frame));
        parts.push(packager.finish());
        const pieces = parts.filter((part) => part !== undefined);
        assert.deepEqual(
          pieces.map((part) => part.index),
          pieces.map((_, index) => index),
        );
        const file = concatBytes([initSegment(videoConfig()), ...pieces.map((part) => part.bytes)]);
        assert.deepEqual(readTrack(file).frames, frames);
        assert.equal(packager.totals.durationTicks, dts - start);
      }),
    );
  });

  it("refuses frames that go back, jump beyond a field or change epoch", () => {
    const refuse = (code: string, ...frames: Frame[]) => {
      const packager = new SegmentPackager({ config: videoConfig(), sequence: 0 });
      assert.throws(() => frames.map((frame) => packager.push(frame)), { code });
    };
    refuse("PACKAGER_FRAME_TIME", makeFrame({ dts: 10 }), makeFrame({ dts: 10 }));
    refuse("PACKAGER_FRAME_TIME", makeFrame({ dts: -1 }));
    refuse("PACKAGER_FRAME_TIME", makeFrame({ dts: 1.5 }));
    refuse("PACKAGER_FRAME_TIME", makeFrame({ dts: 1 }), makeFrame({ dts: 2 ** 33 }));
    refuse("PACKAGER_FRAME_EPOCH", makeFrame({ dts: 1 }), makeFrame({ dts: 2, epoch: 1 }));
    refuse("PACKAGER_FRAME_KIND", makeFrame({ kind: "audio" }));
  });

  it("writes an init segment of ftyp and moov alone", () => {
    assert.deepEqual(
      readBoxes(initSegment(videoConfig())).map((box) => box.type),
      ["ftyp", "moov"],
    );
  });

  it("tells the parts that have a picture with captions that say something", () => {
    const picture = joinLengthPrefixed([Uint8Array.of(0x65, 1, 2, 3)]);
    const caption = (first: number, second: number) =>
      Uint8Array.of(0xb5, 0, 0x31, ...Buffer.from("GA94"), 3, 0x41, 0xff, 0xfc, first, second);
    const [empty, spoken] = [caption(0x80, 0x80), caption(0x94, 0x20)];
    const says = [undefined, empty, undefined, spoken, undefined, undefined];
    const packager = new SegmentPackager({
      config: videoConfig(),
      sequence: 0,
      partTargetTicks: 6_000,
      findsCaptions: true,
    });
    const parts: (Part | undefined)[] = says.map((said, at) => {
      const data = said === undefined ? picture : insertCaptions(picture, [said]);
      return packager.push({ ...makeFrame({ dts: at * 3_000, duration: 3_000, key: at === 0 }), data });
    });
    parts.push(packager.finish());
    assert.deepEqual(
      parts.flatMap((part) => (part === undefined ? [] : [part.hasCaptions])),
      [undefined, true, undefined],
    );
  });
});

function readKey(config: TrackConfig, frame: Frame): boolean {
  return config.kind === "audio" || frame.key;
}

function videoConfig(): TrackConfig {
  const description = Uint8Array.of(1, 0x64, 0, 0x1f, 0xff, 0xe1, 0, 0, 0);
  return {
    kind: "video",
    codec: "h264",
    timescale: 90_000,
    width: 64,
    height: 48,
    description,
    codecString: "avc1.64001f",
  };
}

function makeFrame(facts: Partial<Frame>): Frame {
  const dts = facts.dts ?? 0;
  const data = Uint8Array.of(dts & 0xff, 1);
  return {
    kind: "video",
    epoch: 0,
    dts,
    pts: dts,
    duration: 3000,
    key: false,
    configVersion: 0,
    arrivalMs: 0,
    data,
    ...facts,
  };
}
