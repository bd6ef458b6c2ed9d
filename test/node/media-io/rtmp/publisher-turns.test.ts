import assert from "node:assert/strict";
import { createPublisherTurns } from "@leat/node/media-io/rtmp/publisher-turns.ts";

describe("turns of publishers", () => {
  it("come oftener for one who has just begun to wait, and are shared by all who have waited as long", async () => {
    const turns = createPublisherTurns();
    // Of each, the first comes at once.
    await Promise.all([turns.next(0), turns.next(20)]);
    const given: number[] = [];
    const wait = async (held: number) => {
      await turns.next(held);
      given.push(held);
    };
    await Promise.all([wait(1_000), wait(20), wait(19), wait(0)]);
    assert.deepEqual(given, [19, 0, 1_000, 20]);
  });
});
