import assert from "node:assert/strict";
import { CueBook } from "@leat/node/services/ingest/cue-book.ts";
import { MAX_CUE_BYTES, MAX_CUES } from "@leat/sdk/protocol/limits.ts";

const boundary = { sequence: 3, epoch: 1, pts: 90_000, forced: false, discontinuity: false, firstFrame: 0 };
const command = (number: number) => Uint8Array.of(0xfc, number);

describe("cue book", () => {
  it("tells by the newest boundary of its epoch when a cue is, before and behind it", () => {
    const book = new CueBook();
    book.add({ epoch: 1, pts: 90_000, command: command(1) });
    assert.deepEqual(book.newest, []);
    book.boundary(boundary, 10_000);
    book.add({ epoch: 0, pts: 90_000, command: command(1) });
    book.add({ epoch: 1, pts: 90_000 + 4 * 90_000, command: command(2) });
    book.boundary({ ...boundary, sequence: 4, pts: 270_000 }, 12_004);
    book.add({ epoch: 1, pts: 180_000, command: command(3) });
    assert.deepEqual(book.newest, [
      { atMs: 14_000, command: command(2) },
      { atMs: 11_004, command: command(3) },
    ]);
  });

  it("keeps the same command again at the next break: one that happens at once names no time", () => {
    const book = new CueBook();
    book.boundary(boundary, 10_000);
    for (const seconds of [0, 1, 9, 600, 601]) {
      book.add({ epoch: 1, pts: 90_000 + seconds * 90_000, command: command(1) });
    }
    assert.deepEqual(
      book.newest.map(({ atMs }) => atMs),
      [10_000, 610_000],
    );
  });

  it("keeps the first of what is repeated, the newest of many, and nothing that is too long", () => {
    const book = new CueBook();
    book.boundary(boundary, 10_000);
    for (let number = 0; number < 2 * MAX_CUES; number += 1) {
      for (const pts of [90_000, 180_000]) book.add({ epoch: 1, pts, command: command(number) });
    }
    book.add({ epoch: 1, pts: 90_000, command: new Uint8Array(MAX_CUE_BYTES + 1) });
    assert.deepEqual(
      book.newest,
      Array.from({ length: MAX_CUES }, (_, index) => ({ atMs: 10_000, command: command(MAX_CUES + index) })),
    );
  });
});
