import assert from "node:assert/strict";
import { SoundBoundaryMaker, soundTicks } from "@leat/node/media/sound-boundaries.ts";
import type { Frame } from "@leat/sdk/protocol/frame.ts";

function packet(pts: number, facts: Partial<Frame> = {}): Frame {
  const times = { epoch: 0, dts: pts, pts, duration: 1_024 };
  return { kind: "audio", ...times, key: true, configVersion: 0, arrivalMs: 0, data: new Uint8Array(1), ...facts };
}

describe("sound boundaries", () => {
  it("stand at the first packet, and at the first at least two seconds later", () => {
    const maker = new SoundBoundaryMaker({ sequence: 7, firstFrame: 30, discontinuity: true });
    const packets = Array.from({ length: 300 }, (_, index) => packet(44_100 + index * 1_024));
    const boundaries = packets.flatMap((frame) => maker.push(frame, 44_100) ?? []);
    const common = { epoch: 0, forced: false, firstFrame: 30 };
    assert.deepEqual(boundaries, [
      { ...common, sequence: 7, pts: 90_000, discontinuity: true },
      { ...common, sequence: 8, pts: soundTicks(packets[87]!, 44_100), discontinuity: false },
      { ...common, sequence: 9, pts: soundTicks(packets[174]!, 44_100), discontinuity: false },
      { ...common, sequence: 10, pts: soundTicks(packets[261]!, 44_100), discontinuity: false },
    ]);
    assert.ok(boundaries.every(({ pts }, index) => index === 0 || pts - boundaries[index - 1]!.pts >= 180_000));
  });

  it("break with an epoch, and begin anew with a configuration", () => {
    const maker = new SoundBoundaryMaker();
    const packets = [
      packet(48_000),
      packet(49_024),
      packet(48_000, { epoch: 1 }),
      packet(49_024, { epoch: 1, configVersion: 1 }),
      packet(50_048, { epoch: 1, configVersion: 1 }),
    ];
    assert.deepEqual(
      packets
        .map((frame) => maker.push(frame, 48_000))
        .map((made) => made && [made.sequence, made.epoch, made.discontinuity]),
      [[0, 0, false], undefined, [1, 1, true], [2, 1, false], undefined],
    );
  });
});
