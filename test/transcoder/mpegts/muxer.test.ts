import assert from "node:assert/strict";
import type { AudioConfig, Frame, TrackConfig, VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { TsMuxer, type TsSample } from "@leat/transcoder/mpegts/muxer.ts";
import { PacketReader } from "@leat/transcoder/mpegts/packet-reader.ts";
import { placeFrame, writeTsSegment } from "@leat/transcoder/mpegts/segment-writer.ts";
import fc from "fast-check";
import { decodeFrames, encodeFragmented, probePackets } from "../../support/media/ffmpeg.ts";
import { readTrack } from "../../support/media/mp4-reader.ts";
import { demux, H264, HEVC, PICTURES, packetsOf, SOUND } from "../../support/ts-files.ts";

interface Made<Config extends TrackConfig> {
  readonly config: Config;
  readonly frames: readonly Frame[];
  readonly file: Uint8Array;
}

async function make<Config extends TrackConfig>(input: string[], flags: string[]): Promise<Made<Config>> {
  const file = await encodeFragmented(input, flags);
  const { config, frames } = readTrack(file);
  // Frames of Leat begin a second into their epoch, so that no decode time is below 0.
  const moved = frames.map((frame) => ({
    ...frame,
    dts: frame.dts + config.timescale,
    pts: frame.pts + config.timescale,
  }));
  return { config: config as Config, frames: moved, file };
}

const VIDEO_PID = 0x100;
const AUDIO_PID = 0x101;

/** The clocks that the packets tell, in ticks of 90 kHz. */
function readClocks(bytes: Uint8Array): number[] {
  const clocks: number[] = [];
  for (let at = 0; at < bytes.length; at += 188) {
    const packet = Buffer.from(bytes.subarray(at, at + 188));
    const hasClock = (packet[3]! & 0x20) !== 0 && packet[4]! > 0 && (packet[5]! & 0x10) !== 0;
    if (hasClock) clocks.push(packet.readUInt32BE(6) * 2 + (packet[10]! >> 7));
  }
  return clocks;
}

describe("mpegts muxer", function () {
  this.timeout(60_000);
  let h264: Made<VideoConfig>;
  let aac: Made<AudioConfig>;
  let segment: Buffer;
  before(async () => {
    h264 = await make<VideoConfig>(PICTURES, H264);
    aac = await make<AudioConfig>(SOUND, ["-c:a", "aac"]);
    segment = writeTsSegment({ video: h264, audio: aac });
  });

  it("writes H.264 with B-frames and AAC that the ffmpeg program decodes as what went in", async () => {
    const pictures = await decodeFrames(segment, ["-map", "0:v"]);
    assert.equal(pictures.checksums.length, 50);
    assert.deepEqual(pictures.checksums, (await decodeFrames(h264.file)).checksums);
    assert.equal(pictures.complaints, "");
    const sound = await decodeFrames(segment, ["-map", "0:a"]);
    assert.equal(sound.complaints, "");
    assert.equal(sound.checksums.length, aac.frames.length);
  });

  it("writes the times that the frames have", async () => {
    const packets = await probePackets(segment);
    for (const { dts, pts } of h264.frames) {
      assert.ok(packets.some((one) => near(one.dts, dts / 90_000) && near(one.pts, pts / 90_000)));
    }
    assert.ok(h264.frames.some(({ dts, pts }) => pts > dts));
    for (const { dts } of aac.frames) assert.ok(packets.some((one) => near(one.dts, dts / 48_000)));
  });

  it("gives our demuxer back what went in", () => {
    const { videos, audios, configs, stats } = demux(segment);
    // ADTS has no room for what that program adds behind the configuration of AAC.
    const { codec, codecString } = aac.config;
    assert.deepEqual(configs, [h264.config, { ...configs[1], codec, codecString, sampleRate: 48_000 }]);
    assert.deepEqual(configs[1]!.description, aac.config.description.slice(0, 2));
    assert.deepEqual(
      videos.map(({ dtsMs, ctsMs, key }) => [Math.round(dtsMs * 90), Math.round(ctsMs * 90), key]),
      h264.frames.map(({ dts, pts, key }) => [dts, pts - dts, key]),
    );
    assert.deepEqual(
      audios.map(({ data }) => Buffer.from(data)),
      aac.frames.map(({ data }) => Buffer.from(data)),
    );
    assert.deepEqual(stats, { ...stats, gaps: 0, leftOut: 0, garbageBytes: 0, ignored: 0 });
  });

  it("writes HEVC and Opus that the ffmpeg program decodes, and sound alone", async () => {
    const hevc = await make<VideoConfig>(PICTURES, [...HEVC, "-tag:v", "hvc1"]);
    const opus = await make<AudioConfig>(SOUND, ["-c:a", "libopus", "-ac", "2"]);
    const bytes = writeTsSegment({ video: hevc, audio: opus });
    const pictures = await decodeFrames(bytes, ["-map", "0:v"]);
    assert.deepEqual(pictures.checksums, (await decodeFrames(hevc.file)).checksums);
    const heard = await decodeFrames(bytes, ["-map", "0:a"]);
    assert.deepEqual([pictures.complaints, heard.complaints], ["", ""]);
    const demuxed = demux(bytes);
    assert.deepEqual(
      demuxed.configs.map(({ codec }) => codec),
      ["hevc", "opus"],
    );
    assert.equal(demuxed.audios.length, opus.frames.length);
    for (const audio of [aac, opus]) {
      const alone = writeTsSegment({ audio });
      assert.equal((await decodeFrames(alone)).complaints, "");
      assert.equal(demux(alone).audios.length, audio.frames.length);
      assert.ok(readClocks(alone).length > 20);
    }
  });

  it("can be entered at each key frame, with tables and parameter sets before it", async () => {
    const muxer = new TsMuxer({ video: h264.config });
    const pieces = h264.frames.map((frame) => ({ frame, bytes: muxer.write(placeFrame(frame, 90_000)) }));
    const second = pieces.findLastIndex(({ frame }) => frame.key);
    assert.ok(second > 0);
    const rest = Buffer.concat(pieces.slice(second).map(({ bytes }) => bytes));
    assert.deepEqual(
      [0, 188].map((at) => ((rest[at + 1]! & 0x1f) << 8) | rest[at + 2]!),
      [0, 0x1000],
    );
    assert.equal(rest[376 + 5]! & 0x50, 0x50);
    const { checksums, complaints } = await decodeFrames(rest);
    assert.equal(complaints, "");
    assert.deepEqual(checksums, (await decodeFrames(h264.file)).checksums.slice(second));
  });

  it("tells the time at every picture, before its decoding, and repeats its tables", () => {
    const clocks = readClocks(segment);
    assert.ok(clocks.length >= h264.frames.length);
    assert.deepEqual(
      clocks,
      clocks.toSorted((left, right) => left - right),
    );
    assert.equal(clocks[0]! < h264.frames[0]!.dts, true);
    assert.ok(packetsOf(segment, 0).length >= 8);
    assert.equal(packetsOf(segment, 0).length, packetsOf(segment, 0x1000).length);
  });

  it("tells the time by sound where pictures are rare", () => {
    const rare = { ...h264, frames: [h264.frames[0]!] };
    const clocks = readClocks(writeTsSegment({ video: rare, audio: aac }));
    assert.ok(clocks.slice(1).every((clock, index) => clock - clocks[index]! <= 10_100));
    assert.ok(clocks.length > 15);
  });

  it("takes sound that comes later into a new version of its table", async () => {
    const muxer = new TsMuxer({ video: h264.config });
    const first = h264.frames.slice(0, 10).map((frame) => muxer.write(placeFrame(frame, 90_000)));
    assert.equal(muxer.write(placeFrame(aac.frames[0]!, 48_000)).length, 0);
    muxer.configure({ video: h264.config, audio: aac.config });
    const late = aac.frames.map((frame) => muxer.write(placeFrame(frame, 48_000)));
    // Behind the head of the packet, the pointer and five bytes of the section stands the version.
    const versions = [first[0]!, late[0]!].map((bytes) => (bytes[188 + 10]! >> 1) & 0x1f);
    assert.deepEqual(versions, [0, 1]);
    const { configs, audios, stats } = demux(Buffer.concat([...first, ...late]));
    assert.deepEqual(
      configs.map(({ codec }) => codec),
      ["h264", "aac"],
    );
    assert.deepEqual([audios.length, stats.gaps], [aac.frames.length, 0]);
  });

  it("refuses VP9, and AAC at a rate that ADTS has no letters for", () => {
    const vp9 = { ...h264.config, codec: "vp9" } as const;
    const code = "MPEGTS_CODEC_UNSUPPORTED";
    assert.throws(() => new TsMuxer({ video: vp9 }), { detail: { code, kind: "video", found: "vp9" } });
    // Object type 2, the rate in 24 bits: 20,000 Hz.
    const description = Uint8Array.of(0x17, 0x80, 0x27, 0x10, 0x08);
    const odd = { ...aac.config, description };
    assert.throws(() => new TsMuxer({ audio: odd }), { detail: { code, kind: "audio", found: "aac at 20000 Hz" } });
  });

  it("gives back any frames at any times, over the wrap of 33 bits, in whole packets that are numbered on", () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 2_000 }), { minLength: 1, maxLength: 60 });
    const input = fc.record({
      sizes,
      start: fc.oneof(fc.integer({ min: 0, max: 2 ** 34 }), fc.integer({ min: 2 ** 33 - 200_000, max: 2 ** 33 })),
      hasVideo: fc.boolean(),
      shifts: fc.array(fc.integer({ min: 0, max: 20_000 }), { minLength: 60, maxLength: 60 }),
    });
    fc.assert(
      fc.property(input, ({ sizes, start, hasVideo, shifts }) => {
        const muxer = new TsMuxer({ video: hasVideo ? h264.config : undefined, audio: aac.config });
        const samples = sizes.map((size, index): TsSample => {
          const isVideo = hasVideo && index % 3 === 0;
          const dts = start + index * 1_800;
          const data = new Uint8Array(size).fill(1 + (index % 200));
          if (!isVideo) return { kind: "audio", dts, pts: dts, key: true, data };
          const nal = Uint8Array.of(0, 0, (size + 1) >> 8, (size + 1) & 0xff, index === 0 ? 0x65 : 0x41, ...data);
          return { kind: "video", dts, pts: dts + shifts[index]!, key: index === 0, data: nal };
        });
        const bytes = Buffer.concat(samples.map((sample) => muxer.write(sample)));
        assert.equal(bytes.length % 188, 0);
        checkCounters(bytes);
        const { videos, audios, stats } = demux(bytes);
        const expected = (kind: string) => samples.filter((sample) => sample.kind === kind);
        assert.deepEqual([stats.gaps, stats.leftOut, stats.garbageBytes], [0, 0, 0]);
        assert.deepEqual(
          videos.map(({ ctsMs, data }) => [Math.round(ctsMs * 90), Buffer.from(data)]),
          expected("video").map(({ dts, pts, data }) => [pts - dts, Buffer.from(data)]),
        );
        assert.deepEqual(
          audios.map(({ data }) => Buffer.from(data)),
          expected("audio").map(({ data }) => Buffer.from(data)),
        );
        for (const [found, made] of [
          [videos, expected("video")],
          [audios, expected("audio")],
        ] as const) {
          for (const [index, { dtsMs }] of found.entries()) {
            const since = Math.round((dtsMs - found[0]!.dtsMs) * 90);
            assert.equal(since, made[index]!.dts - made[0]!.dts);
          }
        }
      }),
      { numRuns: 150 },
    );
  });
});

/** Each PID's packets with a payload follow each other, and of the others none counts. */
function checkCounters(bytes: Uint8Array): void {
  const last = new Map<number, number>();
  for (const { pid, counter, payload } of new PacketReader().read(bytes)) {
    const before = last.get(pid);
    if (before !== undefined) assert.equal(counter, payload === undefined ? before : (before + 1) & 0x0f);
    last.set(pid, counter);
  }
  assert.ok(last.has(VIDEO_PID) || last.has(AUDIO_PID));
}

function near(left: number, right: number): boolean {
  return Math.abs(left - right) < 0.000_03;
}
