import assert from "node:assert/strict";
import { ContinuousClock } from "@leat/node/media-io/playout/continuous-clock.ts";
import type { Frame } from "@leat/sdk/protocol/frame.ts";
import fc from "fast-check";

const picture = { kind: "video", key: false, configVersion: 0, arrivalMs: 0, data: new Uint8Array(0) } as const;
const sound = { ...picture, kind: "audio", duration: 960 } as const;
const frameAt = (epoch: number, dts: number, pts = dts): Frame => ({ ...picture, epoch, dts, pts, duration: 3_000 });
const packetAt = (epoch: number, dts: number): Frame => ({ ...sound, epoch, dts, pts: dts });

describe("continuous clock", () => {
  it("begins at zero and keeps the tracks of an epoch as far apart as they are", () => {
    const clock = new ContinuousClock();
    assert.deepEqual(clock.place(frameAt(0, 90_000, 96_000), 90_000), { dts: 0, pts: 6_000 });
    assert.deepEqual(clock.place(packetAt(0, 52_800), 48_000), { dts: 9_000, pts: 9_000 });
    assert.deepEqual(clock.place(frameAt(0, 93_000), 90_000), { dts: 3_000, pts: 3_000 });
  });

  it("goes on in the next epoch where the furthest track is, also for a track that is late", () => {
    const clock = new ContinuousClock();
    clock.place(frameAt(0, 90_000), 90_000);
    clock.place(packetAt(0, 52_800), 48_000);
    // Sound is in the next epoch already, pictures are not.
    assert.equal(clock.place(packetAt(1, 48_000), 48_000)?.dts, 10_800);
    assert.equal(clock.place(frameAt(0, 93_000), 90_000)?.dts, 3_000);
    assert.equal(clock.place(frameAt(1, 90_000), 90_000)?.dts, 10_800);
  });

  it("leaves out what was before the first frame of all", () => {
    const clock = new ContinuousClock();
    clock.place(frameAt(0, 90_000), 90_000);
    assert.equal(clock.place(packetAt(0, 47_040), 48_000), undefined);
    assert.equal(clock.place(packetAt(0, 48_000), 48_000)?.dts, 0);
  });

  it("presses together what is made a second time, until it is where it belongs", () => {
    const clock = new ContinuousClock();
    for (const dts of [0, 3_000, 6_000]) clock.place(frameAt(0, dts), 90_000);
    const again = [3_000, 6_000, 9_000].map((dts) => clock.place(frameAt(0, dts), 90_000));
    assert.deepEqual(again, [
      { dts: 6_001, pts: 6_001 },
      { dts: 6_002, pts: 6_002 },
      { dts: 9_000, pts: 9_000 },
    ]);
  });

  it("never goes back, and shows nothing before it is decoded, whatever comes", () => {
    const step = fc.record({
      isSound: fc.boolean(),
      epoch: fc.integer({ min: 0, max: 8 }),
      dts: fc.integer({ min: 0, max: 1_000_000 }),
      ahead: fc.integer({ min: -9_000, max: 9_000 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const clock = new ContinuousClock();
        const last = { video: -1, audio: -1 };
        for (const { isSound, epoch, dts, ahead } of steps) {
          const frame = isSound ? packetAt(epoch, dts) : frameAt(epoch, dts, Math.max(0, dts + ahead));
          const placed = clock.place(frame, isSound ? 48_000 : 90_000);
          if (placed === undefined) continue;
          assert.ok(placed.dts > last[frame.kind] && placed.pts >= placed.dts);
          last[frame.kind] = placed.dts;
        }
      }),
    );
  });
});
