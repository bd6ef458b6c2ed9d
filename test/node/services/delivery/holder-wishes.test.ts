import assert from "node:assert/strict";
import { HolderWishes } from "@leat/node/services/delivery/holder-wishes.ts";
import type { Wish } from "@leat/node/wire/media/message.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

const depth = 2;

describe("wishes that a holder is told", () => {
  let clock: ManualClock;
  let stream: { newest: number; newestOf: (rung: number) => number };
  /** Of the wished rung. */
  let reached: number;
  let told: Wish[];
  let wishes: HolderWishes;

  beforeEach(() => {
    clock = new ManualClock();
    reached = -1;
    stream = { newest: 50, newestOf: () => reached };
    told = [];
    wishes = new HolderWishes(stream, clock, async (wish) => void told.push(wish));
  });

  async function pass(segments: number, ms: number): Promise<readonly number[]> {
    stream.newest += segments;
    await clock.advance(ms);
    return wishes.standing(depth);
  }

  it("are told when they change", async () => {
    const same = { rungs: [7], hurry: false };
    const news = [same, { rungs: [7, 8], hurry: false }, { rungs: [7, 8], hurry: true }, { rungs: [], hurry: false }];
    for (const wish of [{ rungs: [], hurry: false }, same, ...news]) {
      wishes.set(wish);
      await clock.advance(0);
    }
    assert.deepEqual(told, news);
  });

  it("stand when nothing of them comes, long after they were told and many segments behind the others", async () => {
    wishes.set({ rungs: [7], hurry: false });
    assert.deepEqual(await pass(20, 9_999), []);
    assert.deepEqual(await pass(0, 1), [7]);
    reached = stream.newest - 4;
    assert.deepEqual(wishes.standing(depth), []);
    assert.deepEqual(await pass(1, 0), [7]);
    assert.deepEqual(wishes.standing(depth + 1), []);
  });

  it("count from when they are told, each for itself, and no more when nobody wishes", async () => {
    assert.deepEqual(await pass(20, 60_000), []);
    wishes.set({ rungs: [7], hurry: false });
    assert.deepEqual(await pass(4, 60_000), []);
    wishes.set({ rungs: [7, 8], hurry: false });
    assert.deepEqual(await pass(1, 0), [7]);
    wishes.set({ rungs: [8], hurry: false });
    assert.deepEqual(await pass(3, 0), []);
    assert.deepEqual(await pass(1, 10_000), [8]);
  });
});
