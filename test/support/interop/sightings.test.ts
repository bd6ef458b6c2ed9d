import assert from "node:assert/strict";
import { SECOND, shape } from "./pattern.ts";
import { judge, type Sight } from "./sightings.ts";

const FRAME_MS = 1_000 / shape.fps;
const EVERY = shape.fps * shape.flashEveryS;

/** A picture at its own time, or later or earlier than that. */
function show(number: number, changes: Partial<Sight> & { readonly lateMs?: number } = {}): Sight {
  const { lateMs = 0, ...others } = changes;
  const isWhite = number % SECOND >= EVERY && (number % SECOND) % EVERY < shape.flashS * shape.fps;
  return { number, atMs: number * FRAME_MS + lateMs, isWhite, ...others };
}

const judgeBack = (sights: readonly Sight[]) =>
  judge({ pictures: [...sights], beepsAtMs: [], apart: [] }).backwards.map(({ from, to, isOwn }) => [from, to, isOwn]);

const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => show(from + index));

describe("what a player showed", () => {
  it("went back by the player's own where it sought and its clock went with the pictures", () => {
    for (const back of [1, 15])
      assert.deepEqual(judgeBack([show(166), show(167), show(167 - back, { isSought: true }), show(168 - back)]), [
        [167, 167 - back, true],
      ]);
  });

  it("went back by the stream where the player did not seek, its clock went on or stood, or it went far", () => {
    const isSought = true;
    for (const later of [
      show(151),
      show(151, { isSought, lateMs: 17 * FRAME_MS }),
      show(151, { isSought, lateMs: 16 * FRAME_MS }),
      show(151, { isSought, lateMs: -3 * FRAME_MS }),
      show(122, { isSought }),
    ])
      assert.deepEqual(judgeBack([show(166), show(167), later]), [[167, later.number, false]]);
  });

  it("lacks a beep where it has a flash, each coming by itself", () => {
    const pictures = [...numbers(0, 3 * EVERY + 5), ...numbers(SECOND, SECOND + 2 * EVERY + 5)];
    const beeps = [EVERY, 2 * EVERY, SECOND + EVERY].map((number) => number * FRAME_MS + 7);
    const seen = { pictures: [...pictures, show(SECOND + EVERY, { lateMs: 1e6 })], beepsAtMs: beeps, apart: [] };
    const { flashes, skewsMs, wrongLight } = judge(seen);
    assert.deepEqual({ flashes, skewsMs, wrongLight }, { flashes: [3, 2], skewsMs: [[7, 7], [7]], wrongLight: 0 });
    assert.deepEqual(judge(seen, 3).flashes, [2, 1]);
  });
});
