import assert from "node:assert/strict";
import { SourceIntake, type SourceIntakeParts } from "@leat/node/services/ingest/source-intake.ts";
import { readMedia } from "@leat/transcoder/tools/media.ts";

describe("a source", () => {
  it("is there while its pictures come or its sound does, also where one of them stops", async () => {
    const items = await readMedia({ pattern: { width: 64, height: 64, fps: 10, durationS: 2, bFrames: 0 } });
    const begun: number[] = [];
    const nothing = new Proxy({}, { get: () => () => [] });
    const parts = { onBoundary: ({ sequence }: { sequence: number }) => begun.push(sequence), onPicture: () => {} };
    const others = { buffer: nothing, segments: nothing, audio: nothing, passthrough: nothing };
    const start = { startSequence: 0, startFrame: 0, startEpoch: 0, discontinuity: false };
    const intake = new SourceIntake(start, { ...others, ...parts } as unknown as SourceIntakeParts);
    const sound = [];
    for (const item of items) {
      if (item.type === "config") intake.configure(item.config as never);
      else if (item.frame.kind === "audio") sound.push(item.frame);
      else intake.addVideo({ ...item.frame, dts: item.frame.dts / 90, cts: 0 }, 1_000);
    }
    assert.deepEqual([begun, intake.lastArrivalMs], [[0], 1_000]);
    for (const [at, frame] of sound.entries()) intake.addAudio(frame, 2_000 + at);
    assert.equal(intake.lastArrivalMs, 2_000 + sound.length - 1);
  });
});
