import assert from "node:assert/strict";
import { passItems } from "@leat/node/media-io/publish-sink.ts";
import { decodeFrames, probePackets } from "../../support/media/ffmpeg.ts";
import { packSegments, SegmentSink } from "../../support/segment-sink.ts";
import { withSplices, writeSplice } from "../../support/splices.ts";
import { withTags, writeTag } from "../../support/timed-tags.ts";
import { type Demuxed, demux, H264, HEVC, makeTs, PICTURES, packetsOf, SOUND } from "../../support/ts-files.ts";

const VIDEO_PID = 256;
const AUDIO_PID = 257;
const both = [...PICTURES, ...SOUND];

async function segment({ items }: Demuxed): Promise<SegmentSink> {
  const sink = new SegmentSink();
  await passItems(sink, items);
  sink.end();
  return sink;
}

describe("mpegts demuxer", function () {
  this.timeout(60_000);
  let h264: Uint8Array;
  before(async () => {
    h264 = await makeTs(...both, ...H264, "-c:a", "aac");
  });

  it("gives H.264 with B-frames and AAC as the ffmpeg program decodes them", async () => {
    const demuxed = demux(h264);
    const sink = await segment(demuxed);
    assert.deepEqual(
      demuxed.configs.map(({ codec }) => codec),
      ["h264", "aac"],
    );
    assert.equal(demuxed.videos.length, 50);
    assert.ok(demuxed.videos.some(({ ctsMs }) => ctsMs > 0));
    const ours = await decodeFrames(packSegments(sink.configs.get("video")!, sink.segments));
    assert.equal(ours.checksums.length, 50);
    assert.deepEqual(ours.checksums, (await decodeFrames(h264, ["-map", "0:v"])).checksums);
    const heard = await decodeFrames(packSegments(sink.configs.get("audio")!, sink.heard));
    assert.equal(heard.complaints, "");
    assert.deepEqual(demuxed.stats, { ...demuxed.stats, gaps: 0, leftOut: 0, garbageBytes: 0 });
  });

  it("gives the times that the file has", async () => {
    const { videos, audios } = demux(h264);
    const packets = await probePackets(h264);
    const near = (left: number, right: number) => Math.abs(left - right * 1_000) < 0.02;
    for (const { dtsMs, ctsMs } of videos) {
      assert.ok(packets.some(({ dts, pts }) => near(dtsMs, dts) && near(dtsMs + ctsMs, pts)));
    }
    for (const { dtsMs } of audios) assert.ok(packets.some(({ dts }) => Math.abs(dtsMs - dts * 1_000) < 0.1));
  });

  it("gives the same whatever pieces the bytes come in", () => {
    const whole = demux(h264);
    for (const size of [1, 187, 188, 189, 1_316]) assert.deepEqual(demux(h264, size).items, whole.items);
  });

  it("gives HEVC and Opus", async () => {
    const demuxed = demux(await makeTs(...both, ...HEVC, "-c:a", "libopus", "-ac", "2"));
    const sink = await segment(demuxed);
    assert.deepEqual(
      demuxed.configs.map(({ codec }) => codec),
      ["hevc", "opus"],
    );
    const ours = await decodeFrames(packSegments(sink.configs.get("video")!, sink.segments));
    assert.equal(ours.checksums.length, 50);
    assert.equal(ours.complaints, "");
    const heard = await decodeFrames(packSegments(sink.configs.get("audio")!, sink.heard));
    assert.equal(heard.complaints, "");
    assert.equal(demuxed.audios.length, 101);
  });

  it("gives sound alone, of one channel", () => {
    return makeTs(...SOUND, "-c:a", "aac", "-ar", "8000", "-ac", "1").then((bytes) => {
      const { configs, audios } = demux(bytes);
      assert.deepEqual(
        configs.map((config) => config.kind === "audio" && [config.sampleRate, config.channels]),
        [[8_000, 1]],
      );
      const steps = audios.slice(1).map(({ dtsMs }, index) => dtsMs - audios[index]!.dtsMs);
      assert.ok(steps.every((step) => Math.abs(step - 128) < 0.1));
    });
  });

  it("takes the first of two tracks of sound, and tells of the other once", async () => {
    const bytes = await makeTs(...both, "-map", "0:v", "-map", "1:a", "-map", "1:a", ...H264, "-c:a", "aac");
    const { configs, ignored, stats } = demux(bytes);
    assert.equal(configs.length, 2);
    assert.deepEqual(ignored, [`audio ${AUDIO_PID + 1}`]);
    assert.equal(stats.ignored > packetsOf(bytes, AUDIO_PID + 1).length, true);
  });

  it("takes AAC behind a track that it does not know", async () => {
    const maps = ["-map", "1:a", "-map", "1:a", "-c:a:0", "mp2", "-c:a:1", "aac"];
    const { configs, ignored } = demux(await makeTs(...both, ...maps));
    assert.deepEqual(
      configs.map(({ codec }) => codec),
      ["aac"],
    );
    assert.deepEqual(ignored, [`audio ${VIDEO_PID}`]);
  });

  const refused: readonly (readonly [name: string, flags: string[], found: string])[] = [
    ["MPEG-2 video", ["-c:v", "mpeg2video", "-an"], "mpeg2"],
    ["MP2", [...H264, "-c:a", "mp2"], "mp2"],
    ["AC-3", [...H264, "-c:a", "ac3"], "ac3"],
    ["AAC in LATM", [...H264, "-c:a", "aac", "-mpegts_flags", "latm"], "aac in latm"],
  ];
  for (const [name, flags, found] of refused) {
    it(`refuses ${name} by name`, async () => {
      const bytes = await makeTs(...both, ...flags);
      const kind = name === "MPEG-2 video" ? "video" : "audio";
      assert.throws(() => demux(bytes), { detail: { code: "MPEGTS_CODEC_UNSUPPORTED", kind, found } });
    });
  }

  it("refuses packets of 192 and of 204 bytes", async () => {
    const withTimes = await makeTs(...both, ...H264, "-c:a", "aac", "-mpegts_m2ts_mode", "1");
    const code = "MPEGTS_PACKET_SIZE_UNSUPPORTED";
    assert.throws(() => demux(withTimes, 1_316), { detail: { code, packetBytes: 192 } });
    const packets = Array.from({ length: 100 }, (_, index) => [
      ...h264.subarray(index * 188, (index + 1) * 188),
      ...new Uint8Array(16),
    ]);
    assert.throws(() => demux(Uint8Array.from(packets.flat())), { detail: { code, packetBytes: 204 } });
  });

  it("finds the packets again behind garbage", () => {
    const at = 188 * 40;
    const noise = Uint8Array.from({ length: 3_000 }, (_, index) => (index * 7) & 0xff);
    const { stats, videos } = demux(Buffer.concat([h264.subarray(0, at), noise, h264.subarray(at)]), 1_000);
    assert.equal(stats.garbageBytes, noise.length);
    assert.equal(videos.length, 50);
  });

  it("refuses what is no transport stream", () => {
    const text = new TextEncoder().encode("GET / HTTP/1.1 ".repeat(10_000));
    assert.throws(() => demux(text, 4_096), /MPEGTS_SYNC_LOST/);
  });

  it("refuses packets that never say what they hold", () => {
    const packet = Uint8Array.from({ length: 188 }, (_, at) => [0x47, 0x01, 0x00, 0x10][at] ?? 0xff);
    const many = Buffer.alloc(188 * 33_000, packet);
    assert.throws(() => demux(many, 65_536), { detail: { code: "MPEGTS_PROGRAM_MISSING", packets: 32_769 } });
  });

  it("leaves out a picture of which a packet is missing, and what refers to it", () => {
    const places = packetsOf(h264, VIDEO_PID);
    const at = places[Math.floor(places.length / 4)]!;
    const { stats, videos } = demux(Buffer.concat([h264.subarray(0, at), h264.subarray(at + 188)]));
    assert.equal(stats.gaps, 1);
    assert.ok(videos.length >= 25 && videos.length < 50);
    const resumed = videos.findIndex(({ dtsMs }, index) => index > 0 && dtsMs - videos[index - 1]!.dtsMs > 41);
    assert.equal(videos[resumed]!.key, true);
    assert.equal(stats.leftOut, 50 - videos.length);
  });

  it("takes a packet that is sent twice once", () => {
    const at = packetsOf(h264, VIDEO_PID)[10]!;
    const doubled = Buffer.concat([h264.subarray(0, at), h264.subarray(at, at + 188), h264.subarray(at)]);
    assert.deepEqual(demux(doubled).items, demux(h264).items);
  });

  it("counts packets that fill up and data as such", async () => {
    const { stats } = demux(await makeTs(...both, ...H264, "-c:a", "aac", "-muxrate", "2M"));
    assert.ok(stats.nulls > 100);
  });

  it("gives splice commands with the time at which they happen, and none that is damaged", () => {
    const [first, second, third] = [10, 20, 30].map((index) => packetsOf(h264, VIDEO_PID)[index]!);
    const insert = writeSplice({ eventId: 1, isOut: true, ticks: 500_000, durationTicks: 90_000 });
    const damaged = Uint8Array.from(insert);
    damaged[14]! ^= 1;
    const now = writeSplice({ eventId: 1, isOut: false });
    const { cues, videos, stats } = demux(
      withSplices(h264, [
        { at: first!, section: insert },
        { at: second!, section: damaged },
        { at: third!, section: now },
      ]),
    );
    assert.deepEqual(cues, [{ command: insert, atMs: 500_000 / 90 }, { command: now }]);
    assert.equal(videos.length, 50);
    assert.equal(stats.ignored, demux(h264).stats.ignored);
  });

  it("gives timed metadata with its time, each tag of a packet, and nothing that is none or is damaged", () => {
    const places = [10, 20, 30, 40].map((index) => packetsOf(h264, VIDEO_PID)[index]!);
    const [first, second, long] = [writeTag("first"), writeTag("second"), writeTag("x".repeat(1_000))];
    const { tags, videos, stats, ignored } = demux(
      withTags(h264, [
        { at: places[0]!, ticks: 500_000, payload: Buffer.concat([first, second]) },
        { at: places[1]!, ticks: 600_000, payload: long },
        { at: places[2]!, payload: first },
        { at: places[3]!, ticks: 700_000, payload: Buffer.from("KLV, which is none") },
        { at: places[3]!, ticks: 700_000, payload: first.subarray(0, -1) },
      ]),
    );
    const atMs = 500_000 / 90;
    assert.deepEqual(tags, [
      { atMs, tag: first },
      { atMs, tag: second },
      { atMs: 600_000 / 90, tag: long },
      { tag: first },
    ]);
    assert.equal(videos.length, 50);
    assert.deepEqual([stats.ignored, ignored], [demux(h264).stats.ignored, []]);
  });

  it("goes on over the wrap of 33 bits", async () => {
    const flags = [...H264, "-c:a", "aac", "-output_ts_offset", `${2 ** 33 / 90_000 - 1}`, "-muxdelay", "0"];
    const { videos, audios } = demux(await makeTs(...both, ...flags));
    for (const samples of [videos, audios]) {
      const steps = samples.slice(1).map(({ dtsMs }, index) => dtsMs - samples[index]!.dtsMs);
      assert.ok(steps.every((step) => step > 15 && step < 45));
    }
    assert.ok(videos.at(-1)!.dtsMs * 90 > 2 ** 33);
    assert.ok(videos.every(({ ctsMs }) => ctsMs >= 0 && ctsMs < 200));
  });

  it("follows a program whose codecs change in the middle", async () => {
    const second = await makeTs(
      ...both,
      ...HEVC,
      "-c:a",
      "libopus",
      "-ac",
      "2",
      "-mpegts_flags",
      "initial_discontinuity",
    );
    const { configs, videos } = demux(Buffer.concat([h264, second]));
    assert.deepEqual(
      configs.map(({ codec }) => codec),
      ["h264", "aac", "hevc", "opus"],
    );
    assert.equal(videos.length, 100);
  });

  it("says once what is repeated with every key frame", () => {
    assert.equal(demux(Buffer.concat([h264, h264])).configs.length, 2);
  });

  it("refuses a picture that no node would take", () => {
    const at = packetsOf(h264, VIDEO_PID)[0]!;
    const head = h264.subarray(0, at + 188);
    const counter = head[at + 3]! & 0x0f;
    const more = Array.from({ length: 40_000 }, (_, index) => {
      const packet = Buffer.alloc(188, 0xff);
      packet.set([0x47, 0x01, 0x00, 0x10 | ((counter + 1 + index) & 0x0f)]);
      return packet;
    });
    assert.throws(() => demux(Buffer.concat([head, ...more])), /MPEGTS_FRAME_TOO_LARGE/);
  });

  it("refuses what is scrambled", () => {
    const scrambled = Uint8Array.from(h264);
    for (const at of packetsOf(h264, AUDIO_PID)) scrambled[at + 3]! |= 0x80;
    assert.throws(() => demux(scrambled), { detail: { code: "MPEGTS_SCRAMBLED", pid: AUDIO_PID } });
  });
});
