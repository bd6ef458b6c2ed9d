import assert from "node:assert/strict";
import { EPOCH_START_S, Timeline } from "@leat/node/media/timeline.ts";
import type { AudioConfig, Frame } from "@leat/sdk/protocol/frame.ts";
import fc from "fast-check";

const data = new Uint8Array(1);
const videoStart = EPOCH_START_S * 90_000;
const aac: AudioConfig = {
  kind: "audio",
  codec: "aac",
  timescale: 44_100,
  sampleRate: 44_100,
  channels: 2,
  description: Uint8Array.of(0x12, 0x10),
  codecString: "mp4a.40.2",
};

function runVideo(timeline: Timeline, samples: readonly (readonly [dts: number, cts?: number])[]): Frame[] {
  const frames = samples.flatMap(([dts, cts]) => timeline.video({ dts, cts, key: false, data }, 0));
  return [...frames, ...timeline.flush()];
}

function timesOf(frames: readonly Frame[]): number[][] {
  return frames.map((frame) => [frame.epoch, frame.dts - videoStart, frame.pts - videoStart, frame.duration]);
}

describe("timeline", () => {
  it("gives steady frames their times and durations", () => {
    assert.deepEqual(
      timesOf(
        runVideo(new Timeline(), [
          [1000, 80],
          [1040, 160],
          [1080, 0],
        ]),
      ),
      [
        [0, 0, 7200, 3600],
        [0, 3600, 18_000, 3600],
        [0, 7200, 7201, 3600],
      ],
    );
  });

  it("goes on over a wrap of 32-bit milliseconds", () => {
    const frames = runVideo(new Timeline(), [[2 ** 32 - 40], [0], [40]]);
    assert.deepEqual(
      timesOf(frames).map(([epoch, dts]) => [epoch, dts]),
      [
        [0, 0],
        [0, 3600],
        [0, 7200],
      ],
    );
  });

  it("opens an epoch where the clock jumps ahead or goes back, none for jitter", () => {
    const frames = runVideo(new Timeline({ startEpoch: 5 }), [[0], [40], [30], [80], [60_000], [60_040], [20], [60]]);
    assert.deepEqual(
      timesOf(frames).map(([epoch, dts]) => [epoch, dts]),
      [
        [5, 0],
        [5, 3600],
        [5, 3601],
        [5, 7200],
        [6, 270_000],
        [6, 273_600],
        [7, 540_000],
        [7, 543_600],
      ],
    );
  });

  it("sets decode times back once where presentation precedes them", () => {
    const frames = runVideo(new Timeline(), [
      [0, 0],
      [40, 80],
      [80, 0],
      [120, -80],
      [160, 80],
      [200, 0],
      [240, -80],
    ]);
    for (const frame of frames.slice(4)) assert.ok(frame.pts >= frame.dts);
    assert.equal(new Set(frames.map((frame) => frame.pts)).size, frames.length);
  });

  it("puts audio of rounded milliseconds on the sample grid", () => {
    const timeline = new Timeline();
    timeline.configure(aac);
    const frames = Array.from({ length: 2000 }, (_, index) => Math.round((index * 1024 * 1000) / 44_100)).flatMap(
      (dts) => timeline.audio({ dts, key: true, data }, 0),
    );
    assert.deepEqual(
      frames.map((frame) => frame.dts),
      frames.map((_, index) => 44_100 + index * 1024),
    );
  });

  it("gives a packet of G.711 a sample for each byte of a channel", () => {
    for (const channels of [1, 2]) {
      const shape = { kind: "audio", codec: "pcma", timescale: 8_000, sampleRate: 8_000, channels } as const;
      const timeline = new Timeline();
      timeline.configure({ ...shape, description: new Uint8Array(0), codecString: "pcma" });
      // Of 20 ms, and of 30.
      const frames = [160, 240, 160].flatMap((samples, index) => {
        const dts = [0, 20, 50][index]!;
        return timeline.audio({ dts, key: true, data: new Uint8Array(samples * channels) }, 0);
      });
      assert.deepEqual(
        frames.map(({ dts, duration }) => [dts - EPOCH_START_S * 8_000, duration]),
        [
          [0, 160],
          [160, 240],
          [400, 160],
        ],
      );
    }
  });

  it("gives an Opus packet the length that it says, 20 ms where it says none", () => {
    const rates = { timescale: 48_000, sampleRate: 48_000, channels: 2 };
    const opus: AudioConfig = { kind: "audio", codec: "opus", ...rates, description: data, codecString: "opus" };
    const timeline = new Timeline();
    timeline.configure(opus);
    const packets = [
      [0, 0xfc],
      [20, 0xf8 - 8],
      [30, 0x03],
      [50, 0xfc],
    ];
    const frames = packets.flatMap(([dts, head]) =>
      timeline.audio({ dts: dts!, key: true, data: Uint8Array.of(head!) }, 0),
    );
    assert.deepEqual(
      frames.map(({ dts, duration }) => [dts - EPOCH_START_S * 48_000, duration]),
      [
        [0, 960],
        [960, 480],
        [1_440, 960],
        [2_400, 960],
      ],
    );
  });

  it("makes a new version of a configuration that differs in the size alone", () => {
    const timeline = new Timeline();
    const shape = { kind: "video", codec: "vp9", timescale: 90_000, description: data, codecString: "vp09" } as const;
    assert.equal(timeline.configure({ ...shape, width: 320, height: 180 }), 0);
    assert.equal(timeline.configure({ ...shape, width: 320, height: 180 }), 0);
    assert.equal(timeline.configure({ ...shape, width: 640, height: 360 }), 1);
  });

  it("opens an epoch where a new configuration begins before the old one's last pictures show", () => {
    const timeline = new Timeline();
    const shape = { kind: "video", timescale: 90_000, height: 180, codecString: "x", description: data } as const;
    const frames: Frame[] = [];
    const send = (dts: number, cts: number) => frames.push(...timeline.video({ dts, cts, key: true, data }, 0));
    timeline.configure({ ...shape, codec: "h264", width: 320 });
    send(0, 80);
    send(40, 80);
    // What shows after all before it goes on.
    timeline.configure({ ...shape, codec: "hevc", width: 320 });
    send(80, 80);
    send(120, 120);
    timeline.configure({ ...shape, codec: "vp9", width: 320 });
    send(160, 0);
    send(200, 0);
    frames.push(...timeline.flush());
    assert.deepEqual(
      frames.map(({ epoch, configVersion, pts }) => [epoch, configVersion, (pts - videoStart) / 90]),
      [
        [0, 0, 80],
        [0, 0, 120],
        [0, 1, 160],
        [0, 1, 240],
        [1, 2, 3_000],
        [1, 2, 3_040],
      ],
    );
  });

  it("keeps a real gap of audio and does not take it for a jump while video goes on", () => {
    const timeline = new Timeline();
    timeline.configure(aac);
    const frames: Frame[] = [];
    for (let ms = 0; ms <= 10_000; ms += 40) {
      frames.push(...timeline.video({ dts: ms, key: true, data }, 0));
      if (ms <= 1000 || ms >= 8000) frames.push(...timeline.audio({ dts: ms, key: true, data }, 0));
    }
    assert.ok(frames.every((frame) => frame.epoch === 0));
    assert.ok(frames.some((frame) => frame.kind === "audio" && frame.dts === 44_100 * 9));
  });

  it("moves both tracks to one new epoch when both jump, whichever comes first, and keeps their distance", () => {
    for (const jump of [3_600_000, -3_600_000]) {
      const timeline = new Timeline();
      timeline.configure(aac);
      const base = 4_000_000;
      const frames: Frame[] = [];
      for (let index = 0; index < 200; index += 1) {
        const videoJump = index >= 100 ? jump : 0;
        const audioJump = index >= 103 ? jump : 0;
        frames.push(...timeline.video({ dts: base + index * 40 + videoJump, key: true, data }, 0));
        frames.push(...timeline.audio({ dts: base + index * 40 + audioJump, key: true, data }, 0));
      }
      assert.equal(timeline.epoch, 1);
      const lastVideo = frames.findLast((frame) => frame.kind === "video")!;
      const lastAudio = frames.findLast((frame) => frame.kind === "audio")!;
      assert.equal(lastVideo.epoch, 1);
      assert.equal(lastAudio.epoch, 1);
      assert.ok(Math.abs(lastVideo.pts / 90_000 - lastAudio.pts / 44_100) <= 0.08);
    }
  });

  it("takes audio along that never jumps when video did", () => {
    const timeline = new Timeline();
    timeline.configure(aac);
    const frames: Frame[] = [];
    for (let index = 0; index < 300; index += 1) {
      frames.push(...timeline.video({ dts: index * 40 + (index >= 100 ? 900_000 : 0), key: true, data }, 0));
      frames.push(...timeline.audio({ dts: index * 40, key: true, data }, 0));
    }
    assert.equal(timeline.epoch, 1);
    assert.equal(frames.findLast((frame) => frame.kind === "audio")!.epoch, 1);
  });

  it("opens an epoch on a reconnect and raises the version of a changed configuration only", () => {
    const timeline = new Timeline();
    assert.equal(timeline.configure(aac), 0);
    assert.equal(timeline.configure({ ...aac }), 0);
    assert.equal(timeline.configure({ ...aac, description: Uint8Array.of(0x11, 0x90) }), 1);
    assert.equal(runVideo(timeline, [[0], [40]]).length, 2);
    assert.deepEqual(timeline.reconnect(), []);
    assert.deepEqual(timesOf(runVideo(timeline, [[80]])), [[1, 270_000, 270_000, 3600]]);
  });

  it("lets the clock of a later epoch go on behind all before, by as much as its publisher was away", () => {
    const timeline = new Timeline();
    timeline.configure(aac);
    const send = (raw: number, arrivalMs: number) => [
      ...timeline.video({ dts: raw, key: true, data }, arrivalMs),
      ...timeline.audio({ dts: raw, key: true, data }, arrivalMs),
    ];
    const before = [...send(500, 1_000), ...send(540, 1_040), ...timeline.reconnect()];
    const after = [...send(7, 6_040), ...send(47, 6_080), ...timeline.flush()];
    const seconds = ({ kind, dts }: Frame) => dts / (kind === "video" ? 90_000 : 44_100);
    assert.deepEqual(new Set(before.map(({ epoch }) => epoch)), new Set([0]));
    assert.deepEqual(new Set(after.map(({ epoch }) => epoch)), new Set([1]));
    // 1.063 s is where the last sound ends; five more, and whole, so that both tracks begin there.
    const starts = (["video", "audio"] as const).map((kind) => seconds(after.find((frame) => frame.kind === kind)!));
    assert.deepEqual(starts, [7, 7]);
    assert.ok(before.every((frame) => seconds(frame) < 2));
  });

  it("leaves room before a later epoch for what the other track still sends of the one before", () => {
    const timeline = new Timeline();
    timeline.configure(aac);
    const frames: Frame[] = [];
    for (let index = 0; index < 150; index += 1) {
      frames.push(...timeline.video({ dts: index * 40 + (index >= 100 ? 900_000 : 0), key: true, data }, 0));
      frames.push(...timeline.audio({ dts: index * 40, key: true, data }, 0));
    }
    const lagging = frames.filter(({ kind, epoch }) => kind === "audio" && epoch === 0).at(-1)!;
    const jumped = frames.find(({ kind, epoch }) => kind === "video" && epoch === 1)!;
    assert.ok(lagging.dts / 44_100 > 6.5 && jumped.dts / 90_000 > lagging.dts / 44_100);
  });

  it("keeps the rules of frames for any raw times", () => {
    const item = fc.record({
      video: fc.boolean(),
      step: fc.oneof(fc.integer({ min: -20, max: 100 }), fc.constant(0), fc.integer({ min: -(2 ** 32), max: 2 ** 32 })),
      cts: fc.option(fc.integer({ min: -(2 ** 23), max: 2 ** 23 }), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(item, { maxLength: 300 }), (items) => {
        const timeline = new Timeline();
        timeline.configure(aac);
        let raw = 0;
        const frames: Frame[] = [];
        let videos = 0;
        for (const { video, step, cts } of items) {
          raw = (((raw + step) % 2 ** 32) + 2 ** 32) % 2 ** 32;
          const sample = { dts: raw, cts, key: true, data };
          if (video) videos += 1;
          frames.push(...(video ? timeline.video(sample, 0) : timeline.audio(sample, 0)));
        }
        frames.push(...timeline.flush());
        assert.equal(frames.filter((frame) => frame.kind === "video").length, videos);
        for (const kind of ["video", "audio"] as const) {
          const track = frames.filter((frame) => frame.kind === kind);
          for (const [index, frame] of track.entries()) {
            const previous = track[index - 1];
            assert.ok(
              Number.isSafeInteger(frame.dts) &&
                frame.dts >= 0 &&
                Number.isSafeInteger(frame.pts) &&
                frame.pts >= 0 &&
                frame.duration > 0,
            );
            assert.ok(
              previous === undefined ||
                frame.epoch > previous.epoch ||
                (frame.epoch === previous.epoch && frame.dts > previous.dts),
            );
          }
          const shown = track.slice(-60).map((frame) => `${frame.epoch}/${frame.pts}`);
          assert.equal(new Set(shown).size, shown.length);
        }
      }),
    );
  });
});
