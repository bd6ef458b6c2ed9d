import assert from "node:assert/strict";
import type { AudioConfig, Frame } from "@leat/sdk/protocol/frame.ts";
import type { AudioInput } from "@leat/transcoder/engine.ts";
import { readLoudness, readMedia } from "@leat/transcoder/tools/media.ts";
import { bothCodecs, encodeSound, type GroupOutput, type Sound, soundOf, toInputs } from "../support/sound.ts";

const bytesOf = (frames: readonly Frame[]) => frames.map(({ data }) => Buffer.from(data).toString("base64"));

function assertWhole({ frames }: GroupOutput): void {
  for (const [index, frame] of frames.slice(1).entries()) {
    const before = frames[index]!;
    assert.equal(frame.pts, before.pts + before.duration, `packet ${index + 1}`);
  }
}

describe("transcoder/sound that is passed on", () => {
  const sources = new Map<string, Sound>();

  before(async () => {
    const aac = soundOf(await readMedia({ pattern: { width: 64, height: 64, fps: 30, durationS: 4 } }));
    const [, opus] = await encodeSound(aac.config, toInputs(aac.frames));
    sources.set("aac", aac);
    sources.set("opus", { config: opus!.configs[0]!, frames: opus!.frames });
  });

  for (const [index, codec] of (["aac", "opus"] as const).entries()) {
    it(`gives ${codec} out as it came in, and the other codec encoded`, async () => {
      const { config, frames } = sources.get(codec)!;
      const outputs = await encodeSound(config, toInputs(frames));
      const [passed, made] = [outputs[index]!, outputs[1 - index]!];
      assert.deepEqual(bytesOf(passed.frames), bytesOf(frames));
      assert.deepEqual(
        passed.frames.map(({ pts, duration }) => [pts, duration]),
        frames.map(({ pts, duration }) => [pts, duration]),
      );
      assert.deepEqual(
        outputs.map(({ configs }) => configs.map((one) => [one.codec, one.codecString, one.channels])),
        [[["aac", "mp4a.40.2", 2]], [["opus", "opus", 2]]],
      );
      assert.ok(made.frames.length > 150);
      assertWhole(made);
    });

    it(`fills a hole in ${codec} with silent packets, in both codecs at the same place`, async () => {
      const { config, frames } = sources.get(codec)!;
      const holed = frames.filter((frame) => frame.pts < 96_000 || frame.pts >= 144_000);
      const outputs = await encodeSound(config, toInputs(holed));
      const edges = [];
      for (const output of outputs) {
        const steps = output.frames.slice(1).map((frame, at) => frame.pts - output.frames[at]!.pts);
        // Whole packets leave less than one of the hole.
        assert.ok(Math.max(...steps) < 2 * output.frames[0]!.duration);
        edges.push(await readLoudness(output.configs[0]!, output.frames));
      }
      // The last packet before the hole fades within the next one, and a decoder comes out of silence as slowly.
      assert.ok(Math.abs(edges[0]!.fallsAtMs - edges[1]!.fallsAtMs) <= 25, JSON.stringify(edges));
      assert.ok(Math.abs(edges[0]!.risesAtMs - edges[1]!.risesAtMs) <= 25, JSON.stringify(edges));
      assert.ok(Math.abs(edges[0]!.risesAtMs - 3_000) <= 45, JSON.stringify(edges));
    });

    it(`is silent where ${codec} is told to be, and goes on`, async () => {
      const { config, frames } = sources.get(codec)!;
      const early = frames.filter((frame) => frame.pts < 96_000);
      const end = early.at(-1)!.pts + early.at(-1)!.duration;
      const late = frames.filter((frame) => frame.pts >= 144_000);
      const silence: AudioInput = { type: "silence", epoch: 0, from: end, until: late[0]!.pts, arrivalMs: 0 };
      const outputs = await encodeSound(config, [...toInputs(early), silence, ...toInputs(late)]);
      const passed = outputs[index]!.frames;
      assert.deepEqual(bytesOf(passed.slice(0, early.length)), bytesOf(early));
      assert.deepEqual(bytesOf(passed.slice(-late.length)), bytesOf(late));
      assert.ok(Math.abs(passed.length - frames.length) <= 1);
    });

    it(`is encoded once the source is another, with ${codec} decoded on as it was`, async () => {
      const { config, frames } = sources.get(codec)!;
      const half = frames.length / 2;
      const mono: AudioConfig = { ...config, description: Uint8Array.of(...config.description, 0), channels: 1 };
      const change: AudioInput = { type: "config", version: 2, config: mono };
      const outputs = await encodeSound(config, [
        ...toInputs(frames.slice(0, half)),
        change,
        ...toInputs(frames.slice(half)),
      ]);
      const passed = outputs[index]!;
      assert.equal(passed.configs.length, 1);
      assert.deepEqual(bytesOf(passed.frames.slice(0, half)), bytesOf(frames.slice(0, half)));
      assert.notDeepEqual(bytesOf(passed.frames.slice(half)), bytesOf(frames.slice(half)));
      // The tone goes on all through: no stretch of silence is found.
      assert.ok(Number.isNaN((await readLoudness(passed.configs[0]!, passed.frames)).fallsAtMs));
      const end = passed.frames.at(-1)!;
      assert.ok(Math.abs(end.pts + end.duration - 4 * 48_000) <= 2_048);
      const steps = passed.frames.slice(1).map((frame, at) => frame.pts - passed.frames[at]!.pts);
      assert.ok(Math.min(...steps) >= frames[0]!.duration && Math.max(...steps) < 2 * frames[0]!.duration);
    });
  }

  it("is encoded from two seconds on where it is more than twice of what the ladder names", async () => {
    const { config, frames } = sources.get("aac")!;
    const groups = bothCodecs.map((group) => ({ ...group, bitrate: 24_000 }));
    const [aac] = await encodeSound(config, toInputs(frames), groups);
    const judged = frames.findIndex((frame) => frame.pts >= 96_000 - 1_024) + 1;
    assert.deepEqual(bytesOf(aac!.frames.slice(0, judged)), bytesOf(frames.slice(0, judged)));
    assertWhole(aac!);
    const sizeOf = (some: readonly Frame[]) => some.reduce((sum, { data }) => sum + data.length, 0);
    assert.ok(sizeOf(aac!.frames.slice(judged)) < sizeOf(frames.slice(judged)) / 2);
  });

  it("leaves out what no decoder can read, and is silent instead", async () => {
    const { config, frames } = sources.get("aac")!;
    const broken = frames.map((frame, index) => {
      return index > 40 && index < 60 ? { ...frame, data: Uint8Array.of(1, 2, 3) } : frame;
    });
    const [aac] = await encodeSound(config, toInputs(broken));
    assertWhole(aac!);
    assert.equal(aac!.frames.length, frames.length);
    assert.ok(!aac!.frames.some(({ data }) => data.length === 3));
  });
});
