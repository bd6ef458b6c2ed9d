import assert from "node:assert/strict";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Boundary, Frame, VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { type Piece, PieceCutter } from "@leat/transcoder/engines/livepeer/piece-cutter.ts";

const config: VideoConfig = {
  kind: "video",
  codec: "h264",
  timescale: 90_000,
  width: 320,
  height: 240,
  description: new Uint8Array(),
  codecString: "avc1.640015",
};
const TICKS = 3_000;

/** A picture that is decoded as number `decoded` and shown as number `shown`. */
function picture(decoded: number, shown = decoded, more: Partial<Frame> = {}): Frame {
  const [dts, pts] = [decoded * TICKS, shown * TICKS];
  const rest = { duration: TICKS, configVersion: 1, arrivalMs: 0, data: new Uint8Array(10) };
  return { kind: "video", epoch: 0, dts, pts, key: false, ...rest, ...more };
}

function boundary(sequence: number, shown: number, epoch = 0): Boundary {
  return { sequence, epoch, pts: shown * TICKS, forced: false, discontinuity: false, firstFrame: 0 };
}

const shownOf = (frames: readonly Frame[]) => frames.map(({ pts }) => pts / TICKS);
const factsOf = ({ sequence, frames, wanted, fromMs, toMs, ends }: Piece) => ({
  sequence,
  sent: shownOf(frames),
  wanted: shownOf(wanted),
  fromMs,
  toMs,
  ends,
});
const key = { key: true } as const;
const whole = { fromMs: undefined, toMs: undefined, ends: true };

describe("transcoder/engines/livepeer/piece-cutter", () => {
  it("cuts at key frames without a word, and tells a segment as soon as nothing of it can follow", () => {
    const cutter = new PieceCutter(config, 1_000);
    cutter.announce(boundary(4, 0));
    const first = [picture(0, 0, key), picture(1), picture(2)].flatMap((frame) => cutter.add(frame));
    assert.deepEqual(first, []);
    assert.deepEqual(cutter.announce(boundary(5, 3)), []);
    assert.deepEqual(cutter.add(picture(3, 3, key)).map(factsOf), [
      { sequence: 4, sent: [0, 1, 2], wanted: [0, 1, 2], ...whole },
    ]);
    assert.deepEqual(cutter.flush().map(factsOf), [{ sequence: 5, sent: [3], wanted: [3], ...whole }]);
    assert.deepEqual(cutter.flush(), []);
  });

  it("begins at the key frame before where a segment has none, as long as that lasts", () => {
    const cutter = new PieceCutter(config, 1_000);
    const pieces: Piece[] = [];
    for (let number = 0; number < 9; number += 1) {
      if (number % 3 === 0) pieces.push(...cutter.announce(boundary(number / 3, number)));
      pieces.push(...cutter.add(picture(number, number, number === 0 ? key : {})));
    }
    pieces.push(...cutter.flush());
    assert.deepEqual(pieces.map(factsOf), [
      { sequence: 0, sent: [0, 1, 2], wanted: [0, 1, 2], ...whole },
      { sequence: 1, sent: [0, 1, 2, 3, 4, 5], wanted: [3, 4, 5], ...whole, fromMs: 100 },
      { sequence: 2, sent: [0, 1, 2, 3, 4, 5, 6, 7, 8], wanted: [6, 7, 8], ...whole, fromMs: 200 },
    ]);
  });

  it("waits for pictures that are decoded behind the first of the next segment, and leaves that out", () => {
    const cutter = new PieceCutter(config, 1_000);
    const pieces = [
      ...cutter.announce(boundary(0, 1)),
      ...cutter.add(picture(0, 1, key)),
      ...cutter.announce(boundary(1, 4)),
      // Shown as 4, and 2 and 3 refer to it.
      ...cutter.add(picture(1, 4)),
      ...cutter.add(picture(2, 2)),
      ...cutter.add(picture(3, 3)),
    ];
    assert.deepEqual(pieces, []);
    assert.deepEqual(cutter.add(picture(4, 5)).map(factsOf), [
      { sequence: 0, sent: [1, 4, 2, 3], wanted: [1, 2, 3], fromMs: undefined, toMs: 67, ends: true },
    ]);
    assert.deepEqual(cutter.flush().map(factsOf), [
      { sequence: 1, sent: [1, 4, 2, 3, 5], wanted: [4, 5], fromMs: 100, toMs: undefined, ends: true },
    ]);
  });

  it("leaves out what shows before the key frame that a piece begins with", () => {
    const cutter = new PieceCutter(config, 1_000);
    const pieces = [
      ...cutter.announce(boundary(0, 1)),
      ...[picture(0, 1, key), picture(1, 2)].flatMap((frame) => cutter.add(frame)),
      ...cutter.announce(boundary(1, 5)),
      // 3 and 4 refer to what stands before the key frame, and belong to the segment before.
      ...[picture(2, 5, key), picture(3, 3), picture(4, 4), picture(5, 6)].flatMap((frame) => cutter.add(frame)),
      ...cutter.flush(),
    ];
    assert.deepEqual(pieces.map(factsOf), [
      { sequence: 0, sent: [1, 2, 5, 3, 4], wanted: [1, 2, 3, 4], fromMs: undefined, toMs: 100, ends: true },
      { sequence: 1, sent: [5, 6], wanted: [5, 6], ...whole },
    ]);
  });

  it("ends a segment with its epoch, and holds it open over another configuration", () => {
    const cutter = new PieceCutter(config, 1_000);
    const other = { ...config, width: 640 };
    const pieces = [
      ...cutter.announce(boundary(0, 0)),
      ...cutter.add(picture(0, 0, key)),
      ...cutter.configure(other),
      ...cutter.add(picture(1, 1, key)),
      ...cutter.announce(boundary(1, 0, 1)),
      ...cutter.add(picture(0, 0, { ...key, epoch: 1 })),
      ...cutter.flush(),
    ];
    assert.deepEqual(
      pieces.map((piece) => [factsOf(piece), piece.config.width]),
      [
        [{ sequence: 0, sent: [0], wanted: [0], ...whole, ends: false }, 320],
        [{ sequence: 0, sent: [1], wanted: [1], ...whole }, 640],
        [{ sequence: 1, sent: [0], wanted: [0], ...whole }, 640],
      ],
    );
  });

  it("holds no more than it may, and nothing of what no segment needs", () => {
    const cutter = new PieceCutter(config, 100);
    // Ten fit.
    for (let number = 0; number < 50; number += 1) cutter.add(picture(number, number, number % 8 === 0 ? key : {}));
    cutter.announce(boundary(0, 50));
    const add = () => {
      for (let number = 50; number < 70; number += 1) cutter.add(picture(number));
    };
    assert.throws(add, (error) => isCodedError(error) && error.code === "TRANSCODE_GATEWAY_SEGMENT_TOO_LARGE");
  });

  it("refuses a segment that no key frame stands before", () => {
    const cutter = new PieceCutter(config, 100);
    cutter.announce(boundary(0, 0));
    cutter.add(picture(0));
    assert.throws(
      () => cutter.flush(),
      (error) => isCodedError(error) && error.code === "TRANSCODE_BITSTREAM_INVALID",
    );
  });
});
