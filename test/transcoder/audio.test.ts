import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { AudioConfig, Frame } from "@leat/sdk/protocol/frame.ts";
import { readLoudness, readMedia } from "@leat/transcoder/tools/media.ts";
import { channelsIn, encodeSound as encode, soundOf, toInputs } from "../support/sound.ts";

describe("transcoder/audio", () => {
  let config: AudioConfig;
  let frames: Frame[] = [];

  before(async () => {
    const pattern = { width: 64, height: 64, fps: 30, durationS: 4 };
    ({ config, frames } = soundOf(await readMedia({ pattern })));
  });

  it("gives AAC and Opus on one clock of 48 kHz, each packet following the one before", async () => {
    const [aac, opus] = await encode(config, toInputs(frames));
    assert.deepEqual(
      [aac!, opus!].map((group) =>
        group.configs.map((one) => [one.codec, one.codecString, one.timescale, one.channels]),
      ),
      [[["aac", "mp4a.40.2", 48_000, 2]], [["opus", "opus", 48_000, 2]]],
    );
    for (const [group, length] of [
      [aac!, 1024],
      [opus!, 960],
    ] as const) {
      for (const [index, frame] of group.frames.entries()) {
        assert.equal(frame.duration, length);
        if (index > 0) assert.equal(frame.pts, group.frames[index - 1]!.pts + length);
      }
      const end = group.frames.at(-1)!.pts + length;
      assert.ok(Math.abs(end - 4 * 48_000) <= 2048, `ends at ${end}`);
    }
  });

  it("takes G.711 of both laws, mono and stereo, and keeps its sound where it was", async () => {
    for (const [codec, law, channels] of [
      ["pcma", "alaw", 1],
      ["pcmu", "mulaw", 1],
      ["pcma", "alaw", 2],
    ] as const) {
      const tone = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=8000:duration=4"];
      const gate = [
        "-af",
        "volume=4,asetnsamples=80,volume=0:enable='between(t,1.5,2.5)'",
        "-ac",
        String(channels),
        "-f",
        law,
        "pipe:1",
      ];
      const { stdout: bytes } = await promisify(execFile)("ffmpeg", ["-v", "error", "-nostdin", ...tone, ...gate], {
        encoding: "buffer",
      });
      assert.equal(bytes.length, 32_000 * channels);
      const shape = {
        kind: "audio",
        codec,
        codecString: codec,
        timescale: 8_000,
        sampleRate: 8_000,
        channels,
      } as const;
      // 20 ms, as cameras send it.
      const packets = Array.from({ length: 200 }, (_, index): Frame => {
        const at = { epoch: 0, dts: index * 160, pts: index * 160, duration: 160, key: true };
        const data = bytes.subarray(index * 160 * channels, (index + 1) * 160 * channels);
        return { kind: "audio", ...at, configVersion: 1, arrivalMs: 0, data };
      });
      const groups = await encode({ ...shape, description: new Uint8Array(0) }, toInputs(packets), undefined, 1);
      assert.equal(groups.length, 2);
      for (const group of groups) {
        const loud = await readLoudness(group.configs[0]!, group.frames);
        assert.ok(Math.abs(loud.fallsAtMs - 1_500) <= 20, `${law}: ${loud.fallsAtMs}`);
        assert.ok(Math.abs(loud.risesAtMs - 2_500) <= 20, `${law}: ${loud.risesAtMs}`);
        const last = group.frames.at(-1)!;
        assert.ok(Math.abs(last.pts + last.duration - 4 * 48_000) <= 2_048);
      }
    }
  });

  it("makes the channels that it is told to, whatever the source has", async () => {
    for (const group of await encode(config, toInputs(frames.slice(0, 50)), undefined, 1)) {
      assert.deepEqual(
        group.configs.map(({ channels }) => channels),
        [1],
      );
      assert.deepEqual(channelsIn(group.configs[0]!.codec, group.frames), [1]);
    }
  });

  it("keeps a sound where it was, within 5 ms", async () => {
    // A hole of one second at 2 s: silence must stand at the same place in both groups.
    const holed = frames.filter((frame) => frame.pts < 96_000 || frame.pts >= 144_000);
    const [source] = [await readLoudness(config, holed)];
    for (const group of await encode(config, toInputs(holed))) {
      const loud = await readLoudness(group.configs[0]!, group.frames);
      for (const edge of ["fallsAtMs", "risesAtMs"] as const) {
        assert.ok(Math.abs(loud[edge] - source![edge]) <= 5, `${edge}: ${loud[edge]} of ${source![edge]}`);
      }
    }
  });

  it("does not drift where times were rounded to milliseconds", async () => {
    const rough = frames.map((frame) => ({ ...frame, pts: Math.round(frame.pts / 48) * 48 }));
    for (const group of await encode(config, toInputs(rough))) {
      const [first] = group.frames;
      const last = group.frames.at(-1)!;
      assert.equal(last.pts - first!.pts, (group.frames.length - 1) * first!.duration);
    }
  });

  it("jumps where the hole is longer than silence is worth", async () => {
    const jumped = frames.map((frame) => (frame.pts < 96_000 ? frame : { ...frame, pts: frame.pts + 48_000 * 60 }));
    for (const group of await encode(config, toInputs(jumped))) {
      const steps = group.frames.slice(1).map((frame, index) => frame.pts - group.frames[index]!.pts);
      const long = steps.filter((step) => step !== group.frames[0]!.duration);
      assert.equal(long.length, 1);
      assert.ok(Math.abs(long[0]! - 48_000 * 60) < 4096);
    }
  });

  it("starts each epoch on that epoch's clock", async () => {
    const half = frames.filter((frame) => frame.pts < 96_000);
    const again = half.map((frame) => ({ ...frame, epoch: 1 }));
    for (const group of await encode(config, toInputs([...half, ...again]))) {
      const second = group.frames.filter((frame) => frame.epoch === 1);
      assert.ok(second[0]!.pts < 2048);
      assert.ok(Math.abs(second.at(-1)!.pts - 96_000) < 4096);
    }
  });

  it("gives silence for what it cannot read", async () => {
    const broken = frames.map((frame, index) => {
      return index > 40 && index < 60 ? { ...frame, data: Uint8Array.of(1, 2, 3) } : frame;
    });
    for (const group of await encode(config, toInputs(broken))) {
      const end = group.frames.at(-1)!;
      assert.ok(Math.abs(end.pts + end.duration - 4 * 48_000) <= 2048);
    }
  });
});
