import assert from "node:assert/strict";
import type { Frame } from "@leat/sdk/protocol/frame.ts";
import { LiveTimeline, REORDER_LIMIT } from "@leat/transcoder/timeline.ts";
import fc from "fast-check";

const DURATION = 3000;

function frame(pts: number, { epoch = 0, dts = pts } = {}): Frame {
  const times = { epoch, dts, pts, duration: DURATION };
  return { kind: "video", ...times, key: false, configVersion: 1, arrivalMs: pts, data: new Uint8Array() };
}

function boundary(sequence: number, pts: number, epoch = 0) {
  return { sequence, epoch, pts, forced: false, discontinuity: false, firstFrame: 0 };
}

/** Pairs change places between decoding and showing, as with one B-frame. */
function withBFrames(count: number): Frame[] {
  const shown = Array.from({ length: count }, (_, index) => (index % 2 === 0 ? index + 1 : index - 1));
  return shown.map((pts, index) => frame((pts + 1) * DURATION, { dts: index * DURATION }));
}

describe("transcoder/timeline", () => {
  it("gives a picture for every frame, once and in order, whatever the decoder loses", () => {
    const cases = fc.record({
      count: fc.integer({ min: 1, max: 60 }),
      lost: fc.infiniteStream(fc.boolean()),
      lag: fc.integer({ min: 0, max: 8 }),
      turn: fc.integer({ min: 1, max: 4 }),
    });
    fc.assert(
      fc.property(cases, ({ count, lost, lag, turn }) => {
        const timeline = new LiveTimeline<number>();
        timeline.announce(boundary(7, 0));
        const frames = withBFrames(count);
        const due: { pts: number; picture: number | undefined }[] = [];
        const decoded: [number, number][] = [];
        const decode = (keep: number) => {
          while (decoded.length > keep) {
            // The decoder's own order: not that of decoding, nor that of the times.
            const [id, pts] = decoded.splice(Math.min(turn, decoded.length) - 1, 1)[0]!;
            if (!lost.next().value && timeline.awaits(id)) due.push(...timeline.show(id, pts));
          }
        };
        for (const one of frames) {
          decoded.push([timeline.accept(one), one.pts]);
          due.push(...timeline.due());
          decode(lag);
        }
        decode(0);
        due.push(...timeline.flush(0));
        assert.deepEqual(
          due.map(({ pts }) => pts),
          frames.map(({ pts }) => pts).toSorted((left, right) => left - right),
        );
        assert.ok(due.every(({ pts, picture }) => picture === undefined || picture === pts));
      }),
    );
  });

  it("keeps every picture of a decoder whose order contradicts the times", () => {
    const timeline = new LiveTimeline<number>();
    const frames = withBFrames(40);
    const ids = frames.map((one) => timeline.accept(one));
    const backwards = ids.map((_, index) => (index % 8 < 4 ? index + 4 : index - 4));
    const due = backwards.flatMap((index) => timeline.show(ids[index]!, frames[index]!.pts));
    due.push(...timeline.flush(0));
    assert.deepEqual(
      due.map(({ picture }) => picture),
      frames.map(({ pts }) => pts).toSorted((left, right) => left - right),
    );
  });

  it("holds no more pictures than a decoder may reorder, behind one that never comes", () => {
    const timeline = new LiveTimeline<string>();
    timeline.accept(frame(0));
    const due: (string | undefined)[] = [];
    for (let index = 1; index <= REORDER_LIMIT + 1; index += 1) {
      assert.equal(due.length, 0);
      due.push(...timeline.show(timeline.accept(frame(index * DURATION)), "shown").map(({ picture }) => picture));
    }
    assert.deepEqual(due, [undefined, ...Array.from({ length: REORDER_LIMIT + 1 }, () => "shown")]);
  });

  it("gives a picture that shows as it is decoded at once", () => {
    const timeline = new LiveTimeline<string>();
    for (const pts of [0, 3000, 6000]) {
      const due = timeline.show(timeline.accept(frame(pts)), "shown");
      assert.deepEqual(
        due.map((one) => one.pts),
        [pts],
      );
    }
  });

  it("puts each picture in the segment whose boundary it reached", () => {
    const timeline = new LiveTimeline<string>();
    const sequences: (number | undefined)[] = [];
    const take = (pts: number) => {
      const id = timeline.accept(frame(pts));
      sequences.push(...timeline.show(id, "shown").map((one) => one.sequence));
    };
    take(0);
    timeline.announce(boundary(4, 100));
    take(50);
    take(100);
    timeline.announce(boundary(5, 200));
    take(150);
    take(250);
    assert.deepEqual(sequences, [undefined, undefined, 4, 4, 5]);
  });

  it("keeps two epochs apart though their times are the same", () => {
    const timeline = new LiveTimeline<string>();
    timeline.announce(boundary(0, 0, 0));
    const old = [timeline.accept(frame(0)), timeline.accept(frame(3000))];
    timeline.announce(boundary(1, 0, 1));
    const fresh = timeline.accept(frame(0, { epoch: 1 }));
    const due = [...timeline.show(old[0]!, "old"), ...timeline.show(fresh, "fresh"), ...timeline.flush(0)];
    assert.deepEqual(
      due.map((one) => [one.epoch, one.pts, one.sequence, one.picture]),
      [
        [0, 0, 0, "old"],
        [0, 3000, 0, undefined],
        [1, 0, 1, "fresh"],
      ],
    );
  });

  it("no longer awaits a picture that was given up", () => {
    const timeline = new LiveTimeline<string>();
    const id = timeline.accept(frame(0));
    assert.ok(timeline.awaits(id));
    assert.equal(timeline.flush(0).length, 1);
    assert.ok(!timeline.awaits(id));
  });
});
