import assert from "node:assert/strict";
import { Value } from "typebox/value";
import type { Hex } from "../../../sdk/protocol/hex.ts";
import {
  type DeliverySpec,
  hashJobSpec,
  hashPrices,
  type IngestSpec,
  type JobSpec,
  jobSpecSchema,
  pricesSchema,
  priceUnitOf,
  type TranscodeSpec,
} from "../../../sdk/protocol/job.ts";

const stream: Hex = `0x${"11".repeat(32)}`;
const node: Hex = `0x${"22".repeat(20)}`;
const origin = { node, multiaddrs: ["/ip4/127.0.0.1/tcp/1"] };
const source = { video: { codec: "h264" as const, codecString: "avc1.64001f", width: 1_280, height: 720, fps: 30 } };
const base = { stream, slug: "abcdefgh" };
const ingest: IngestSpec = { ...base, primitive: "ingest" };
const transcode: TranscodeSpec = {
  ...base,
  primitive: "transcode",
  family: "vp9",
  rungs: [
    { rung: 1, name: "360p", codec: "vp9", width: 640, height: 360, videoBitrate: 500_000, audioBitrate: 96_000 },
  ],
  origin,
  startSequence: 0,
  source,
};
const delivery: DeliverySpec = { ...base, primitive: "delivery", origin, renditions: [], unsignedBudgetBytes: 1n };
const specs: JobSpec[] = [ingest, transcode, delivery];

describe("jobs", () => {
  it("have specifications that fit their schema, and nothing else does", () => {
    for (const spec of specs) assert.equal(Value.Check(jobSpecSchema, spec), true, spec.primitive);
    assert.equal(Value.Check(jobSpecSchema, { ...ingest, extra: 1 }), false);
    assert.equal(Value.Check(jobSpecSchema, { ...transcode, family: "mpeg2" }), false);
    assert.equal(Value.Check(jobSpecSchema, { ...delivery, unsignedBudgetBytes: -1n }), false);
    assert.equal(Value.Check(jobSpecSchema, { ...ingest, stream: stream.toUpperCase() }), false);
  });

  it("are paid in one unit each", () => {
    assert.deepEqual(specs.map(priceUnitOf), ["ingestMs", "pixelVp9", "deliveredByte"]);
  });

  it("keep their specification's hash while origin, start and budget move", () => {
    const moved = { ...origin, node: `0x${"33".repeat(20)}` as Hex };
    assert.equal(hashJobSpec(transcode), hashJobSpec({ ...transcode, origin: moved, startSequence: 9 }));
    assert.equal(hashJobSpec(delivery), hashJobSpec({ ...delivery, origin: moved, unsignedBudgetBytes: 5n }));
    assert.equal(new Set(specs.map(hashJobSpec)).size, specs.length);
    assert.notEqual(hashJobSpec(transcode), hashJobSpec({ ...transcode, rungs: [] }));
    assert.notEqual(hashJobSpec(ingest), hashJobSpec({ ...ingest, stream: `0x${"12".repeat(32)}` }));
  });

  it("have prices whose hash tells units and amounts apart", () => {
    const prices = { pixelVp9: 4n * 10n ** 18n };
    assert.equal(Value.Check(pricesSchema, prices), true);
    assert.equal(Value.Check(pricesSchema, { pixelMpeg2: 1n }), false);
    assert.equal(Value.Check(pricesSchema, { pixelVp9: 1 }), false);
    assert.notEqual(hashPrices(prices), hashPrices({ pixelH264: 4n * 10n ** 18n }));
    assert.notEqual(hashPrices(prices), hashPrices({ pixelVp9: 1n }));
  });
});
