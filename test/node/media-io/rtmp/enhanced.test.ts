import assert from "node:assert/strict";
import { enhancements } from "@leat/node/media-io/rtmp/enhanced.ts";
import { RtmpError } from "@leat/node/media-io/rtmp/errors.ts";
import { FlvDemuxer, type FlvItem } from "@leat/node/media-io/rtmp/flv.ts";
import { BitstreamError } from "@leat/sdk/protocol/bitstream/bit-reader.ts";

/** 64x64, baseline. */
const avcC = [1, 0x42, 0xc0, 0x0a, 0xff, 0xe1, 0, 7, 0x67, 0x42, 0xc0, 0x0a, 0xda, 0x10, 0x99, 1, 0, 4];
const record = [...avcC, 0x68, 0xce, 0x0f, 0xc8];
const idr = [0, 0, 0, 2, 0x65, 0x80];
const opusHead = [...letters("OpusHead"), 1, 2, 0x38, 1, 0x80, 0xbb, 0, 0, 0, 0, 0];
/** 20 ms of silence. */
const opusPacket = [0xfc, 0xff, 0xfe];

const START = 0x90;
const FRAMES = 0x91;
const FRAMES_X = 0x93;
const MULTITRACK = 0x96;
const MODIFIER = 0x97;
const AUDIO_START = 0x90;
const AUDIO_FRAMES = 0x91;
const AUDIO_MULTITRACK = 0x95;
const AUDIO_MODIFIER = 0x97;

function letters(text: string): number[] {
  return [...Buffer.from(text)];
}

function video(demuxer: FlvDemuxer, ...bytes: number[]): FlvItem[] {
  return demuxer.video(1_000, Uint8Array.from(bytes));
}

function audio(demuxer: FlvDemuxer, ...bytes: number[]): FlvItem[] {
  return demuxer.audio(1_000, Uint8Array.from(bytes));
}

function picturesOf(items: readonly FlvItem[]) {
  return items.map((item) => (item.type === "video" ? [item.sample.dtsMs, item.sample.ctsMs, item.sample.key] : item));
}

function configured(): FlvDemuxer {
  const demuxer = new FlvDemuxer();
  const [item] = video(demuxer, START, ...letters("avc1"), ...record);
  assert.equal(item?.type === "config" && item.config.codecString, "avc1.42c00a");
  return demuxer;
}

describe("rtmp, enhanced tags", () => {
  it("reads frames with and without a composition time, beside those of the old kind", () => {
    const demuxer = configured();
    assert.deepEqual(picturesOf(video(demuxer, FRAMES, ...letters("avc1"), 0xff, 0xff, 0xd8, ...idr)), [
      [1_000, -40, true],
    ]);
    assert.deepEqual(picturesOf(video(demuxer, FRAMES_X, ...letters("avc1"), ...idr)), [[1_000, 0, true]]);
    assert.deepEqual(picturesOf(video(demuxer, 0x17, 1, 0, 0, 80, ...idr)), [[1_000, 80, true]]);
    // The end of a sequence, metadata and a command say nothing.
    for (const head of [0x92, 0x94, 0xd1]) assert.deepEqual(video(demuxer, head, ...letters("avc1")), []);
    assert.equal(demuxer.malformed, 0);
  });

  it("adds the nanoseconds of a modifier, and skips modifiers that it does not know", () => {
    const demuxer = configured();
    const half = [2, 0x07, 0xa1, 0x20, 0x03];
    assert.deepEqual(picturesOf(video(demuxer, MODIFIER, ...half, ...letters("avc1"), ...idr)), [[1_000.5, 0, true]]);
    const unknown = [255, 0x01, 0x04, ...Array<number>(261).fill(7), 0x37];
    assert.deepEqual(picturesOf(video(demuxer, MODIFIER, ...unknown, ...half, ...letters("avc1"), ...idr)), [
      [1_000.5, 0, true],
    ]);
    const tooLong = [2, 0xff, 0xff, 0xff, 0x03];
    const [late] = video(demuxer, MODIFIER, ...tooLong, ...letters("avc1"), ...idr);
    assert.ok(late?.type === "video" && late.sample.dtsMs < 1_001);
    audio(demuxer, AUDIO_START, ...letters("Opus"), ...opusHead);
    const [packet] = audio(demuxer, AUDIO_MODIFIER, 2, 0x07, 0xa1, 0x20, 0x01, ...letters("Opus"), ...opusPacket);
    assert.ok(packet?.type === "audio" && packet.sample.dtsMs === 1_000.5);
    const endless = Array.from({ length: 40 }, () => [0, 0, 0x07]).flat();
    assert.deepEqual(video(demuxer, MODIFIER, ...endless, ...letters("avc1"), ...idr), []);
    assert.equal(demuxer.malformed, 1);
  });

  it("takes track 0 of several, and tells of the others once", () => {
    const told: unknown[] = [];
    const demuxer = new FlvDemuxer((kind, trackId) => told.push([kind, trackId]));
    const size = (bytes: readonly number[]) => [0, bytes.length >> 8, bytes.length & 0xff];
    video(demuxer, MULTITRACK, 0x00, ...letters("avc1"), 0, ...record);
    // One track, another one.
    assert.deepEqual(video(demuxer, MULTITRACK, 0x03, ...letters("avc1"), 1, ...idr), []);
    // Several of one codec, ours in the middle.
    const small = [1, ...size([9]), 9, 0, ...size(idr), ...idr, 2, ...size([9]), 9];
    assert.deepEqual(picturesOf(video(demuxer, MULTITRACK, 0x13, ...letters("avc1"), ...small)), [[1_000, 0, true]]);
    // Several of several codecs: what we cannot decode is no reason to refuse what we can.
    const mixed = [...letters("vvc1"), 1, ...size([9]), 9, ...letters("avc1"), 0, ...size(idr), ...idr];
    assert.deepEqual(picturesOf(video(demuxer, MULTITRACK, 0x23, ...mixed)), [[1_000, 0, true]]);
    audio(demuxer, AUDIO_MULTITRACK, 0x00, ...letters("Opus"), 0, ...opusHead);
    assert.equal(audio(demuxer, AUDIO_MULTITRACK, 0x01, ...letters("Opus"), 0, ...opusPacket).length, 1);
    assert.deepEqual(audio(demuxer, AUDIO_MULTITRACK, 0x01, ...letters("Opus"), 4, ...opusPacket), []);
    assert.deepEqual(told, [
      ["video", 1],
      ["audio", 4],
    ]);
    assert.equal(demuxer.malformed, 0);
    // A track longer than its message, a track list within a track list.
    assert.deepEqual(video(demuxer, MULTITRACK, 0x13, ...letters("avc1"), 0, 0, 1, 0, ...idr), []);
    assert.deepEqual(video(demuxer, MULTITRACK, 0x16, ...letters("avc1"), 0, ...size(idr), ...idr), []);
    assert.equal(demuxer.malformed, 2);
  });

  it("reads Opus by its head, and leaves out what is no packet", () => {
    const demuxer = new FlvDemuxer();
    assert.deepEqual(audio(demuxer, AUDIO_FRAMES, ...letters("Opus"), ...opusPacket), []);
    const [item] = audio(demuxer, AUDIO_START, ...letters("Opus"), ...opusHead);
    assert.deepEqual(item, {
      type: "config",
      config: {
        kind: "audio",
        codec: "opus",
        timescale: 48_000,
        sampleRate: 48_000,
        channels: 2,
        description: Uint8Array.of(0, 2, 1, 0x38, 0, 0, 0xbb, 0x80, 0, 0, 0),
        codecString: "opus",
      },
    });
    assert.equal(audio(demuxer, AUDIO_FRAMES, ...letters("Opus"), ...opusPacket).length, 1);
    assert.deepEqual(audio(demuxer, AUDIO_FRAMES, ...letters("Opus")), []);
    // 61 frames of 20 ms.
    assert.deepEqual(audio(demuxer, AUDIO_FRAMES, ...letters("Opus"), 0xff, 0x3d), []);
    // Frames of a codec that was not announced.
    assert.deepEqual(audio(demuxer, 0xaf, 1, 2, 3), []);
    assert.equal(demuxer.malformed, 2);
  });

  it("reads AAC by its letters", () => {
    const demuxer = new FlvDemuxer();
    const [item] = audio(demuxer, AUDIO_START, ...letters("mp4a"), 0x12, 0x10);
    assert.equal(item?.type === "config" && item.config.codecString, "mp4a.40.2");
    assert.equal(audio(demuxer, AUDIO_FRAMES, ...letters("mp4a"), 1, 2, 3).length, 1);
    // The order of its channels says nothing that its configuration does not.
    assert.deepEqual(audio(demuxer, 0x94, ...letters("mp4a"), 1, 2), []);
  });

  it("changes its codec in mid-stream, with the configuration and not before", () => {
    const demuxer = configured();
    assert.deepEqual(video(demuxer, FRAMES, ...letters("vp09"), 0x82, 0x49, 0x83, 0x42), []);
    const vpcC = [0, 10, 0x82, 2, 2, 2, 0, 0];
    // Its size is known with its first key frame.
    assert.deepEqual(video(demuxer, START, ...letters("vp09"), ...vpcC), []);
    assert.deepEqual(video(demuxer, FRAMES_X, ...letters("avc1"), ...idr), []);
    assert.deepEqual(video(demuxer, FRAMES, ...letters("vp09"), 0x86, 0, 0), []);
    const key = [0x82, 0x49, 0x83, 0x42, 0, 0x13, 0xf0, 0x0b, 0x30];
    const [config, picture] = video(demuxer, FRAMES, ...letters("vp09"), ...key);
    assert.ok(config?.type === "config" && config.config.kind === "video");
    const { codec, width, height, codecString, description } = config.config;
    assert.deepEqual([codec, width, height, codecString], ["vp9", 320, 180, "vp09.00.10.08"]);
    assert.deepEqual(description, Uint8Array.of(1, 0, 0, 0, ...vpcC));
    assert.ok(picture?.type === "video" && picture.sample.key && picture.sample.ctsMs === 0);
    // The box's own head may stand before the record; the same again is the same.
    assert.deepEqual(video(demuxer, START, ...letters("vp09"), 1, 0, 0, 0, ...vpcC), []);
    assert.deepEqual(
      video(demuxer, FRAMES, ...letters("vp09"), ...key).map(({ type }) => type),
      ["config", "video"],
    );
    assert.deepEqual(
      video(demuxer, FRAMES, ...letters("vp09"), ...key).map(({ type }) => type),
      ["video"],
    );
  });

  it("refuses by name what it cannot take", () => {
    const refused = (work: () => unknown, found: string) =>
      assert.throws(
        work,
        (error) => error instanceof RtmpError && "found" in error.detail && error.detail.found === found,
      );
    refused(() => video(new FlvDemuxer(), START, ...letters("vp08"), 0), "vp08");
    refused(() => video(new FlvDemuxer(), START, ...letters("vvc1"), 0), "vvc1");
    refused(() => video(new FlvDemuxer(), 0x95, ...letters("av01"), 0), "av01 in MPEG-2 TS");
    refused(() => audio(new FlvDemuxer(), AUDIO_START, ...letters("fLaC"), 0), "fLaC");
    refused(() => audio(new FlvDemuxer(), AUDIO_START, 0, 10, 0xff, 0x41), "???A");
    refused(() => video(new FlvDemuxer(), START, ...letters("toString").slice(0, 4), 0), "toSt");
    const fat = new Uint8Array(65_600);
    fat.set([START, ...letters("hvc1")]);
    assert.throws(() => new FlvDemuxer().video(0, fat), { code: "RTMP_CONFIG_TOO_LARGE" });
    const wide = [0x82, 0x49, 0x83, 0x42, 0, 0x13, 0xff, 0xfb, 0x30];
    const vp9 = new FlvDemuxer();
    assert.deepEqual(video(vp9, START, ...letters("vp09"), 0, 10, 0x82, 2, 2, 2, 0, 0), []);
    assert.deepEqual(video(vp9, FRAMES, ...letters("vp09"), ...wide), []);
    assert.equal(vp9.malformed, 1);
    const huge = new Uint8Array(6_300_000).fill(0x21);
    huge.set([FRAMES, ...letters("mp4a")]);
    const aac = new FlvDemuxer();
    audio(aac, AUDIO_START, ...letters("mp4a"), 0x12, 0x10);
    assert.throws(() => aac.audio(0, huge), { code: "RTMP_FRAME_TOO_LARGE" });
    huge.set([0x17, 1, 0, 0, 0, 0, 0x60, 0x21, 0x57, 0x65]);
    assert.throws(() => configured().video(0, huge), { code: "RTMP_FRAME_TOO_LARGE" });
    for (const fourCc of ["avc1", "hvc1", "vp09", "av01"]) {
      assert.throws(() => video(new FlvDemuxer(), START, ...letters(fourCc), 1, 2), BitstreamError);
    }
  });

  it("says in the answer to connect what it takes", () => {
    assert.deepEqual(new Map(enhancements).get("fourCcList"), ["avc1", "hvc1", "vp09", "av01", "mp4a", "Opus"]);
    assert.deepEqual(
      new Map(enhancements).get("videoFourCcInfoMap"),
      new Map(Object.entries({ avc1: 1, hvc1: 1, vp09: 1, av01: 1 })),
    );
    assert.equal(new Map(enhancements).get("capsEx"), 0x0c);
  });
});
