import assert from "node:assert/strict";
import { Freshness } from "@leat/node/media-io/rtmp/freshness.ts";

describe("freshness of what a publisher sends", () => {
  it("is what comes as soon after its time as it did lately, by the newest of what came", () => {
    const freshness = new Freshness();
    assert.equal(freshness.isFresh(0), false);
    freshness.note(0);
    assert.equal(freshness.isFresh(1_000), true);
    // Half a second is read at once, of which the system had but a part.
    for (const timestamp of [33, 250, 240]) freshness.note(timestamp);
    assert.equal(freshness.isFresh(1_500), false);
    // A piece of a picture says nothing new.
    assert.equal(freshness.isFresh(1_501), false);
    freshness.note(500);
    assert.equal(freshness.isFresh(1_501), true);
  });

  it("is not lost to a publisher whose clock is slow, or that stood still for once", () => {
    const freshness = new Freshness();
    let nowMs = 0;
    const at = (timestamp: number, lateMs: number) => {
      nowMs = timestamp + lateMs;
      freshness.note(timestamp);
      return freshness.isFresh(nowMs);
    };
    // By a thousandth, for half an hour.
    for (let timestamp = 0; timestamp < 1_800_000; timestamp += 500) assert.ok(at(timestamp, timestamp / 1_000));
    const lateMs = 5_000;
    const found: boolean[] = [];
    for (let timestamp = 1_800_000; timestamp < 1_815_000; timestamp += 500) found.push(at(timestamp, lateMs));
    assert.equal(found[0], false);
    assert.equal(found.at(-1), true);
  });
});
