import assert from "node:assert/strict";
import { BoundaryMaker, type CompletedSegment } from "@leat/node/media/boundaries.ts";
import type { Boundary, Frame } from "@leat/sdk/protocol/frame.ts";
import fc from "fast-check";

interface Outcome {
  boundaries: Boundary[];
  completed: CompletedSegment[];
  /** Display times by segment. */
  members: Map<number, number[]>;
  maker: BoundaryMaker;
}

function runMaker(frames: readonly Frame[], maker = new BoundaryMaker()): Outcome {
  const outcome: Outcome = { boundaries: [], completed: [], members: new Map(), maker };
  for (const frame of frames) {
    const step = maker.push(frame);
    if (step.boundary !== undefined) outcome.boundaries.push(step.boundary);
    outcome.completed.push(...step.completed);
    if (step.sequence === undefined) continue;
    outcome.members.set(step.sequence, [...(outcome.members.get(step.sequence) ?? []), frame.pts]);
  }
  outcome.completed.push(...maker.finish());
  return outcome;
}

function makeFrames(
  count: number,
  options: { ticks: number; keyEvery: number; bFrames?: boolean; epoch?: number },
): Frame[] {
  const { ticks, keyEvery, bFrames = false, epoch = 0 } = options;
  // I0 P3 B1 B2 P6 B4 B5 …, closed at each key frame; shown two frames after they decode.
  return Array.from({ length: count }, (_, index) => {
    const inGroup = index % keyEvery;
    const left = Math.min(keyEvery - 1 - (inGroup - ((inGroup - 1) % 3)), 2);
    const shift = inGroup === 0 || left < 2 ? 0 : [2, -1, -1][(inGroup - 1) % 3]!;
    const pts = bFrames ? index + 2 + shift : index;
    return makeFrame({ dts: index * ticks, pts: pts * ticks, duration: ticks, key: inGroup === 0, epoch });
  });
}

function makeFrame(facts: Partial<Frame>): Frame {
  const dts = facts.dts ?? 0;
  const data = new Uint8Array(1);
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

function assertWhole({ boundaries, completed, members }: Outcome, frames: number): void {
  assert.deepEqual(
    completed.map((segment) => [segment.sequence, segment.frames, segment.firstFrame]),
    boundaries.map((boundary) => [boundary.sequence, members.get(boundary.sequence)!.length, boundary.firstFrame]),
  );
  let total = 0;
  for (const segment of completed) {
    assert.equal(segment.firstFrame, total);
    total += segment.frames;
  }
  assert.equal(total, frames);
}

describe("boundaries", () => {
  it("ends a segment where its sender says so, and begins the next on the same clock without a break", () => {
    const maker = new BoundaryMaker();
    const frames = makeFrames(40, { ticks: 3_000, keyEvery: 10, bFrames: true });
    const first = frames.slice(0, 20).map((frame) => maker.push(frame));
    assert.deepEqual(
      maker.cut().map(({ sequence, frames: count }) => [sequence, count]),
      [[0, 20]],
    );
    assert.deepEqual(maker.cut(), []);
    const second = frames.slice(20, 30).map((frame) => maker.push(frame));
    assert.deepEqual(
      maker.cut().map(({ sequence, frames: count }) => [sequence, count]),
      [[1, 10]],
    );
    const boundaries = [...first, ...second].flatMap(({ boundary }) => (boundary === undefined ? [] : [boundary]));
    assert.deepEqual(
      boundaries.map(({ sequence, pts, forced, discontinuity, firstFrame }) => {
        return { sequence, pts, forced, discontinuity, firstFrame };
      }),
      [
        { sequence: 0, pts: 6_000, forced: false, discontinuity: false, firstFrame: 0 },
        { sequence: 1, pts: 66_000, forced: false, discontinuity: false, firstFrame: 20 },
      ],
    );
  });

  it("forces a boundary behind all that was shown where a sender breaks its word about the key frame", () => {
    const maker = new BoundaryMaker();
    const frames = makeFrames(30, { ticks: 3_000, keyEvery: 30, bFrames: true });
    for (const frame of frames.slice(0, 10)) maker.push(frame);
    const shown = Math.max(...frames.slice(0, 10).map(({ pts }) => pts));
    maker.cut();
    const [step] = frames.slice(10).map((frame) => maker.push(frame));
    assert.deepEqual([step!.boundary!.forced, step!.boundary!.pts], [true, Math.max(shown + 1, frames[10]!.dts)]);
  });

  it("cuts at the first IDR two seconds after the last boundary", () => {
    const outcome = runMaker(makeFrames(300, { ticks: 3000, keyEvery: 45 }));
    assert.deepEqual(
      outcome.boundaries.map((boundary) => [boundary.sequence, boundary.pts, boundary.forced, boundary.firstFrame]),
      [0, 90, 180, 270].map((first, sequence) => [sequence, first * 3000, false, first]),
    );
    assertWhole(outcome, 300);
  });

  it("takes an IDR at exactly four seconds and forces a boundary one frame later without one", () => {
    assert.deepEqual(
      runMaker(makeFrames(250, { ticks: 3000, keyEvery: 120 })).boundaries.map((boundary) => [
        boundary.pts,
        boundary.forced,
      ]),
      [
        [0, false],
        [360_000, false],
        [720_000, false],
      ],
    );
    assert.deepEqual(
      runMaker(makeFrames(130, { ticks: 3000, keyEvery: 1000 })).boundaries.map((boundary) => [
        boundary.pts,
        boundary.forced,
      ]),
      [
        [0, false],
        [363_000, true],
      ],
    );
  });

  for (const [rate, ticks, keyEvery, bFrames] of [
    [120, 750, 1000, false],
    [120, 750, 300, true],
    [60, 1500, 250, true],
    [30, 3000, 10_000, true],
    [25, 3600, 100, true],
    [1, 90_000, 50, false],
    [1, 90_000, 60, true],
    [0.5, 180_000, 100, false],
  ] as const) {
    it(`keeps every segment within the target duration at ${rate} frames a second${bFrames ? " with B-frames" : ""}`, () => {
      const frames = makeFrames(Math.ceil(rate * 60), { ticks, keyEvery, bFrames });
      const outcome = runMaker(frames);
      assertWhole(outcome, frames.length);
      const starts = outcome.boundaries.map((boundary) => Math.min(...outcome.members.get(boundary.sequence)!));
      for (const [index, start] of starts.slice(1).entries()) {
        assert.ok(Math.round((start - starts[index]!) / 90_000) <= 4);
        // Nothing of an earlier segment shows after a later one's start.
        assert.ok(Math.max(...outcome.members.get(index)!) < start);
      }
    });
  }

  it("starts a segment of its own with a frame that stays for long", () => {
    const times = [0, 0.5, 1, 4.5, 4.6, 5];
    const frames = times.map((time, index) =>
      makeFrame({ dts: time * 90_000, duration: ((times[index + 1] ?? 5.1) - time) * 90_000, key: index === 0 }),
    );
    assert.deepEqual(
      runMaker(frames).boundaries.map((boundary) => boundary.pts / 90_000),
      [0, 1],
    );
  });

  it("drops frames before the first key frame and counts them", () => {
    const frames = makeFrames(100, { ticks: 3000, keyEvery: 30 }).slice(7);
    const outcome = runMaker(frames);
    assert.equal(outcome.maker.dropped, 23);
    assert.equal(outcome.boundaries[0]!.pts, 90_000);
    assertWhole(outcome, 70);
  });

  it("goes on counting over epochs, from where it was told to start", () => {
    const maker = new BoundaryMaker({ sequence: 40, firstFrame: 1000, discontinuity: true });
    const frames = [
      ...makeFrames(90, { ticks: 3000, keyEvery: 60, epoch: 3 }),
      ...makeFrames(30, { ticks: 3000, keyEvery: 60, epoch: 4 }).slice(1),
    ];
    assert.deepEqual(
      runMaker(frames, maker).boundaries.map((item) => [
        item.sequence,
        item.epoch,
        item.pts,
        item.discontinuity,
        item.firstFrame,
        item.forced,
      ]),
      [
        [40, 3, 0, true, 1000, false],
        [41, 3, 180_000, false, 1060, false],
        [42, 4, 3000, true, 1090, true],
      ],
    );
  });

  it("waits for a key frame after a reconnect", () => {
    const maker = new BoundaryMaker();
    runMaker(makeFrames(10, { ticks: 3000, keyEvery: 60 }), maker);
    maker.restart();
    const outcome = runMaker(makeFrames(80, { ticks: 3000, keyEvery: 30, epoch: 1 }).slice(1), maker);
    assert.equal(maker.dropped, 29);
    assert.deepEqual(outcome.boundaries[0], {
      sequence: 1,
      epoch: 1,
      pts: 90_000,
      forced: false,
      discontinuity: true,
      firstFrame: 10,
    });
  });

  it("cuts where the configuration changes", () => {
    const frames = makeFrames(60, { ticks: 3000, keyEvery: 30 }).map((frame, index) => ({
      ...frame,
      configVersion: index < 30 ? 0 : 1,
    }));
    assert.deepEqual(
      runMaker(frames).boundaries.map((boundary) => boundary.pts),
      [0, 90_000],
    );
  });

  it("gives every frame one segment, in order, for any frame times, reordering and key frames", () => {
    const item = fc.record({
      step: fc.integer({ min: 1, max: 400_000 }),
      offset: fc.nat(300_000),
      key: fc.boolean(),
      jump: fc.integer({ min: 0, max: 40 }),
    });
    fc.assert(
      fc.property(fc.array(item, { maxLength: 200 }), (items) => {
        let dts = 0;
        let epoch = 0;
        const seen = new Set<string>();
        const frames: Frame[] = [];
        for (const { step, offset, key, jump } of items) {
          if (jump === 0) epoch += 1;
          let pts = dts + offset;
          while (seen.has(`${epoch}/${pts}`)) pts += 1;
          seen.add(`${epoch}/${pts}`);
          frames.push(makeFrame({ dts, pts, duration: step, key, epoch }));
          dts += step;
        }
        const outcome = runMaker(frames);
        assert.equal(outcome.maker.nextFrame + outcome.maker.dropped, frames.length);
        assert.deepEqual(
          outcome.boundaries.map((boundary) => boundary.sequence),
          outcome.boundaries.map((_, index) => index),
        );
        assert.deepEqual(
          outcome.completed.map((segment) => segment.sequence),
          outcome.boundaries.map((_, index) => index),
        );
        for (const [index, boundary] of outcome.boundaries.entries()) {
          const next = outcome.boundaries[index + 1];
          if (next !== undefined && next.epoch === boundary.epoch) assert.ok(next.pts > boundary.pts);
          for (const pts of outcome.members.get(boundary.sequence) ?? []) {
            assert.ok(pts >= boundary.pts && (next === undefined || next.epoch !== boundary.epoch || pts < next.pts));
          }
        }
      }),
    );
  });
});
