import assert from "node:assert/strict";
import { nativeStatements } from "@leat/node/kernel/secp.ts";
import { BoundaryMaker } from "@leat/node/media/boundaries.ts";
import { Passthrough } from "@leat/node/services/ingest/passthrough.ts";
import { PublishedLog } from "@leat/node/services/ingest/published-log.ts";
import { type SourceFacts, SourceSegments } from "@leat/node/services/ingest/source-segments.ts";
import { hashSegment, packSegment } from "@leat/node/services/jobs/packed-segment.ts";
import type { Work } from "@leat/node/services/jobs/receipt-book.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { createDomain } from "@leat/sdk/protocol/eip712.ts";
import type { Frame } from "@leat/sdk/protocol/frame.ts";
import { bytesToHex } from "@leat/sdk/protocol/hex.ts";
import { SOURCE_RUNG, SOURCE_WITHHELD_RUNG } from "@leat/sdk/protocol/stream.ts";
import { plainConfig as config } from "../../../support/plain-config.ts";

const info = {
  name: "source",
  kind: "video",
  codec: "h264",
  family: "h264",
  width: 64,
  height: 48,
  bitrate: 1,
} as const;

describe("source segments", () => {
  let packed: number[];
  let facts: SourceFacts[];
  let works: Work[];
  let passthrough: Passthrough;
  let log: PublishedLog;
  let push: (frame: Frame) => void;
  let finish: () => void;

  beforeEach(() => {
    [packed, facts, works] = [[], [], []];
    log = new PublishedLog({
      stream: `0x${"5e".repeat(32)}`,
      signer: nativeStatements.createSigner(new Uint8Array(32).fill(7)),
      domain: createDomain(31_337, `0x${"e5".repeat(20)}`),
      partTargetMs: () => 250,
      keptSegments: 5,
      onFault: assert.ifError,
    });
    passthrough = new Passthrough({ log, logger: silentLogger, onSegment: () => {} });
    const segments = new SourceSegments({
      pack: (segment) => {
        packed.push(segment.sequence);
        return packSegment(segment);
      },
      partTargetMs: () => 250,
      passthrough,
      audio: { takePassed: () => undefined },
      onFacts: (fact) => facts.push(fact),
      onWork: (work) => works.push(work),
    });
    const boundaries = new BoundaryMaker();
    push = (frame) => {
      const { boundary, completed, sequence } = boundaries.push(frame);
      for (const one of completed) segments.completeVideo(one);
      if (boundary !== undefined) {
        segments.begin(boundary, config, 0);
        passthrough.begin(boundary, config, 0);
      }
      if (sequence === undefined) return;
      passthrough.addVideo(sequence, frame);
      segments.addVideo(sequence, frame);
    };
    finish = () => {
      for (const one of boundaries.finish()) segments.completeVideo(one);
      segments.finish();
      passthrough.finish();
    };
  });

  /** Three segments of two seconds; pictures show `later` than they are decoded, as those of B-frames do. */
  function publish(later = 0): Frame[] {
    const frames = Array.from({ length: 180 }, (_, index) => frameAt(index, index % 60 === 0, later));
    for (const frame of frames) push(frame);
    finish();
    return frames;
  }

  for (const later of [0, 6_000]) {
    it(`are what edges have of them, packed once, of pictures that show ${later} ticks late`, async () => {
      passthrough.setRenditions([{ ...info, rung: SOURCE_RUNG }]);
      const frames = publish(later);
      assert.deepEqual(packed, []);
      assert.equal(works.length, 3);
      for (const [at, fact] of facts.entries()) {
        const own = frames.slice(at * 60, at * 60 + 60);
        const again = packSegment({ rung: SOURCE_RUNG, sequence: at, config, frames: own, partTargetMs: 250 });
        assert.equal(fact.inputHash(), bytesToHex(hashSegment(again)));
        assert.equal(fact.durationTicks, again.totals.durationTicks);
        assert.deepEqual(
          works[at]!.leaves.map(({ rung, part, sha256 }) => ({ rung, part, sha256 })),
          again.parts.map(({ index, sha256 }) => ({ rung: SOURCE_RUNG, part: index, sha256: bytesToHex(sha256) })),
        );
      }
    });
  }

  it("are packed here where nobody gets them as they are", () => {
    passthrough.setRenditions([{ ...info, rung: 1 }]);
    publish();
    assert.deepEqual(packed, [0, 1, 2]);
  });

  it("are packed here where edges have not all of one", () => {
    passthrough.setRenditions([{ ...info, rung: SOURCE_RUNG }]);
    for (let index = 0; index <= 60; index += 1) push(frameAt(index, index % 60 === 0, 3_000));
    // Behind the next key frame in the order of decoding, and before it on the screen.
    push({ ...frameAt(61, false, 0), dts: 181_000, pts: 182_000 });
    push(frameAt(63, false, 3_000));
    assert.deepEqual(packed, [0]);
    assert.deepEqual(new Set(works[0]!.leaves.map(({ rung }) => rung)), new Set([SOURCE_WITHHELD_RUNG]));
  });

  it("are signed for with their tags as edges have them, and compared without as transcoders have them", () => {
    passthrough.setRenditions([{ ...info, rung: SOURCE_RUNG }]);
    const plain = Array.from({ length: 120 }, (_, index) => frameAt(index, index % 60 === 0, 0));
    const tags = [{ pts: 210_001, tag: Uint8Array.of(7) }];
    const tagged = plain.map((frame, index) => (index === 70 ? { ...frame, tags } : frame));
    for (const frame of tagged) push(frame);
    finish();
    assert.deepEqual(packed, [1]);
    const pack = (frames: readonly Frame[]) =>
      packSegment({ rung: SOURCE_RUNG, sequence: 1, config, frames: frames.slice(60), partTargetMs: 250 });
    assert.deepEqual(
      works[1]!.leaves.map(({ sha256 }) => sha256),
      pack(tagged).parts.map(({ sha256 }) => bytesToHex(sha256)),
    );
    assert.equal(facts[1]!.inputHash(), bytesToHex(hashSegment(pack(plain))));
    assert.notDeepEqual(hashSegment(pack(tagged)), hashSegment(pack(plain)));
    assert.ok(facts[1]!.frames.every((frame) => frame.tags === undefined));
  });

  it("hold no picture twice once its part is whole", async () => {
    passthrough.setRenditions([{ ...info, rung: SOURCE_RUNG }]);
    const frames = publish();
    log.close();
    const buffers = new Set<ArrayBufferLike>();
    const data: Uint8Array[] = [];
    let parts = 0;
    for await (const message of log.readFrom(0, new AbortController().signal)) {
      if (message.type === "partMark") parts += 1;
      if (message.type === "frame") buffers.add(message.frame.data.buffer);
      if (message.type === "frame") data.push(message.frame.data);
    }
    assert.equal(buffers.size, parts);
    assert.deepEqual(
      data.map((bytes) => [...bytes]),
      frames.map((frame) => [...frame.data]),
    );
  });
});

function frameAt(index: number, key: boolean, later: number): Frame {
  const dts = index * 3_000;
  const data = Uint8Array.from({ length: 1 + (index % 5) }, (_, at) => index + at);
  return {
    kind: "video",
    epoch: 0,
    dts,
    pts: dts + later,
    duration: 3_000,
    key,
    configVersion: 0,
    arrivalMs: 0,
    data,
  };
}
