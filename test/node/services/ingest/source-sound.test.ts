import assert from "node:assert/strict";
import { nativeStatements } from "@leat/node/kernel/secp.ts";
import { AudioGroups } from "@leat/node/services/ingest/audio-groups.ts";
import { PublishedLog } from "@leat/node/services/ingest/published-log.ts";
import { SourceIntake, type SourceIntakeParts } from "@leat/node/services/ingest/source-intake.ts";
import { SourceSegments } from "@leat/node/services/ingest/source-segments.ts";
import { packSegment } from "@leat/node/services/jobs/packed-segment.ts";
import type { Work } from "@leat/node/services/jobs/receipt-book.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { createDomain } from "@leat/sdk/protocol/eip712.ts";
import { AAC_RUNG, type RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { plainSound } from "../../../support/plain-config.ts";

const aac: RenditionInfo = { rung: AAC_RUNG, name: "aac", kind: "audio", codec: "aac", bitrate: 128_000 };
const PACKET_MS = 1_024 / 48;

/** Sixteen seconds of sound without a picture; what is packed for receipts alone, and their work. */
function publish({ wanted, holeAtS, tagAtS }: { wanted: RenditionInfo[]; holeAtS?: number; tagAtS?: number }) {
  const packed: number[] = [];
  const works: Work[] = [];
  const nothing = new Proxy({}, { get: () => () => undefined });
  const partTargetMs = () => 250;
  const log = new PublishedLog({
    stream: `0x${"5e".repeat(32)}`,
    signer: nativeStatements.createSigner(new Uint8Array(32).fill(7)),
    domain: createDomain(31_337, `0x${"e5".repeat(20)}`),
    partTargetMs,
    keptSegments: 5,
    onFault: assert.ifError,
  });
  const audio = new AudioGroups({
    startAudio: () => assert.fail("nothing is to be encoded"),
    log,
    clock: new ManualClock(),
    logger: silentLogger,
    onSegment: () => {},
  });
  const segments = new SourceSegments({
    pack: (segment) => {
      packed.push(segment.sequence);
      return packSegment(segment);
    },
    partTargetMs,
    passthrough: { complete: () => undefined, isWhole: () => true },
    audio,
    onFacts: () => {},
    onWork: (work) => works.push(work),
  });
  const parts = { buffer: nothing, segments, audio, passthrough: nothing, onBoundary: () => {}, onPicture: () => {} };
  const start = { startSequence: 0, startFrame: 0, startEpoch: 0, discontinuity: false };
  const intake = new SourceIntake(start, parts as unknown as SourceIntakeParts);
  intake.configure(plainSound);
  audio.setRenditions(wanted);
  for (let at = 0; at * PACKET_MS < 16_000; at += 1) {
    const atMs = at * PACKET_MS;
    if (holeAtS !== undefined && Math.abs(atMs - holeAtS * 1_000) < 100) continue;
    if (tagAtS !== undefined && at === Math.round((tagAtS * 1_000) / PACKET_MS)) {
      intake.addTag(Math.round(atMs), Uint8Array.of(1, 2, 3));
    }
    const data = Uint8Array.of(0x21, at, at >> 8, 0, 0);
    intake.addAudio({ dts: Math.round(atMs), key: true, data }, 1_700_000_000_000 + atMs);
  }
  intake.finish();
  return { packed, works };
}

describe("a source's sound", () => {
  let alone: ReturnType<typeof publish>;

  before(() => {
    alone = publish({ wanted: [] });
  });

  it("is packed for its receipts where nobody gets it as it is", () => {
    assert.ok(alone.works.length > 3);
    assert.deepEqual(
      alone.packed,
      alone.works.map(({ sequence }) => sequence),
    );
  });

  it("is packed once where it is passed on, and its receipts are the same", () => {
    const passed = publish({ wanted: [aac] });
    assert.deepEqual(passed.works, alone.works);
    // The last one is closed by the source's end, before its group is.
    assert.deepEqual(passed.packed, alone.packed.slice(-1));
  });

  for (const [what, more] of [
    ["a hole was filled", { holeAtS: 7 }],
    ["a tag goes along", { tagAtS: 7 }],
  ] as const) {
    it(`is packed again where ${what}`, () => {
      const [passed, plain] = [publish({ wanted: [aac], ...more }), publish({ wanted: [], ...more })];
      assert.deepEqual(passed.works, plain.works);
      assert.equal(passed.packed.length, 2);
    });
  }
});
