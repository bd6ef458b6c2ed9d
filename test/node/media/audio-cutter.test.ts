import assert from "node:assert/strict";
import { AudioCutter, type AudioStep } from "@leat/node/media/audio-cutter.ts";
import type { Boundary, Frame } from "@leat/sdk/protocol/frame.ts";

describe("audio cutter", () => {
  const packet = (index: number, epoch = 0): Frame => {
    const dts = index * 1024;
    const data = new Uint8Array(1);
    return { kind: "audio", epoch, dts, pts: dts, duration: 1024, key: true, configVersion: 0, arrivalMs: 0, data };
  };
  const boundaryAt = (sequence: number, pts: number, epoch = 0): Boundary => {
    return { sequence, epoch, pts, forced: false, discontinuity: false, firstFrame: 0 };
  };
  const summarize = (steps: AudioStep[]) =>
    steps.map((step) =>
      step.type === "frame" ? `${step.sequence}:${step.frame.dts / 1024}` : `close ${step.sequence}`,
    );

  it("puts a packet into the segment that shows at its time, once no earlier boundary can come", () => {
    const cutter = new AudioCutter(48_000);
    assert.deepEqual(summarize(cutter.boundary(boundaryAt(5, 0))), []);
    assert.deepEqual(summarize([0, 1, 2, 3].flatMap((index) => cutter.push(packet(index)))), []);
    assert.deepEqual(summarize(cutter.advance(0, 3000)), ["5:0", "5:1"]);
    assert.deepEqual(summarize(cutter.boundary(boundaryAt(6, 5000))), ["5:2"]);
    assert.deepEqual(summarize(cutter.advance(0, 6000)), ["close 5", "6:3"]);
    assert.deepEqual(summarize(cutter.finish()), ["close 6"]);
    assert.equal(cutter.dropped, 0);
  });

  it("gives up on audio that falls two seconds behind and drops it when it comes", () => {
    const cutter = new AudioCutter(48_000);
    cutter.boundary(boundaryAt(0, 0));
    cutter.push(packet(0));
    cutter.advance(0, 180_000);
    cutter.boundary(boundaryAt(1, 183_000));
    assert.deepEqual(summarize(cutter.advance(0, 363_000)), ["close 0"]);
    assert.deepEqual(summarize(cutter.push(packet(1))), []);
    assert.deepEqual(summarize(cutter.push(packet(100))), ["1:100"]);
    assert.equal(cutter.dropped, 1);
  });

  it("keeps audio of an ended epoch with its pictures and drops what outlives them", () => {
    const cutter = new AudioCutter(48_000);
    cutter.boundary(boundaryAt(0, 0));
    cutter.advance(0, 9000);
    assert.deepEqual(summarize(cutter.boundary(boundaryAt(1, 90_000, 1))), []);
    assert.deepEqual(summarize([1, 2, 60].flatMap((index) => cutter.push(packet(index)))), ["0:1", "0:2"]);
    cutter.advance(1, 120_000);
    assert.deepEqual(summarize(cutter.push(packet(48, 1))), ["close 0", "1:48"]);
    assert.equal(cutter.dropped, 1);
  });

  it("drops audio from before the first picture", () => {
    const cutter = new AudioCutter(48_000);
    cutter.boundary(boundaryAt(0, 90_000));
    cutter.push(packet(1));
    cutter.push(packet(47));
    assert.deepEqual(summarize(cutter.finish()), ["0:47", "close 0"]);
    assert.equal(cutter.dropped, 1);
  });
});
