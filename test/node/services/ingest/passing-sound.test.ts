import assert from "node:assert/strict";
import { AudioGroups } from "@leat/node/services/ingest/audio-groups.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { type AudioConfig, type Frame, VIDEO_TIMESCALE } from "@leat/sdk/protocol/frame.ts";
import { AAC_RUNG, OPUS_RUNG, type RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import type { AudioGroup } from "@leat/transcoder/ladder.ts";
import { startAudioEncode } from "@leat/transcoder/supervisor.ts";
import { readLoudness, readMedia } from "@leat/transcoder/tools/media.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import {
  bothCodecs,
  channelsIn,
  encodeSound,
  type GroupOutput,
  type Sound,
  soundOf,
  toInputs,
} from "../../../support/sound.ts";

const RATE = 48_000;

type Event = { readonly frame: Frame } | { readonly source: AudioConfig } | { readonly shownS: number };

const heard = (frames: readonly Frame[]) => frames.map((frame): Event => ({ frame }));
const bytesOf = (frames: readonly Frame[]) => frames.map(({ data }) => Buffer.from(data).toString("base64"));

function renditionsOf(groups: readonly AudioGroup[]): RenditionInfo[] {
  const size = { width: 64, height: 64, bitrate: 1 };
  return [
    { rung: 1, name: "h264", kind: "video", codec: "h264", family: "h264", ...size },
    { rung: 2, name: "vp9", kind: "video", codec: "vp9", family: "vp9", ...size },
    ...groups.map(({ codec, bitrate }): RenditionInfo => {
      return { rung: codec === "aac" ? AAC_RUNG : OPUS_RUNG, name: codec, kind: "audio", codec, bitrate };
    }),
  ];
}

/** What goes out of an origin, with a worker where there is something to encode. */
async function deliver(source: AudioConfig, events: readonly Event[], wanted = bothCodecs): Promise<GroupOutput[]> {
  const outputs = new Map(
    [AAC_RUNG, OPUS_RUNG].map((rung): [number, GroupOutput] => [rung, { configs: [], frames: [] }]),
  );
  const groups = new AudioGroups({
    startAudio: startAudioEncode,
    log: {
      open: ({ rung, config }) => void outputs.get(rung)!.configs.push(config as AudioConfig),
      push: (rung, frame) => {
        outputs.get(rung)!.frames.push(frame);
        return undefined;
      },
      end: () => undefined,
    },
    clock: new ManualClock(),
    logger: silentLogger,
    onSegment: () => {},
  });
  const show = (shownS: number) => groups.advance(0, Math.ceil(shownS * VIDEO_TIMESCALE));
  try {
    groups.setSource(0, source);
    groups.setRenditions(renditionsOf(wanted));
    groups.boundary({ sequence: 0, epoch: 0, pts: 0, forced: false, discontinuity: false, firstFrame: 0 }, 0);
    for (const event of events) {
      if ("source" in event) groups.setSource(1, event.source);
      else if ("shownS" in event) show(event.shownS);
      else {
        groups.addSource(event.frame);
        show((event.frame.pts + event.frame.duration) / RATE);
      }
    }
    await groups.finish();
  } finally {
    groups.kill();
  }
  return [...outputs.values()];
}

function assertWhole({ frames }: GroupOutput): void {
  for (const [index, frame] of frames.slice(1).entries()) {
    const before = frames[index]!;
    assert.equal(frame.pts, before.pts + before.duration, `packet ${index + 1}`);
  }
}

describe("ingest/sound that is passed on", () => {
  const sources = new Map<string, Sound>();

  before(async () => {
    const aac = soundOf(await readMedia({ pattern: { width: 64, height: 64, fps: 30, durationS: 4 } }));
    const [mono, opus] = await Promise.all([
      encodeSound(aac.config, toInputs(aac.frames), bothCodecs.slice(0, 1), 1),
      encodeSound(aac.config, toInputs(aac.frames), bothCodecs.slice(1)),
    ]);
    sources.set("aac", aac);
    sources.set("mono", { config: mono[0]!.configs[0]!, frames: mono[0]!.frames });
    sources.set("opus", { config: opus[0]!.configs[0]!, frames: opus[0]!.frames });
  });

  for (const [index, codec] of (["aac", "opus"] as const).entries()) {
    it(`gives ${codec} out as it came in, and the other codec encoded`, async () => {
      const { config, frames } = sources.get(codec)!;
      const outputs = await deliver(config, heard(frames));
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
      const outputs = await deliver(config, heard(holed));
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

    it(`is silent where the picture goes on without ${codec}, and goes on with it`, async () => {
      const { config, frames } = sources.get(codec)!;
      const early = frames.filter((frame) => frame.pts < 96_000);
      const late = frames.filter((frame) => frame.pts >= 144_000);
      const outputs = await deliver(config, [...heard(early), { shownS: 4.5 }, ...heard(late)]);
      const passed = outputs[index]!.frames;
      assert.deepEqual(bytesOf(passed.slice(0, early.length)), bytesOf(early));
      assert.deepEqual(bytesOf(passed.slice(-late.length)), bytesOf(late));
      assert.ok(Math.abs(passed.length - frames.length) <= 1);
    });

    it(`is encoded once the source is another, with ${codec} decoded on as it was`, async () => {
      const { config, frames } = sources.get(codec)!;
      const half = frames.length / 2;
      const unknown: AudioConfig = { ...config, description: Uint8Array.of(...config.description, 0) };
      const events = [...heard(frames.slice(0, half)), { source: unknown }, ...heard(frames.slice(half))];
      const passed = (await deliver(config, events))[index]!;
      assert.equal(passed.configs.length, 1);
      assert.deepEqual(bytesOf(passed.frames.slice(0, half)), bytesOf(frames.slice(0, half)));
      assert.notDeepEqual(bytesOf(passed.frames.slice(half)), bytesOf(frames.slice(half)));
      // The tone goes on all through: no stretch of silence is found.
      assert.ok(Number.isNaN((await readLoudness(passed.configs[0]!, passed.frames)).fallsAtMs));
      const end = passed.frames.at(-1)!;
      assert.ok(Math.abs(end.pts + end.duration - 4 * RATE) <= 2_048);
      const steps = passed.frames.slice(1).map((frame, at) => frame.pts - passed.frames[at]!.pts);
      assert.ok(Math.min(...steps) >= frames[0]!.duration && Math.max(...steps) < 2 * frames[0]!.duration);
    });
  }

  for (const [first, second] of [
    ["aac", "mono"],
    ["mono", "aac"],
  ] as const) {
    it(`keeps the channels that it began with when ${second} follows ${first}`, async () => {
      const [before, after] = [sources.get(first)!, sources.get(second)!];
      const early = before.frames.filter(({ pts }) => pts < 96_000);
      const late = after.frames.filter(({ pts }) => pts >= 96_000);
      const events = [...heard(early), { source: after.config }, ...heard(late)];
      const [aac] = await deliver(before.config, events);
      assert.deepEqual(
        aac!.configs.map(({ channels }) => channels),
        [before.config.channels],
      );
      const raw = new Set(bytesOf(late));
      assert.ok(!bytesOf(aac!.frames).some((bytes) => raw.has(bytes)));
      assert.deepEqual(channelsIn("aac", aac!.frames), [before.config.channels]);
      // All of it is heard by one decoder, which was set up for what came first.
      assert.ok(Number.isNaN((await readLoudness(aac!.configs[0]!, aac!.frames)).fallsAtMs));
    });
  }

  it("is encoded from two seconds on where it is more than twice of what the ladder names", async () => {
    const { config, frames } = sources.get("aac")!;
    const wanted = bothCodecs.map((group) => ({ ...group, bitrate: 24_000 }));
    const [aac] = await deliver(config, heard(frames), wanted);
    const judged = frames.findIndex((frame) => frame.pts >= 96_000 - 1_024) + 1;
    assert.deepEqual(bytesOf(aac!.frames.slice(0, judged)), bytesOf(frames.slice(0, judged)));
    assertWhole(aac!);
    const sizeOf = (some: readonly Frame[]) => some.reduce((sum, { data }) => sum + data.length, 0);
    assert.ok(sizeOf(aac!.frames.slice(judged)) < sizeOf(frames.slice(judged)) / 2);
  });
});
