import assert from "node:assert/strict";
import { SourceBuffer } from "@leat/node/services/ingest/source-buffer.ts";
import type { Frame } from "@leat/sdk/protocol/frame.ts";
import { plainConfig as config } from "../../../support/plain-config.ts";

const never = new AbortController().signal;

function frameAt(index: number, key: boolean, sizeBytes = 100): Frame {
  const dts = index * 3_000;
  const data = new Uint8Array(sizeBytes);
  return {
    kind: "video",
    epoch: 0,
    dts,
    pts: dts,
    duration: 3_000,
    key,
    configVersion: 0,
    arrivalMs: index * 33,
    data,
  };
}

/** Segments of `size` frames; those in `forced` have no key frame. */
function fill(buffer: SourceBuffer, segments: number, size: number, forced: readonly number[] = []): void {
  for (let sequence = 0; sequence < segments; sequence += 1) {
    const first = sequence * size;
    const isForced = forced.includes(sequence);
    buffer.announce(
      { sequence, epoch: 0, pts: first * 3_000, forced: isForced, discontinuity: false, firstFrame: first },
      first * 33,
    );
    for (let index = first; index < first + size; index += 1) {
      buffer.add(sequence, frameAt(index, index === first && !isForced));
    }
  }
}

async function collect(buffer: SourceBuffer, sequence: number): Promise<string[]> {
  buffer.close();
  const seen: string[] = [];
  for await (const entry of buffer.readFrom(sequence, never)) {
    if (entry.type === "config") seen.push("config");
    if (entry.type === "boundary") seen.push(`boundary ${entry.boundary.sequence}`);
    if (entry.type === "frame") seen.push(`${entry.frame.key ? "key" : "frame"} ${entry.sequence}`);
  }
  return seen;
}

describe("source buffer", () => {
  it("replays from the boundary of the segment that is asked for", async () => {
    const buffer = new SourceBuffer({ maxBytes: 10_000, maxMs: 30_000 });
    buffer.setConfig(0, config);
    fill(buffer, 3, 2);
    assert.deepEqual(await collect(buffer, 1), [
      "config",
      "boundary 1",
      "key 1",
      "frame 1",
      "boundary 2",
      "key 2",
      "frame 2",
    ]);
  });

  it("feeds the decoder from the last key frame where a boundary was forced, without its boundary", async () => {
    const buffer = new SourceBuffer({ maxBytes: 10_000, maxMs: 30_000 });
    buffer.setConfig(0, config);
    fill(buffer, 3, 2, [1, 2]);
    buffer.release(2);
    assert.deepEqual(await collect(buffer, 2), [
      "config",
      "key 0",
      "frame 0",
      "frame 1",
      "frame 1",
      "boundary 2",
      "frame 2",
      "frame 2",
    ]);
  });

  it("lets go of segments that every family has published", () => {
    const buffer = new SourceBuffer({ maxBytes: 10_000, maxMs: 30_000 });
    buffer.setConfig(0, config);
    fill(buffer, 4, 2);
    buffer.release(3);
    assert.deepEqual([buffer.firstSequence, buffer.sizeBytes], [3, 200]);
  });

  it("lets readers begin where they have a third of its bounds left, and at the newest segment in any case", () => {
    const of = (maxBytes: number, maxMs: number) => {
      const buffer = new SourceBuffer({ maxBytes, maxMs });
      assert.equal(buffer.firstToRead, undefined);
      buffer.setConfig(0, config);
      fill(buffer, 10, 30);
      return [buffer.firstSequence, buffer.firstToRead];
    };
    // Segments of 990 ms and 3,000 bytes; the newest frame came 957 ms after its segment began.
    assert.deepEqual(of(1_000_000, 30_000), [0, 0]);
    assert.deepEqual(of(1_000_000, 6_000), [4, 6]);
    assert.deepEqual(of(18_000, 30_000), [4, 6]);
    assert.deepEqual(of(1, 30_000), [9, 9]);
  });

  it("drops whole segments beyond its bytes or its time, also within one group of pictures", () => {
    const bytes = new SourceBuffer({ maxBytes: 500, maxMs: 30_000 });
    bytes.setConfig(0, config);
    fill(bytes, 4, 2);
    assert.equal(bytes.firstSequence, 2);
    const time = new SourceBuffer({ maxBytes: 10_000, maxMs: 100 });
    time.setConfig(0, config);
    fill(time, 4, 2);
    assert.equal(time.firstSequence, 2);
    const endless = new SourceBuffer({ maxBytes: 500, maxMs: 30_000 });
    endless.setConfig(0, config);
    fill(
      endless,
      40,
      2,
      Array.from({ length: 39 }, (_, index) => index + 1),
    );
    assert.ok(endless.sizeBytes <= 500, `${endless.sizeBytes} bytes held`);
  });
});
