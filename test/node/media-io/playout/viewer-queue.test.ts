import assert from "node:assert/strict";
import type { Piece } from "@leat/node/media-io/playout/piece.ts";
import { ViewerQueue } from "@leat/node/media-io/playout/viewer-queue.ts";
import fc from "fast-check";

/** A viewer that takes bytes when a test says so. */
class Taker {
  nowMs = 0;
  readonly sent: number[] = [];
  readonly whole: Piece[] = [];
  leaving = 0;
  readonly queue = new ViewerQueue({
    send: (bytes) => {
      this.sent.push(bytes[0]!);
      this.leaving += bytes.length;
    },
    onSent: (piece) => this.whole.push(piece),
    nowMs: () => this.nowMs,
  });

  take(bytes = this.leaving): void {
    this.leaving -= bytes;
    this.queue.taken(bytes);
  }
}

const pieceOf = (mark: number, isEntry: boolean, sizeBytes = 100_000): Piece => ({
  bytes: new Uint8Array(sizeBytes).fill(mark),
  isEntry,
  frames: [],
});

describe("viewer queue", () => {
  it("begins with what can be begun with", () => {
    const taker = new Taker();
    for (const [mark, isEntry] of [
      [1, false],
      [2, true],
      [3, false],
    ] as const) {
      taker.queue.push(pieceOf(mark, isEntry));
    }
    assert.deepEqual(taker.sent, [2, 3]);
  });

  it("has no more under way than a window, and counts a piece once all of it has left", () => {
    const taker = new Taker();
    for (let mark = 1; mark <= 5; mark += 1) taker.queue.push(pieceOf(mark, mark === 1));
    assert.deepEqual(taker.sent, [1, 2, 3]);
    taker.take(150_000);
    assert.deepEqual([taker.sent, taker.whole.length], [[1, 2, 3, 4, 5], 1]);
    taker.take();
    assert.equal(taker.whole.length, 5);
  });

  it("lets go of what waited for more than a second, and goes on with the next entry", () => {
    const taker = new Taker();
    for (let mark = 1; mark <= 5; mark += 1) taker.queue.push(pieceOf(mark, mark === 1));
    taker.nowMs = 1_001;
    taker.queue.push(pieceOf(6, false));
    taker.take();
    taker.queue.push(pieceOf(7, false));
    taker.queue.push(pieceOf(8, true));
    taker.queue.push(pieceOf(9, false));
    assert.deepEqual(taker.sent, [1, 2, 3, 8, 9]);
    assert.equal(taker.queue.drops, 1);
  });

  it("knows who took nothing for long of what there was", () => {
    const taker = new Taker();
    taker.nowMs = 40_000;
    assert.equal(taker.queue.isStalled(taker.nowMs), false);
    taker.queue.push(pieceOf(1, true));
    assert.equal(taker.queue.isStalled(70_000), false);
    assert.equal(taker.queue.isStalled(70_001), true);
    taker.take();
    assert.equal(taker.queue.isStalled(200_000), false);
  });

  it("hands on what is left when nothing more comes", () => {
    const taker = new Taker();
    for (let mark = 1; mark <= 5; mark += 1) taker.queue.push(pieceOf(mark, mark === 1));
    taker.queue.finish();
    assert.deepEqual(taker.sent, [1, 2, 3, 4, 5]);
  });

  it("is bounded for a viewer that takes nothing, and gives every viewer a row of pieces from an entry on", () => {
    const step = fc.record({
      isEntry: fc.boolean(),
      sizeBytes: fc.integer({ min: 1, max: 600_000 }),
      waitMs: fc.integer({ min: 0, max: 400 }),
      takes: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const taker = new Taker();
        for (const [index, { isEntry, sizeBytes, waitMs, takes }] of steps.entries()) {
          taker.nowMs += waitMs;
          taker.queue.push(pieceOf(index, isEntry, sizeBytes));
          if (takes) taker.take();
          assert.ok(taker.leaving < 262_144 + 600_000);
        }
        for (const [place, mark] of taker.sent.entries()) {
          const follows = place > 0 && taker.sent[place - 1] === mark - 1;
          assert.ok(follows || steps[mark]!.isEntry, `${mark} of ${taker.sent}`);
        }
      }),
    );
  });
});
