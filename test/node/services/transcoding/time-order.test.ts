import assert from "node:assert/strict";
import { TimeOrder } from "@leat/node/services/transcoding/time-order.ts";
import type { Frame } from "@leat/sdk/protocol/frame.ts";
import fc from "fast-check";

function frameAt(pts: number, mark: number): Frame {
  const data = Uint8Array.of(mark);
  return {
    kind: "video",
    epoch: 0,
    dts: pts,
    pts,
    duration: pts + 1,
    key: false,
    configVersion: 0,
    arrivalMs: 0,
    data,
  };
}

function order(times: readonly number[]): Frame[] {
  const made = new TimeOrder();
  const out = times.flatMap((pts, index) => made.push(frameAt(pts, index % 256)));
  return [...out, ...made.flush()];
}

describe("time order", () => {
  it("gives the earliest time to the first picture", () => {
    assert.deepEqual(
      order([0, 5, 1, 2]).map(({ pts, duration, data }) => [pts, duration, data[0]]),
      [
        [0, 1, 0],
        [1, 2, 1],
        [2, 3, 2],
        [5, 6, 3],
      ],
    );
  });

  it("keeps every picture in its place and every time, and makes the times rise where none is very late", () => {
    const jitter = fc.array(fc.nat(7), { minLength: 1, maxLength: 80 });
    fc.assert(
      fc.property(jitter, (late) => {
        const times = late.map((frames, index) => ({ index, at: index + frames }));
        const pictures = [...times].sort((left, right) => left.at - right.at).map(({ index }) => index);
        const out = order(pictures);
        assert.deepEqual(
          out.map(({ pts }) => pts),
          [...pictures].sort((left, right) => left - right),
        );
        assert.deepEqual(
          out.map(({ data }) => data[0]),
          pictures.map((_, index) => index % 256),
        );
      }),
    );
  });
});
