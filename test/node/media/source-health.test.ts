import assert from "node:assert/strict";
import { HealthMeter } from "@leat/node/media/source-health.ts";
import { VIDEO_TIMESCALE } from "@leat/sdk/protocol/frame.ts";
import { findHealthFaults, sourceHealthSchema } from "@leat/sdk/protocol/health.ts";
import fc from "fast-check";
import { createCodec } from "../../../node/wire/cbor.ts";

const startMs = 1_000_000_000;

interface Sending {
  readonly from?: number;
  readonly pictures: number;
  readonly fps?: number;
  readonly keyEvery?: number;
  readonly epoch?: number;
  /** When a picture comes, milliseconds after the first; default: when it is due. */
  readonly comesAt?: (index: number, dueMs: number) => number;
  readonly isLost?: (index: number) => boolean;
}

/** Gives pictures of 1,000 bytes; answers when the last one came. */
function send(meter: HealthMeter, sending: Sending): number {
  const { from = 0, pictures, fps = 25, keyEvery = 50, epoch = 0, comesAt = (_, due) => due, isLost } = sending;
  const step = VIDEO_TIMESCALE / fps;
  let arrivalMs = startMs;
  for (let index = from; index < from + pictures; index += 1) {
    if (isLost?.(index)) continue;
    let next = index + 1;
    while (isLost?.(next)) next += 1;
    arrivalMs = startMs + comesAt(index, (index * 1_000) / fps);
    const [dts, duration] = [VIDEO_TIMESCALE + index * step, (next - index) * step];
    meter.video({ epoch, dts, duration, key: index % keyEvery === 0, arrivalMs, data: new Uint8Array(1_000) });
  }
  return arrivalMs;
}

describe("health of a source", () => {
  it("knows bit rates, frame rate, key frames and pace of what comes in time", () => {
    const meter = new HealthMeter();
    assert.equal(meter.read(startMs), undefined);
    const nowMs = send(meter, { pictures: 500 });
    for (let at = 0; at < 400; at += 1) {
      const frame = { epoch: 0, dts: 48_000 + at * 2_400, duration: 2_400, key: true, data: new Uint8Array(200) };
      meter.audio({ ...frame, arrivalMs: nowMs }, 48_000);
    }
    const health = meter.read(nowMs)!;
    assert.ok(Math.abs(health.videoBitrate - 200_000) <= 4_000, `${health.videoBitrate}`);
    assert.ok(Math.abs(health.frameRate - 25) <= 0.5, `${health.frameRate}`);
    assert.ok(health.audioBitrate > 0);
    assert.deepEqual([health.keyIntervalMs, health.pace, health.driftMs], [2_000, 1, 0]);
    assert.deepEqual([health.missingPictures, health.silentMs, findHealthFaults(health)], [0, 0, []]);
  });

  it("finds a publisher that is slow, and one whose clock drifts", () => {
    const slow = new HealthMeter();
    const health = slow.read(send(slow, { pictures: 500, comesAt: (_, due) => due * 1.2 }))!;
    assert.equal(health.pace, 0.83);
    assert.deepEqual(findHealthFaults(health), ["slow"]);
    // Segments of two seconds, one every 2.4 s; and one every 2 s.
    for (const [everyMs, faults] of [
      [2_400, ["slow"]],
      [2_000, []],
    ] as const) {
      const pushed = new HealthMeter();
      const lastMs = send(pushed, { pictures: 750, comesAt: (_, due) => Math.floor(due / 2_000) * everyMs });
      for (let nowMs = lastMs; nowMs < lastMs + 2_000; nowMs += 100) {
        const { frameRate, pace, ...rest } = pushed.read(nowMs)!;
        assert.deepEqual([frameRate, findHealthFaults({ ...rest, frameRate, pace })], [25, faults], `pace ${pace}`);
      }
    }
    const drifting = new HealthMeter();
    const drift = drifting.read(send(drifting, { pictures: 25 * 600, comesAt: (_, due) => due * 1.001 }))!;
    assert.ok(Math.abs(drift.driftMs - 600) <= 5, `${drift.driftMs}`);
    assert.deepEqual(findHealthFaults(drift), []);
  });

  it("counts pictures that are missing where they come evenly, and none where they come as they please", () => {
    const lossy = new HealthMeter();
    const health = lossy.read(send(lossy, { pictures: 500, isLost: (index) => index % 12 === 7 }))!;
    assert.ok(Math.abs(health.missingPictures - 250 / 12) <= 2, `${health.missingPictures}`);
    assert.deepEqual(findHealthFaults(health), ["pictures-missing"]);
    const screen = new HealthMeter();
    const still = screen.read(send(screen, { pictures: 500, isLost: (index) => (index * 7_919) % 13 > 4 }))!;
    assert.equal(still.missingPictures, 0);
  });

  it("finds key frames that are rare, also the one that does not come", () => {
    const meter = new HealthMeter();
    const health = meter.read(send(meter, { pictures: 250, keyEvery: 1_000 }))!;
    assert.equal(health.keyIntervalMs, 249 * 40);
    assert.deepEqual(findHealthFaults(health), ["keys-rare"]);
  });

  it("says that nothing comes, and not between segments that come whole", () => {
    const meter = new HealthMeter();
    const nowMs = send(meter, { pictures: 250 });
    assert.deepEqual(findHealthFaults(meter.read(nowMs + 2_900)!), []);
    assert.deepEqual(findHealthFaults(meter.read(nowMs + 60_000)!), ["silent"]);
    // Segments of six seconds, each at once.
    const pushed = new HealthMeter();
    const lastMs = send(pushed, { pictures: 600, comesAt: (_, due) => Math.floor(due / 6_000) * 6_000 });
    assert.equal(pushed.read(lastMs + 5_500)!.silentMs, 0);
    assert.deepEqual(findHealthFaults(pushed.read(lastMs + 9_500)!), ["silent"]);
  });

  it("finds which of the two has stopped, and begins anew with another clock", () => {
    const hear = (meter: HealthMeter, epoch: number, fromMs: number, untilMs: number) => {
      for (let dtsMs = fromMs; dtsMs < untilMs; dtsMs += 20) {
        const frame = { epoch, dts: 48 * (1_000 + dtsMs), duration: 960, key: true, data: new Uint8Array(200) };
        meter.audio({ ...frame, arrivalMs: startMs + dtsMs }, 48_000);
      }
    };
    const quiet = new HealthMeter();
    hear(quiet, 0, 0, 7_200);
    const nowMs = send(quiet, { pictures: 250 });
    const health = quiet.read(nowMs)!;
    assert.deepEqual([health.videoBehindMs, health.audioBehindMs, health.silentMs], [0, 2_800, 0]);
    assert.deepEqual(findHealthFaults(health), []);
    send(quiet, { from: 250, pictures: 10 });
    assert.deepEqual(findHealthFaults(quiet.read(nowMs + 400)!), ["sound-stopped"]);
    // Who comes back without sound has none.
    send(quiet, { pictures: 250, epoch: 1, comesAt: (_, due) => 20_000 + due });
    const back = quiet.read(startMs + 30_000)!;
    assert.deepEqual([back.audioBehindMs, findHealthFaults(back)], [null, []]);
    const blind = new HealthMeter();
    send(blind, { pictures: 100, keyEvery: 25 });
    hear(blind, 0, 0, 9_000);
    assert.deepEqual(findHealthFaults(blind.read(startMs + 9_000)!), ["pictures-stopped"]);
    const alone = new HealthMeter();
    hear(alone, 0, 0, 9_000);
    assert.deepEqual(findHealthFaults(alone.read(startMs + 9_000)!), []);
  });

  it("is sent whatever a publisher sends", () => {
    const codec = createCodec(sourceHealthSchema, 1_024);
    const frame = fc.record({
      epoch: fc.nat(3),
      dts: fc.nat(2 ** 40),
      duration: fc.nat(400_000),
      key: fc.boolean(),
      waitMs: fc.nat(5_000),
      isVideo: fc.boolean(),
      data: fc.uint8Array({ maxLength: 20 }),
    });
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 200 }), (frames) => {
        const meter = new HealthMeter();
        let arrivalMs = startMs;
        for (const { waitMs, isVideo, ...rest } of frames) {
          arrivalMs += waitMs;
          if (isVideo) meter.video({ ...rest, arrivalMs });
          else meter.audio({ ...rest, arrivalMs }, 48_000);
          const health = meter.read(arrivalMs)!;
          assert.deepEqual(codec.decode(codec.encode(health)), health);
        }
      }),
    );
    const crowd = new HealthMeter();
    const health = crowd.read(send(crowd, { pictures: 90_000, fps: 90_000, comesAt: (_, due) => due * 20 }))!;
    assert.deepEqual(codec.decode(codec.encode(health)), health);
  });

  it("begins anew with another clock", () => {
    const meter = new HealthMeter();
    send(meter, { pictures: 250, comesAt: (_, due) => due * 2 });
    const nowMs = send(meter, { pictures: 250, epoch: 1, comesAt: (_, due) => 20_000 + due });
    const health = meter.read(nowMs)!;
    assert.deepEqual([health.pace, health.driftMs, health.keyIntervalMs], [1, 0, 2_000]);
    // Sound that is still on the old clock changes nothing of that.
    const late = { epoch: 0, dts: 48_000, duration: 960, key: true, data: new Uint8Array(100), arrivalMs: nowMs };
    meter.audio(late, 48_000);
    const { audioBitrate, ...same } = meter.read(nowMs)!;
    assert.deepEqual({ ...same, audioBitrate: 0 }, health);
    assert.ok(audioBitrate > 0);
  });
});
