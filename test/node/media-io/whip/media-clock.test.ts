import assert from "node:assert/strict";
import { MediaClock } from "@leat/node/media-io/whip/media-clock.ts";

const wall = 3_900_000_000_000;

describe("media clock", () => {
  it("counts each track from where its first packet came", () => {
    const clock = new MediaClock();
    assert.equal(clock.video(1_000_000, 5_000), 5_000);
    assert.equal(clock.video(1_009_000, 5_400), 5_100);
    assert.equal(clock.audio(777, 20, 5_050), 5_050);
    assert.equal(clock.audio(777 + 960, 20, 5_050), 5_070);
  });

  it("goes on over the wrap of either clock", () => {
    const clock = new MediaClock();
    clock.video(2 ** 32 - 9_000, 0);
    assert.equal(clock.video(0, 0), 100);
    assert.equal(clock.video(2 ** 32 - 4_500, 0), 50);
    clock.audio(2 ** 32 - 480, 20, 0);
    assert.equal(clock.audio(480, 20, 0), 20);
  });

  it("goes on from where the first packet of another source comes, never back, and is aligned by its reports alone", () => {
    const clock = new MediaClock();
    clock.video(0, 1_000);
    assert.equal(clock.video(90_000, 1_500), 2_000);
    clock.audio(0, 20, 1_000);
    clock.report("video", wall, 0);
    clock.restart("video");
    assert.equal(clock.video(3_000_000_000, 1_900), 2_001);
    assert.equal(clock.video(3_000_009_000, 2_000), 2_101);
    clock.restart("video");
    assert.equal(clock.video(7, 5_000), 5_000);
    // What was said of the source before says nothing of this one.
    clock.report("audio", wall + 200, 0);
    assert.equal(clock.audio(960, 20, 5_000), 1_020);
    clock.report("video", wall + 4_000, 7);
    assert.equal(clock.audio(1_920, 20, 5_000), 1_240);
  });

  it("moves sound that began too early forward at once", () => {
    const clock = new MediaClock();
    clock.video(0, 1_000);
    clock.audio(0, 20, 1_000);
    // The sender saw the first picture, and 200 ms later the first sound.
    clock.report("video", wall, 0);
    clock.report("audio", wall + 200, 0);
    assert.equal(clock.audio(960, 20, 1_020), 1_220);
  });

  it("moves sound that began too late back by leaving packets out, and its times never go back", () => {
    const clock = new MediaClock();
    clock.video(0, 1_000);
    let last = clock.audio(0, 20, 1_100)!;
    clock.report("video", wall, 0);
    clock.report("audio", wall, 0);
    let left = 0;
    for (let packet = 1; packet <= 20; packet += 1) {
      const atMs = clock.audio(packet * 960, 20, 1_100 + packet * 20);
      if (atMs === undefined) left += 1;
      else {
        assert.equal(atMs, last + 20);
        last = atMs;
      }
    }
    assert.equal(left, 5);
    // As far from its own beginning as the pictures are from theirs.
    assert.equal(last, 1_000 + 20 * 20);
  });

  it("leaves what is near enough where it is, and does not believe what cannot be", () => {
    const clock = new MediaClock();
    clock.video(0, 0);
    clock.audio(0, 20, 0);
    clock.report("video", wall, 0);
    for (const off of [20, -20, 60_000, -60_000]) {
      clock.report("audio", wall + off, 0);
      assert.equal(clock.audio(960, 20, 0), 20);
    }
  });
});
