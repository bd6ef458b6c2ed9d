import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findPictureFault } from "@leat/node/media/verification/pictures.ts";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { VideoCodec } from "@leat/sdk/protocol/frame.ts";
import type { LiveInput, LiveSpec, StoredEngineName } from "@leat/transcoder/engine.ts";
import type { ResolvedRung } from "@leat/transcoder/ladder.ts";
import { resolveLadder } from "@leat/transcoder/ladder.ts";
import { transcodeFile } from "@leat/transcoder/stored.ts";
import { readBarcodes, readMedia, readSight, writePattern } from "@leat/transcoder/tools/media.ts";
import type { MediaItem, PatternOptions } from "@leat/transcoder/tools/media-item.ts";
import type { RungOutput } from "../support/live-run.ts";
import { EventedLive, runLive, videoConfigs, videoFrames, withBoundaries } from "../support/live-run.ts";
import { encodeVp8 } from "../support/media/ivf.ts";
import { readBoxes } from "../support/media/mp4-reader.ts";

const PATTERN: PatternOptions = { width: 320, height: 240, fps: 30, durationS: 4, keyframeEveryS: 2 };
const SOUND = { audioBitrate: 64_000 } as const;

function ladderFor(codec: VideoCodec, width: number, height: number): readonly ResolvedRung[] {
  const ladder = [
    { name: "240", codec, height: 240, videoBitrate: 500_000, ...SOUND },
    { name: "144", codec, height: 144, videoBitrate: 250_000, ...SOUND },
  ];
  return resolveLadder(ladder, { width, height }).rungs;
}

function byTime<T extends { pts: number }>(frames: readonly T[]): T[] {
  return frames.toSorted((left, right) => left.pts - right.pts);
}

/** One output frame for each input frame, with its times, and key frames exactly where segments begin. */
function assertWhole(rung: RungOutput, inputs: readonly LiveInput[]): void {
  const frames = inputs.flatMap((input) => (input.type === "frame" ? [input.frame] : []));
  const epochs = [...new Set(frames.map((frame) => frame.epoch))];
  const wanted = epochs.flatMap((epoch) => byTime(frames.filter((frame) => frame.epoch === epoch)));
  const times = ({ epoch, pts, duration }: { epoch: number; pts: number; duration: number }) => ({
    epoch,
    pts,
    duration,
  });
  assert.deepEqual(
    rung.frames.map(({ frame }) => times(frame)),
    wanted.map(times),
  );
  for (const [index, { sequence, frame }] of rung.frames.entries()) {
    const isFirst = sequence !== rung.frames[index - 1]?.sequence;
    assert.equal(frame.key, isFirst, `frame ${index} of segment ${sequence}`);
    assert.equal(frame.dts, frame.pts);
  }
  const counts = new Map<number, number>();
  for (const { sequence } of rung.frames) counts.set(sequence, (counts.get(sequence) ?? 0) + 1);
  assert.deepEqual(
    rung.segments.map(({ sequence, summary }) => [sequence, summary.frames]),
    [...counts],
  );
}

/** What a live transcode's settings say of the engine. */
export type EngineFacts = () => Pick<LiveSpec, "engine" | "gateway">;

/** What every engine does alike with the codec that all of them encode. */
export function describeH264(facts: EngineFacts): void {
  let items: readonly MediaItem[] = [];

  before(async function () {
    this.timeout(60_000);
    items = await readMedia({ pattern: PATTERN });
  });

  itCutsExactly("h264", facts, () => items);

  it("gives all of a segment that is ended before it gets anything of the next, and goes on with the same configuration", async function () {
    this.timeout(60_000);
    const reordered = await readMedia({ pattern: { ...PATTERN, bFrames: 2, audio: false } });
    const frames = videoFrames(reordered);
    const inputs = withBoundaries(frames, [keyAt(reordered, 60)]);
    const cut = inputs.findLastIndex(({ type }) => type === "boundary");
    const rungs = ladderFor("h264", 320, 240);
    const live = new EventedLive({ source: videoConfigs(reordered)[0]!, rungs, ...facts() });
    try {
      for (const input of inputs.slice(0, cut)) await live.worker.push(input);
      await live.worker.push({ type: "segmentEnd" });
      await live.until(() => live.output.every(({ segments }) => segments.length === 1));
      assert.deepEqual(
        live.output.map(({ frames: out }) => out.length),
        rungs.map(() => 60),
      );
      for (const input of inputs.slice(cut)) await live.worker.push(input);
      await live.worker.end();
    } finally {
      live.worker.kill();
    }
    for (const rung of live.output) {
      assertWhole(rung, inputs);
      assert.equal(rung.configs.length, 1);
      const numbers = await readBarcodes(
        rung.configs[0]!,
        rung.frames.map(({ frame }) => frame),
      );
      assert.deepEqual(
        numbers,
        Array.from({ length: 120 }, (_, number) => number),
      );
    }
  });

  it("keeps the captions of each picture of H.264, over segments", async function () {
    this.timeout(60_000);
    const source = await readMedia({ pattern: { ...PATTERN, durationS: 1, captions: true } });
    const [config] = videoConfigs(source);
    const frames = videoFrames(source);
    const wanted = Array.from({ length: 30 }, (_, number) => `fc00${number.toString(16).padStart(2, "0")}`);
    assert.deepEqual((await readSight(config!, frames)).captions, wanted);
    const cut = frames.findIndex((frame) => frame.pts === byTime(frames)[15]!.pts);
    const rungs = ladderFor("h264", 320, 240);
    const output = await runLive({ source: config!, rungs, ...facts() }, withBoundaries(frames, [cut]));
    for (const rung of output.rungs) {
      const made = rung.frames.map(({ frame }) => frame);
      assert.deepEqual((await readSight(rung.configs[0]!, made)).captions, wanted);
    }
  });
}

function itCutsExactly(codec: "h264" | "vp9", facts: EngineFacts, items: () => readonly MediaItem[]): void {
  it(`gives each ${codec} rung every picture once, cut exactly at the boundaries`, async function () {
    this.timeout(60_000);
    const [source] = videoConfigs(items());
    const frames = videoFrames(items());
    // The second boundary is forced: no source key frame stands there.
    const inputs = withBoundaries(frames, [keyAt(items(), 60), firstAfter(items(), 90)], 5);
    const rungs = ladderFor(codec, 320, 240);
    const output = await runLive({ source: source!, rungs, ...facts() }, inputs);
    for (const [index, rung] of output.rungs.entries()) {
      assertWhole(rung, inputs);
      assert.deepEqual(
        rung.segments.map(({ sequence }) => sequence),
        [5, 6, 7],
      );
      const [config] = rung.configs;
      assert.equal(rung.configs.length, 1);
      assert.deepEqual(
        [config!.codec, config!.width, config!.height],
        [codec, rungs[index]!.width, rungs[index]!.height],
      );
      assert.match(config!.codecString, codec === "h264" ? /^avc1\.6400[0-9a-f]{2}$/ : /^vp09\.00\.\d\d\.08$/);
      const numbers = await readBarcodes(
        config!,
        rung.frames.map(({ frame }) => frame),
      );
      assert.deepEqual(
        numbers,
        Array.from({ length: 120 }, (_, number) => number),
      );
    }
    assert.ok(output.cpuMs > 0);
  });
}

/** What every engine does alike that is made of FFmpeg. */
export function describeEngine(engine: StoredEngineName): void {
  describeH264(() => ({ engine }));
  itCutsExactly(
    "vp9",
    () => ({ engine }),
    () => items,
  );

  let items: MediaItem[] = [];
  let directory = "";

  before(async function () {
    this.timeout(60_000);
    items = await readMedia({ pattern: PATTERN });
    directory = await mkdtemp(join(tmpdir(), "leat-engine-"));
  });

  after(() => rm(directory, { recursive: true, force: true }));

  for (const [codec, pattern] of [
    ["hevc", /^hvc1\.1\.6\.L\d+\.[0-9A-F.]+$/],
    ["av1", /^av01\.0\.\d\dM\.08$/],
  ] as const) {
    it(`gives a ${codec} rung every picture once, cut exactly at a boundary that is forced`, async function () {
      this.timeout(60_000);
      const inputs = withBoundaries(videoFrames(items).slice(0, 60), [firstAfter(items, 30)]);
      const rungs = ladderFor(codec, 320, 240).slice(1);
      const output = await runLive({ source: videoConfigs(items)[0]!, rungs, engine }, inputs);
      const [rung] = output.rungs;
      assertWhole(rung!, inputs);
      const [config, ...others] = rung!.configs;
      assert.equal(others.length, 0);
      assert.deepEqual([config!.codec, config!.width, config!.height], [codec, 192, 144]);
      assert.match(config!.codecString, pattern);
      const frames = rung!.frames.map(({ frame }) => frame);
      assert.deepEqual(
        await readBarcodes(config!, frames),
        Array.from({ length: 60 }, (_, number) => number),
      );
      // What checks the work reads the same out of the bytes.
      assert.equal(findPictureFault(config!, frames, { width: 192, height: 144 }), undefined);
    });
  }

  it("gives every picture of a source in VP8 once, also where its size changes", async function () {
    this.timeout(60_000);
    const [small, large] = await Promise.all([makeVp8(directory, 320, 0), makeVp8(directory, 426, 500)]);
    const cut = small.frames.findLastIndex(({ key }) => key);
    assert.deepEqual([small.frames.length, cut], [30, 15]);
    const later = large.frames.map((frame) => ({ ...frame, epoch: 1, configVersion: 2 }));
    const inputs: LiveInput[] = [
      ...withBoundaries(small.frames, [cut]),
      { type: "config", version: 2, config: large.config },
      ...withBoundaries(later, [], 2),
    ];
    for (const codec of ["h264", "vp9"] as const) {
      const rungs = ladderFor(codec, 320, 240).slice(1);
      const output = await runLive({ source: small.config, rungs, engine }, inputs);
      const [rung] = output.rungs;
      assertWhole(rung!, inputs);
      assert.deepEqual(
        rung!.segments.map(({ summary }) => summary.concealed),
        [0, 0, 0],
      );
      const numbers = await readBarcodes(
        rung!.configs[0]!,
        rung!.frames.map(({ frame }) => frame),
      );
      assert.deepEqual(
        numbers,
        Array.from({ length: 60 }, (_, at) => (at < 30 ? at : 470 + at)),
      );
    }
  });

  it("goes on through a new epoch and another source size", async function () {
    this.timeout(60_000);
    const other = await readMedia({ pattern: { ...PATTERN, width: 426, height: 240, durationS: 1, firstNumber: 500 } });
    const first = videoFrames(items).slice(0, 45);
    const second = videoFrames(other).map((frame) => ({ ...frame, epoch: 1, configVersion: 2 }));
    const inputs: LiveInput[] = [
      ...withBoundaries(first, []),
      { type: "config", version: 2, config: videoConfigs(other)[0]! },
      ...withBoundaries(second, [], 1),
    ];
    const output = await runLive(
      { source: videoConfigs(items)[0]!, rungs: ladderFor("h264", 320, 240), engine },
      inputs,
    );
    for (const rung of output.rungs) {
      assertWhole(rung, inputs);
      assert.deepEqual(
        rung.segments.map(({ sequence }) => sequence),
        [0, 1],
      );
      const numbers = await readBarcodes(
        rung.configs[0]!,
        rung.frames.map(({ frame }) => frame),
      );
      assert.deepEqual(
        numbers.slice(-30),
        Array.from({ length: 30 }, (_, number) => 500 + number),
      );
    }
  });

  it("shows the picture before where the source's is broken, and counts it", async function () {
    this.timeout(60_000);
    const frames = videoFrames(items).map((frame, index) => {
      return index === 20 || index === 21 ? { ...frame, data: new Uint8Array([0, 0, 0, 1, 1]) } : frame;
    });
    const inputs = withBoundaries(frames, []);
    const output = await runLive(
      { source: videoConfigs(items)[0]!, rungs: ladderFor("h264", 320, 240), engine },
      inputs,
    );
    for (const rung of output.rungs) {
      assertWhole(rung, inputs);
      assert.ok(rung.segments[0]!.summary.concealed >= 1);
    }
  });

  it("shows the picture before where one of VP8 is not to be shown, and counts it", async function () {
    this.timeout(60_000);
    const { config, frames } = await makeVp8(directory, 320, 0);
    const isShown = 0x10;
    const hidden = frames.map((frame, at) => {
      return at === 10 ? { ...frame, data: frame.data.with(0, frame.data[0]! & ~isShown) } : frame;
    });
    const inputs = withBoundaries(hidden, []);
    const rungs = ladderFor("h264", 320, 240).slice(1);
    const [rung] = (await runLive({ source: config, rungs, engine }, inputs)).rungs;
    assertWhole(rung!, inputs);
    assert.equal(rung!.segments[0]!.summary.concealed, 1);
    const numbers = await readBarcodes(
      rung!.configs[0]!,
      rung!.frames.map(({ frame }) => frame),
    );
    assert.deepEqual(numbers.slice(8, 13), [8, 9, 9, 11, 12]);
  });

  it("writes one whole MP4 for each rung of a file, and names what it dropped", async function () {
    this.timeout(60_000);
    const input = join(directory, "pattern.flv");
    const outDir = join(directory, "out");
    await writePattern(input, PATTERN);
    const ladder = [
      { name: "big", codec: "h264", height: 720, videoBitrate: 500_000, ...SOUND },
      { name: "same", codec: "h264", height: 480, videoBitrate: 500_000, ...SOUND },
      { name: "vp9", codec: "vp9", height: 144, videoBitrate: 250_000, ...SOUND },
    ] as const;
    const report = await transcodeFile({ input, ladder, outDir, engine });
    const { durationMs, ...source } = report.source;
    assert.deepEqual(source, { codec: "h264", width: 320, height: 240, frames: 120 });
    // FLV rounds each time to a millisecond.
    assert.ok(Math.abs(durationMs - 4000) <= 2);
    assert.deepEqual(
      report.renditions.map(({ name, codec, width, height, frames, durationMs }) => [
        name,
        codec,
        width,
        height,
        frames,
        durationMs,
      ]),
      [
        ["big", "h264", 320, 240, 120, durationMs],
        ["vp9", "vp9", 192, 144, 120, durationMs],
      ],
    );
    assert.deepEqual(report.dropped, [{ name: "same", reason: "same as big: h264 320x240" }]);
    assert.ok(report.cpuMs > 0 && report.wallMs > 0);
    assert.deepEqual((await readdir(outDir)).toSorted(), ["big.mp4", "vp9.mp4"]);
    for (const name of ["big", "vp9"]) {
      const types = readBoxes(await readFile(join(outDir, `${name}.mp4`))).map(({ type }) => type);
      assert.ok(types.indexOf("moov") < types.indexOf("mdat"), `${name}: ${types}`);
    }
    const frames = videoFrames(await readMedia(join(outDir, "big.mp4")));
    assert.equal(frames.length, 120);
  });

  it("leaves nothing behind where the input is no video", async () => {
    const input = join(directory, "noise.mp4");
    const outDir = join(directory, "none");
    await writeFile(input, Buffer.alloc(4096, "leat"));
    const ladder = [{ name: "a", codec: "h264", height: 144, videoBitrate: 250_000, ...SOUND }] as const;
    await assert.rejects(
      transcodeFile({ input, ladder, outDir, engine }),
      (error) => isCodedError(error) && error.code === "TRANSCODE_INPUT_UNREADABLE",
    );
    assert.deepEqual(await readdir(outDir), []);
  });
}

/** A second of the pattern in VP8, with two key frames. */
async function makeVp8(directory: string, width: number, firstNumber: number) {
  const input = join(directory, `for-vp8-${width}.flv`);
  await writePattern(input, { ...PATTERN, width, durationS: 1, firstNumber, audio: false });
  return encodeVp8(["-i", input], PATTERN.fps, 15);
}

/** Where the key frame number `shown` stands in decoding order. */
function keyAt(items: readonly MediaItem[], shown: number): number {
  const frames = videoFrames(items);
  const wanted = byTime(frames)[shown]!;
  assert.ok(wanted.key);
  return frames.indexOf(wanted);
}

/** The first frame from there on that is shown after all before it, and is no key frame: B-frames may follow it. */
function firstAfter(items: readonly MediaItem[], from: number): number {
  const frames = videoFrames(items);
  const found = frames.findIndex((frame, index) => {
    return index >= from && !frame.key && frames.slice(0, index).every((before) => before.pts < frame.pts);
  });
  assert.ok(found > 0);
  return found;
}
