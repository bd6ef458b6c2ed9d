import assert from "node:assert/strict";
import { SourceBuffer } from "@leat/node/services/ingest/source-buffer.ts";
import type { SourceFacts } from "@leat/node/services/ingest/source-segments.ts";
import { Unpublished } from "@leat/node/services/ingest/unpublished.ts";
import type { Frame } from "@leat/sdk/protocol/frame.ts";
import { zeroHash } from "@leat/sdk/protocol/hex.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import { plainConfig as config } from "../../../support/plain-config.ts";

const never = new AbortController().signal;
const renditions = ["h264", "vp9"].map(
  (family, at) => ({ rung: at + 1, name: family, kind: "video", codec: family, family, bitrate: 1 }) as RenditionInfo,
);

describe("what families have yet to publish", () => {
  const shown = new Set<number>();
  let unpublished: Unpublished;

  beforeEach(() => {
    shown.clear();
    // Of segments of two seconds it keeps those that began within the last four.
    const buffer = new SourceBuffer({ maxBytes: 10_000, maxMs: 4_000 });
    buffer.setConfig(0, config);
    unpublished = new Unpublished(buffer, (sequence) => shown.has(sequence));
    unpublished.setRenditions(renditions, 0);
    addTo = (sequence) => {
      const pts = sequence * 180_000;
      const boundary = { sequence, epoch: 0, pts, forced: false, discontinuity: false, firstFrame: sequence };
      const place = { epoch: 0, dts: pts, pts, duration: 180_000, key: true, configVersion: 0 };
      const frame: Frame = { kind: "video", ...place, arrivalMs: sequence * 2_000, data: new Uint8Array(10) };
      buffer.announce(boundary, sequence * 2_000);
      buffer.add(sequence, frame);
      unpublished.begin(boundary, sequence * 2_000);
      const facts: SourceFacts = {
        ...{ boundary, config, frames: [frame], wallClockMs: 0 },
        ...{ inputHash: () => zeroHash, durationTicks: 180_000 },
      };
      unpublished.addFacts(facts);
    };
  });
  let addTo: (sequence: number) => void;
  const add = (from: number, to: number) => {
    for (let sequence = from; sequence <= to; sequence += 1) addTo(sequence);
  };
  const known = async (sequence: number) => [
    unpublished.begunAt(sequence) !== undefined,
    (await unpublished.factsOf(sequence, AbortSignal.abort())) !== undefined,
  ];

  it("is forgotten with its source, but for what viewers have and nobody judged", async () => {
    add(0, 1);
    shown.add(1);
    add(2, 9);
    assert.deepEqual(
      unpublished.tracks.map(({ next }) => next),
      [7, 7],
    );
    assert.deepEqual(await Promise.all([0, 1, 2, 6, 7].map(known)), [
      [false, false],
      [true, true],
      [false, false],
      [false, false],
      [true, true],
    ]);
    assert.equal((await unpublished.factsOf(1, never))?.boundary.sequence, 1);
    shown.delete(1);
    add(10, 10);
    assert.deepEqual(await known(1), [false, false]);
  });
});
