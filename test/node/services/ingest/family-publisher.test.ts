import assert from "node:assert/strict";
import { nativeStatements } from "@leat/node/kernel/secp.ts";
import { SegmentVerifier } from "@leat/node/services/delivery/segment-verifier.ts";
import { FamilyPublisher } from "@leat/node/services/ingest/family-publisher.ts";
import { FamilyTrack } from "@leat/node/services/ingest/family-track.ts";
import type { BegunSegment } from "@leat/node/services/ingest/made-range.ts";
import { PublishedLog } from "@leat/node/services/ingest/published-log.ts";
import type { MadeRung } from "@leat/node/services/ingest/rung-intake.ts";
import { packSegment } from "@leat/node/services/jobs/packed-segment.ts";
import type { MediaMessage } from "@leat/node/wire/media/message.ts";
import { createDomain } from "@leat/sdk/protocol/eip712.ts";
import { type Frame, isSameConfig, type VideoConfig } from "@leat/sdk/protocol/frame.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import { encodeFragmented } from "../../../support/media/ffmpeg.ts";
import { readTrack } from "../../../support/media/mp4-reader.ts";

const stream: Hex = `0x${"5e".repeat(32)}`;
const domain = createDomain(31_337, `0x${"e5".repeat(20)}`);
const signer = nativeStatements.createSigner(new Uint8Array(32).fill(7));
const renditions = [1, 2].map(
  (rung) => ({ rung, name: `r${rung}`, kind: "video", codec: "h264", family: "h264", bitrate: 1 }) as RenditionInfo,
);
const pictures = 60;
const duration = 3_000;

describe("family publisher", () => {
  let whole: { config: VideoConfig; frames: Frame[] };
  let rest: Frame[];
  let otherConfig: VideoConfig;
  let log: PublishedLog;
  let abandoned: number[];
  let begun: Map<number, BegunSegment & { shownAt: number[]; isComplete: boolean }>;
  let publisher: FamilyPublisher;

  before(async () => {
    whole = await encode(0);
    // Pictures 14 to 59, as a transcoder makes them that begins there: a quarter of a second is seven pictures.
    const later = await encode(14);
    assert.ok(isSameConfig(whole.config, later.config));
    rest = later.frames.map((frame, at) => ({ ...frame, dts: (14 + at) * duration, pts: (14 + at) * duration }));
    otherConfig = (await encode(0, "baseline")).config;
  });

  beforeEach(() => {
    log = new PublishedLog({
      stream,
      signer,
      domain,
      partTargetMs: () => 250,
      keptSegments: 5,
      onFault: assert.ifError,
    });
    abandoned = [];
    begun = new Map([0, 1].map((sequence) => [sequence, begunAt(sequence)]));
    publisher = new FamilyPublisher(new FamilyTrack("h264", renditions, 0), {
      log,
      begun: (sequence) => begun.get(sequence),
      isGone: () => false,
      onAbandoned: (sequence) => abandoned.push(sequence),
    });
    publisher.attach("first", 0);
  });

  function begunAt(sequence: number) {
    const pts = sequence * pictures * duration;
    const boundary = { sequence, epoch: 0, pts, forced: false, discontinuity: false, firstFrame: sequence * pictures };
    const shownAt = Array.from({ length: pictures }, (_, at) => pts + at * duration);
    return { boundary, wallClockMs: 0, shownAt, isComplete: true };
  }

  function give(rung: number, frames: readonly Frame[], { sequence = 0, config = whole.config } = {}): void {
    for (const frame of frames) publisher.take(rung, { sequence, config, frame });
  }

  const made = (frames: readonly Frame[]): MadeRung[] =>
    [1, 2].map((rung) => ({ rung, version: 0, config: whole.config, frames }));

  it("publishes a picture when all rungs have it, before the segment is whole", async () => {
    begun.get(0)!.isComplete = false;
    give(1, whole.frames.slice(0, 20));
    give(2, whole.frames.slice(0, 9));
    const messages = await published();
    assert.deepEqual(shown(messages, 1), picturesOf(0, 9));
    assert.deepEqual(shown(messages, 2), picturesOf(0, 9));
    assert.equal(messages.filter(({ type }) => type === "partMark").length, 2);
    assert.equal(messages.filter(({ type }) => type === "segmentEnd").length, 0);
  });

  it("goes on with a key frame behind the last whole part when its maker dies, and changes no part", async () => {
    give(1, whole.frames.slice(0, 20));
    give(2, whole.frames.slice(0, 18));
    const before = partsOf(await published(), 1);
    assert.equal(before.length, 2);
    const start = publisher.attach("second", 0);
    assert.deepEqual(start, {
      sequence: 0,
      rest: { maker: "second", sequence: 0, fromPts: 13 * duration + 1, picture: 14, part: 2 },
    });
    give(1, rest);
    give(2, rest);
    log.close();
    const messages = await published();
    for (const rung of [1, 2]) {
      const parts = partsOf(messages, rung);
      assert.deepEqual(parts.slice(0, 2), before);
      assert.equal(parts.length, 9);
      assert.deepEqual(shown(messages, rung), picturesOf(0, 60));
    }
    // What is paid is the rest, by the parts as they are published.
    const range = publisher.find(0, "second")!;
    const own = packSegment({
      rung: 1,
      sequence: 0,
      config: whole.config,
      frames: rest,
      partTargetMs: 250,
      firstPart: 2,
    });
    const packed = publisher.packedAs(range, made(rest))!;
    assert.deepEqual(packed[0]!.parts, own.parts);
    assert.deepEqual(
      own.parts.map(({ sha256 }) => sha256),
      partsOf(messages, 1).slice(2),
    );
    assert.equal(publisher.find(0, "first"), undefined);
  });

  it("closes the segment with its whole parts where the next maker's configuration is another", async () => {
    give(1, whole.frames.slice(0, 20));
    give(2, whole.frames.slice(0, 20));
    publisher.attach("second", 0);
    give(1, rest, { config: otherConfig });
    give(2, rest, { config: otherConfig });
    assert.deepEqual(abandoned, [0]);
    const next = whole.frames.map((frame) => ({ ...frame, dts: frame.dts + 180_000, pts: frame.pts + 180_000 }));
    give(1, next, { sequence: 1, config: otherConfig });
    give(2, next, { sequence: 1, config: otherConfig });
    log.close();
    const messages = await published();
    assert.deepEqual(shown(messages, 1), [...picturesOf(0, 14), ...picturesOf(60, 120)]);
    const configs = messages.flatMap((message) =>
      message.type === "config" ? [`${message.rung} ${message.version}`] : [],
    );
    assert.deepEqual(configs.sort(), ["1 0", "1 1", "2 0", "2 1"]);
  });

  /** More pictures in one segment than a part may have, a tick apart. */
  function beginDense(count: number): Frame[] {
    const dense = Array.from({ length: count }, (_, at): Frame => {
      const frame = whole.frames[at === 0 ? 0 : 1]!;
      return { ...frame, key: at === 0, dts: at, pts: at, duration: 0 };
    });
    begun.set(0, { ...begun.get(0)!, shownAt: dense.map(({ pts }) => pts), isComplete: false });
    return dense;
  }

  it("refuses pictures that fill no part, before it signs for more than edges take", async () => {
    const dense = beginDense(251);
    for (const rung of [1, 2]) give(rung, dense.slice(0, 250));
    give(1, dense.slice(250));
    assert.throws(() => give(2, dense.slice(250)), { code: "INGEST_PART_ENDLESS" });
    assert.throws(() => give(2, dense.slice(0, 1)), { code: "INGEST_PART_ENDLESS" });
    publisher.attach("second", 0);
    begun.set(0, begunAt(0));
    give(1, whole.frames);
    give(2, whole.frames);
    log.close();
    const messages = await published();
    for (const rung of [1, 2]) assert.deepEqual(shown(messages, rung), picturesOf(0, 60));
  });

  it("tells the source's side nothing of a picture that its maker sent too early, and its maker with the next", () => {
    const segment = begun.get(0)!;
    const { shownAt } = segment;
    begun.set(0, { ...segment, shownAt: shownAt.slice(0, 1), isComplete: false });
    const [first, second] = whole.frames;
    for (const rung of [1, 2]) give(rung, [first!, { ...second!, dts: first!.dts }]);
    begun.set(0, segment);
    publisher.completed();
    assert.throws(() => give(1, whole.frames.slice(2, 3)), { code: "PACKAGER_FRAME_TIME" });
  });

  it("ends no rung of which no part is whole, where its maker failed between two rungs of a picture", async () => {
    const [bad] = whole.frames.slice(7, 8).map((frame) => ({ ...frame, dts: 6 * duration }));
    give(1, whole.frames.slice(0, 8));
    give(2, whole.frames.slice(0, 7));
    assert.throws(() => give(2, [bad!]), { code: "PACKAGER_FRAME_TIME" });
    publisher.attach("second", 0);
    give(1, rest, { config: otherConfig });
    give(2, rest, { config: otherConfig });
    log.close();
    const ends = (await published()).flatMap((message) =>
      message.type === "segmentEnd" ? [[message.rung, message.frames]] : [],
    );
    assert.deepEqual(ends, [[1, 7]]);
  });

  it("goes on at once with a later segment where those before are given up, and keeps what is out of the one half done", () => {
    begun.set(2, begunAt(2));
    for (const rung of [1, 2]) give(rung, whole.frames.slice(0, 20));
    publisher.attach("second", 2);
    publisher.beginAt(2);
    publisher.track.skipTo(2);
    assert.deepEqual(abandoned, [0]);
    const later = 2 * pictures * duration;
    const frames = whole.frames.map((frame) => ({ ...frame, dts: frame.dts + later, pts: frame.pts + later }));
    for (const rung of [1, 2]) give(rung, frames.slice(0, 20), { sequence: 2 });
    assert.deepEqual(
      [0, 1, 2].map((sequence) => publisher.isShown(sequence)),
      [false, false, true],
    );
  });

  it("begins a segment anew of which no part is whole", async () => {
    give(1, whole.frames.slice(0, 5));
    give(2, whole.frames.slice(0, 5));
    assert.deepEqual(publisher.attach("second", 0), { sequence: 0 });
    give(1, whole.frames);
    give(2, whole.frames);
    log.close();
    assert.deepEqual(shown(await published(), 2), picturesOf(0, 60));
    assert.equal(publisher.find(0, "second")!.picture, 0);
  });

  it("gives up nothing that its maker sends again, and pays nobody for what nobody signed", async () => {
    give(1, whole.frames);
    give(2, whole.frames);
    // The connection broke before the receipt: the same maker sends all again.
    assert.deepEqual(publisher.attach("first", 1), { sequence: 1 });
    give(1, whole.frames);
    assert.ok(publisher.packedAs(publisher.find(0, "first")!, made(whole.frames)));
    const altered = whole.frames.map((frame, at) =>
      at === 30 ? { ...frame, data: frame.data.map((byte) => byte ^ 1) } : frame,
    );
    assert.equal(publisher.packedAs(publisher.find(0, "first")!, made(altered)), undefined);
    assert.deepEqual(abandoned, []);
    assert.deepEqual(publisher.attach("second", 0), { sequence: 1 });
    assert.deepEqual(abandoned, [0]);
    log.close();
    assert.deepEqual(shown(await published(), 1), picturesOf(0, 60));
  });

  it("goes on behind what its maker made whole and did not sign for, and still waits for what it signed", () => {
    for (const rung of [1, 2]) give(rung, whole.frames);
    const next = whole.frames.map((frame) => ({ ...frame, ...shift(frame, 1) }));
    for (const rung of [1, 2]) give(rung, next, { sequence: 1 });
    assert.deepEqual(publisher.attach("first", 1), { sequence: 2 });
    assert.deepEqual(abandoned, [1]);
    publisher.settle(1);
    assert.ok(publisher.packedAs(publisher.find(0, "first")!, made(whole.frames)));
    assert.equal(publisher.find(1, "first"), undefined);
  });

  it("forgets what nobody can judge any more, once, and by the word of its maker alone", () => {
    for (const rung of [1, 2]) give(rung, whole.frames);
    publisher.giveUp(0, "replaced");
    assert.deepEqual([abandoned, publisher.isShown(0)], [[], true]);
    for (let turn = 0; turn < 2; turn += 1) publisher.giveUp(0, "first");
    assert.deepEqual([abandoned, publisher.isShown(0)], [[0], false]);
  });

  it("waits for what its maker signed and sends again, however late it comes back, and no longer than it does so", () => {
    for (const sequence of [10, 11]) begun.set(sequence, begunAt(sequence));
    const moved = (sequence: number) => whole.frames.map((frame) => ({ ...frame, ...shift(frame, sequence) }));
    const comeBackLate = () => {
      assert.deepEqual(publisher.attach("first", 2), { sequence: 2 });
      publisher.beginAt(10);
      publisher.track.skipTo(10);
    };
    for (const rung of [1, 2]) give(rung, whole.frames);
    for (const rung of [1, 2]) give(rung, moved(1).slice(0, 20), { sequence: 1 });
    comeBackLate();
    for (const rung of [1, 2]) give(rung, moved(1), { sequence: 1 });
    assert.notEqual(publisher.find(1, "first"), undefined);
    for (const rung of [1, 2]) give(rung, moved(10).slice(0, 20), { sequence: 10 });
    assert.equal(publisher.isShown(10), true);
    assert.deepEqual(abandoned, []);
    // It broke its word: what is half done stays so.
    assert.deepEqual(publisher.attach("first", 11), { sequence: 11 });
    publisher.beginAt(11);
    publisher.track.skipTo(11);
    assert.deepEqual(abandoned, []);
    for (const rung of [1, 2]) give(rung, moved(11).slice(0, 20), { sequence: 11 });
    assert.deepEqual(abandoned, [10]);
    assert.equal(publisher.isShown(11), true);
  });

  it("holds what is shown until it is judged or given up, and of one who signs for nothing the newest alone", () => {
    const segments = 34;
    for (let sequence = 0; sequence < segments; sequence += 1) {
      begun.set(sequence, begunAt(sequence));
      const moved = (frame: Frame) => ({ ...frame, ...shift(frame, sequence) });
      for (const rung of [1, 2]) give(rung, whole.frames.map(moved), { sequence });
    }
    assert.deepEqual(abandoned, [0, 1]);
    assert.deepEqual(
      [0, 1, 2, 33, 34].map((sequence) => publisher.isShown(sequence)),
      [false, false, true, true, false],
    );
    publisher.settle(2);
    assert.deepEqual([publisher.isShown(2), publisher.isShown(3)], [false, true]);
    publisher.attach("second", 0);
    assert.equal(publisher.isShown(33), false);
    give(
      1,
      whole.frames.slice(0, 10).map((frame) => ({ ...frame, ...shift(frame, segments) })),
      { sequence: segments },
    );
    assert.equal(publisher.isShown(segments), false);
  });

  const shift = ({ pts, dts }: Frame, sequence: number) => {
    const ticks = sequence * pictures * duration;
    return { pts: pts + ticks, dts: dts + ticks };
  };

  it("stops at a picture that the source does not have next, at one of another size and at a rest without a key", async () => {
    give(1, [...whole.frames.slice(0, 10), ...whole.frames.slice(11)]);
    give(2, [...whole.frames.slice(0, 10), ...whole.frames.slice(11)]);
    assert.deepEqual(shown(await published(), 1), picturesOf(0, 10));
    publisher.attach("second", 0);
    const at7 = rest.map((frame, at) => ({ ...frame, dts: (7 + at) * duration, pts: (7 + at) * duration }));
    const small = { ...whole.config, width: 32 };
    for (const rung of [1, 2]) give(rung, at7, { config: small });
    assert.deepEqual(shown(await published(), 1), picturesOf(0, 7));
    publisher.attach("third", 0);
    for (const rung of [1, 2]) give(rung, [{ ...at7[1]!, pts: at7[0]!.pts, dts: at7[0]!.dts }, ...at7.slice(1)]);
    assert.deepEqual(shown(await published(), 1), picturesOf(0, 7));
    publisher.attach("fourth", 0);
    for (const rung of [1, 2]) give(rung, at7);
    assert.deepEqual(shown(await published(), 1), picturesOf(0, 53));
  });

  /** What an edge would get now. */
  async function published(): Promise<MediaMessage[]> {
    const messages: MediaMessage[] = [];
    const enough = new AbortController();
    const reading = log.readFrom(0, enough.signal);
    for (let left = log.size; left > 0; left -= 1) {
      const next = await reading.next();
      if (next.done === true) break;
      messages.push(next.value);
      if (next.value.type === "config") left += 1;
    }
    enough.abort();
    return messages;
  }
});

/** The hashes of a rung's parts as an edge makes and verifies them. */
function partsOf(messages: readonly MediaMessage[], rung: number): Uint8Array[] {
  const hashes: Uint8Array[] = [];
  const rules = {
    stream,
    origin: signer.address,
    statements: nativeStatements,
    domain,
    partTargetMs: 250,
    maxBytes: 1e7,
    findsCaptions: false,
  };
  const configs = new Map<number, VideoConfig>();
  let verifier: SegmentVerifier | undefined;
  for (const message of messages) {
    if (!("rung" in message) || message.rung !== rung) continue;
    if (message.type === "config") configs.set(message.version, message.config as VideoConfig);
    if (message.type === "segmentStart")
      verifier = new SegmentVerifier(message, configs.get(message.configVersion)!, rules);
    if (message.type === "frame")
      hashes.push(...[verifier!.push(message.frame)?.sha256].filter((hash) => hash !== undefined));
    if (message.type === "partMark") verifier!.mark(message);
    if (message.type === "partRestart") verifier!.restartPart();
    if (message.type === "segmentEnd") hashes.push(verifier!.finish(message).parts.at(-1)!.sha256);
  }
  return hashes;
}

/** The pictures that a rung's viewers see, by number. */
function shown(messages: readonly MediaMessage[], rung: number): number[] {
  const numbers: number[] = [];
  let open = 0;
  for (const message of messages) {
    if (!("rung" in message) || message.rung !== rung) continue;
    if (message.type === "segmentStart") open = numbers.length;
    if (message.type === "frame") numbers.push(message.frame.pts / duration);
    if (message.type === "partMark") open = numbers.length;
    if (message.type === "partRestart") numbers.length = open;
  }
  return numbers;
}

const picturesOf = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);

async function encode(from: number, profile = "high"): Promise<{ config: VideoConfig; frames: Frame[] }> {
  const trim = `trim=start_frame=${from},setpts=PTS-STARTPTS`;
  const source = ["-f", "lavfi", "-i", "testsrc2=size=64x48:rate=30:duration=2", "-vf", trim];
  const x264 = ["-c:v", "libx264", "-preset", "veryfast", "-profile:v", profile, "-bf", "0", "-g", "600"];
  const { config, frames } = readTrack(await encodeFragmented(source, [...x264, "-pix_fmt", "yuv420p"]));
  const timed = frames.map((frame, at) => ({ ...frame, dts: at * duration, pts: at * duration, duration, epoch: 0 }));
  return { config: config as VideoConfig, frames: timed };
}
