import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { addLive } from "@leat/node/media-io/hls/routes.ts";
import { EdgeStream, keepPart } from "@leat/node/services/delivery/edge-stream.ts";
import type { VerifiedSegment } from "@leat/node/services/delivery/segment-verifier.ts";
import type { PackedPart } from "@leat/node/services/jobs/packed-segment.ts";
import type { SegmentStartMessage } from "@leat/node/wire/media/message.ts";
import type { VideoConfig } from "@leat/sdk/protocol/frame.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import { fastify } from "fastify";
import { wholeSegment } from "../../../support/whole-segment.ts";

const config = { kind: "video", codec: "h264", timescale: 90_000, width: 64, height: 48 } as VideoConfig;
const rendition: RenditionInfo = { rung: 1, name: "240p", kind: "video", codec: "h264", family: "h264", bitrate: 1 };

function startOf(sequence: number): SegmentStartMessage {
  const facts = { epoch: 0, configVersion: 0, discontinuity: false, wallClockMs: 1_700_000_000_000 };
  return { type: "segmentStart", rung: 1, sequence, firstFrame: sequence * 21, ...facts };
}

function partOf(index: number, fill: number): PackedPart {
  const bytes = new Uint8Array(100).fill(fill);
  const facts = { frames: 7, pixels: 1, durationTicks: 21_000, startTicks: 0, headSizeBytes: 50 };
  const sha256 = createHash("sha256").update(bytes).digest();
  return { index, ...facts, bytes, independent: index === 0, sha256 };
}

const segmentOf = (sequence: number, parts: readonly PackedPart[]) =>
  ({ start: startOf(sequence), parts, frames: 0, durationTicks: 0, sizeBytes: 0 }) as VerifiedSegment;

describe("edge stream", () => {
  let stream: EdgeStream;

  beforeEach(() => {
    stream = new EdgeStream(keepPart, { id: `0x${"11".repeat(32)}`, slug: "slug", policy: { type: "public" } });
    stream.describe([rendition], 250);
    stream.add(segmentOf(0, [partOf(0, 1), partOf(1, 2)]), config);
  });

  it("serves a part before its segment is whole, the same bytes after, and is paid for both", () => {
    const parts = [partOf(0, 3), partOf(1, 4), partOf(2, 5)];
    stream.addPart(startOf(1), parts[0]!, config);
    stream.addPart(startOf(1), parts[1]!, config);
    assert.match(stream.window.playlist("240p")!, /URI="1\.1\.m4s"\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI="1\.2\.m4s"/);
    assert.deepEqual(stream.partBytes(1, 1, 1), parts[1]!.bytes);
    assert.deepEqual([wholeSegment(stream, 1, 1), stream.partBytes(1, 1, 2)], [undefined, undefined]);
    stream.count(1, 1, 100, 200);
    stream.add(segmentOf(1, parts), config);
    const part = Buffer.from(stream.partBytes(1, 1, 1)!);
    assert.deepEqual(
      stream.pieces(1, 1),
      parts.map(({ bytes }) => bytes),
    );
    // Once it was asked for again, there is one buffer, and a part is a piece of that.
    assert.equal(stream.pieces(1, 1)!.length, 1);
    assert.deepEqual(part, wholeSegment(stream, 1, 1)!.subarray(100, 200));
    assert.deepEqual(stream.partBytes(1, 1, 1), part);
    stream.count(1, 1, 0, 300);
    const [, closed] = [stream.end(), stream.closeCounts()];
    assert.deepEqual(
      closed.map(({ sequence, firstFrame, durationMs, leaves }) => [
        sequence,
        firstFrame,
        durationMs,
        leaves.map(({ part, sizeBytes }) => `${part}: ${sizeBytes}`),
      ]),
      [[1, 21, 700, ["0: 100", "1: 200", "2: 100"]]],
    );
  });

  for (const [how, leave] of [
    ["when it is whole", () => stream.add(segmentOf(1, [partOf(0, 3), partOf(1, 4)]), config)],
    ["when another one begins", () => stream.addPart(startOf(2), partOf(0, 5), config)],
    ["when the stream ends", () => stream.end()],
  ] as const) {
    it(`ends a segment that a viewer takes while it is written ${how}`, async () => {
      const app = fastify();
      await addLive(app, { findStream: () => stream });
      try {
        stream.addPart(startOf(1), { ...partOf(0, 3), startTicks: 42_000 }, config);
        const answer = app.inject({ url: "/live/slug/240p/0-42000.m4s" });
        await app.inject({ url: "/live/slug/time" });
        leave();
        assert.deepEqual((await answer).rawPayload, Buffer.from(wholeSegment(stream, 1, 1)!));
      } finally {
        await app.close();
      }
    });
  }

  it("takes the parts that it has from its origin again, and none that is another", () => {
    stream.addPart(startOf(1), partOf(0, 3), config);
    stream.addPart(startOf(1), partOf(0, 3), config);
    assert.throws(() => stream.addPart(startOf(1), partOf(0, 9), config), { code: "DELIVERY_PART_ALTERED" });
    assert.throws(() => stream.addPart(startOf(1), partOf(2, 9), config), { code: "DELIVERY_PART_ALTERED" });
    stream.addPart(startOf(0), partOf(0, 9), config);
    assert.deepEqual([stream.partBytes(1, 0, 0)![0], stream.partBytes(1, 1, 0)![0]], [1, 3]);
  });

  it("goes on behind a segment that a holder kept back, and blames nobody who brings it too late", () => {
    stream.addPart(startOf(2), partOf(0, 5), config);
    assert.equal(stream.nextSequence, 2);
    stream.addPart(startOf(1), partOf(0, 3), config);
    stream.add(segmentOf(1, [partOf(0, 3)]), config);
    stream.add(segmentOf(2, [partOf(0, 5)]), config);
    assert.deepEqual(
      [wholeSegment(stream, 1, 1), stream.partBytes(1, 2, 0)![0], stream.nextSequence],
      [undefined, 5, 3],
    );
  });

  it("believes of a segment's start what a part was verified under, and nothing before", () => {
    const cues = [{ atMs: 1_700_000_000_000, command: new Uint8Array(20) }];
    const wide = { ...config, width: 640 };
    stream.addPart({ ...startOf(1), configVersion: 1, cues }, partOf(0, 3), wide);
    assert.equal(stream.window.config("240p", 1), wide);
    assert.equal(stream.window.config("240p", 0), config);
  });

  it("tells which of its rungs stand while others go on", () => {
    const other: RenditionInfo = { ...rendition, rung: 2, name: "480p" };
    const onWish: RenditionInfo = { rung: 3, name: "audio-opus", kind: "audio", codec: "opus", bitrate: 1 };
    stream.describe([rendition, other, onWish], 250);
    assert.deepEqual(stream.late, []);
    stream.add(segmentOf(1, [partOf(0, 3)]), config);
    assert.deepEqual(stream.late, []);
    stream.addPart(startOf(2), partOf(0, 3), config);
    assert.deepEqual(stream.late, [2]);
    stream.addPart({ ...startOf(0), rung: 2 }, partOf(0, 3), config);
    assert.deepEqual(stream.late, []);
    stream.addPart(startOf(3), partOf(0, 3), config);
    assert.deepEqual(stream.late, [2]);
  });

  it("closes a segment that nobody completes with the parts that it has, and changes none", () => {
    const before = [partOf(0, 3), partOf(1, 4)];
    for (const part of before) stream.addPart(startOf(1), part, config);
    stream.addPart(startOf(2), partOf(0, 5), config);
    assert.equal(stream.window.segment("240p", 1)!.durationTicks, 42_000);
    assert.deepEqual(wholeSegment(stream, 1, 1), Buffer.concat(before.map(({ bytes }) => bytes)));
    assert.equal(stream.nextSequence, 2);
    stream.count(1, 2, 0, 50);
    stream.end();
    assert.deepEqual(
      stream.closeCounts().map(({ sequence, durationMs }) => [sequence, durationMs]),
      [[2, 233]],
    );
    assert.match(stream.window.playlist("240p")!, /\n2\.m4s\n#EXT-X-ENDLIST\n$/);
  });
});
