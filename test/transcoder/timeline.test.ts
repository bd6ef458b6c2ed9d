import assert from "node:assert/strict";
import type { Frame } from "@leat/sdk/protocol/frame.ts";
import { LiveTimeline } from "@leat/transcoder/timeline.ts";
import fc from "fast-check";

const DURATION = 3000;

function frame(pts: number, epoch = 0): Frame {
  const times = { epoch, dts: pts, pts, duration: DURATION };
  return { kind: "video", ...times, key: false, configVersion: 1, arrivalMs: pts, data: new Uint8Array() };
}

function boundary(sequence: number, pts: number, epoch = 0) {
  return { sequence, epoch, pts, forced: false, discontinuity: false, firstFrame: 0 };
}

describe("transcoder/timeline", () => {
  it("gives a picture for every frame, once and in order, whatever the decoder loses", () => {
    const cases = fc.record({ count: fc.integer({ min: 1, max: 60 }), lost: fc.infiniteStream(fc.boolean()) });
    fc.assert(
      fc.property(cases, ({ count, lost }) => {
        const timeline = new LiveTimeline();
        timeline.announce(boundary(7, 0));
        const due: number[] = [];
        let shown = 0;
        // Pairs change places between decoding and showing, as with one B-frame.
        const order = Array.from({ length: count }, (_, index) => (index % 2 === 0 ? index + 1 : index - 1));
        const ids = order.map((index) => [timeline.accept(frame(index * DURATION)), index] as const);
        for (const [id] of ids.toSorted((left, right) => left[1] - right[1])) {
          if (lost.next().value) continue;
          for (const one of timeline.show(id)) {
            due.push(one.pts);
            if (!one.concealed) shown += 1;
          }
        }
        const rest = timeline.conceal(0);
        assert.ok(rest.every((one) => one.concealed));
        due.push(...rest.map((one) => one.pts));
        assert.deepEqual(
          due,
          order.toSorted((left, right) => left - right).map((index) => index * DURATION),
        );
        assert.ok(shown <= count);
      }),
    );
  });

  it("puts each picture in the segment whose boundary it reached", () => {
    const timeline = new LiveTimeline();
    const sequences: (number | undefined)[] = [];
    const take = (pts: number) => {
      const id = timeline.accept(frame(pts));
      sequences.push(...timeline.show(id).map((one) => one.sequence));
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
    const timeline = new LiveTimeline();
    timeline.announce(boundary(0, 0, 0));
    const old = [timeline.accept(frame(0, 0)), timeline.accept(frame(3000, 0))];
    timeline.announce(boundary(1, 0, 1));
    const fresh = timeline.accept(frame(0, 1));
    const due = [...timeline.show(old[0]!), ...timeline.show(fresh)];
    assert.deepEqual(
      due.map((one) => [one.epoch, one.pts, one.sequence, one.concealed]),
      [
        [0, 0, 0, false],
        [0, 3000, 0, true],
        [1, 0, 1, false],
      ],
    );
  });

  it("says nothing for a picture that comes after it was concealed", () => {
    const timeline = new LiveTimeline();
    const ids = [timeline.accept(frame(0)), timeline.accept(frame(3000))];
    assert.equal(timeline.show(ids[1]!).length, 2);
    assert.deepEqual(timeline.show(ids[0]!), []);
  });
});
