import assert from "node:assert/strict";
import {
  checkClaimedPixels,
  checkLeaves,
  checkPixels,
  pixelsPerSecond,
  priceReceipt,
} from "../../../node/metering/usage.ts";
import { type Hex, zeroHash } from "../../../sdk/protocol/hex.ts";
import { hashPartLeaf, merkleRoot, type PartLeaf } from "../../../sdk/protocol/merkle.ts";
import type { Receipt } from "../../../sdk/protocol/signed.ts";

const sha256: Hex = `0x${"ab".repeat(32)}`;
const leaf = (rung: number, part: number, frames: number, pixels: bigint, sizeBytes: bigint): PartLeaf => ({
  rung,
  part,
  frames,
  pixels,
  sizeBytes,
  sha256,
});
const leaves = [leaf(1, 0, 8, 8n * 409_920n, 1_000n), leaf(1, 1, 7, 7n * 409_920n, 900n), leaf(100, 0, 23, 0n, 50n)];
const rung = {
  rung: 1,
  name: "480p",
  codec: "h264",
  width: 854,
  height: 480,
  videoBitrate: 1,
  audioBitrate: 1,
} as const;
const receipt: Receipt = {
  job: zeroHash,
  seq: 3n,
  attempt: 1,
  quoteHash: zeroHash,
  inputHash: zeroHash,
  outputRoot: merkleRoot(leaves.map(hashPartLeaf)),
  firstFrame: 0n,
  frames: 15,
  durationMs: 500,
  sizeBytes: 1_950n,
};
const prices = { ingestMs: 10n ** 22n, pixelH264: 2n * 10n ** 18n, deliveredByte: 5n * 10n ** 18n };

describe("usage", () => {
  it("counts milliseconds, pixels and bytes at their prices", () => {
    assert.equal(priceReceipt("ingestMs", receipt, [], prices).exact, 500n * 10n ** 22n);
    const pixels = 15n * 409_920n;
    assert.deepEqual(priceReceipt("pixelH264", receipt, leaves, prices), {
      unit: "pixelH264",
      units: pixels,
      paidUnits: pixels,
      exact: pixels * 2n * 10n ** 18n,
    });
    assert.throws(() => priceReceipt("pixelVp9", receipt, leaves, prices), { code: "METERING_UNIT_NOT_SOLD" });
  });

  it("pays no more of a segment's time than any segment has", () => {
    const endless = { ...receipt, durationMs: 2 ** 32 - 1 };
    assert.equal(priceReceipt("ingestMs", endless, [], prices).exact, 4_500n * 10n ** 22n);
  });

  it("pays served bytes up to what is left of the budget", () => {
    const paid = (budget?: bigint) => priceReceipt("deliveredByte", receipt, leaves, prices, budget).paidUnits;
    assert.deepEqual([paid(), paid(5_000n), paid(100n), paid(0n), paid(-1n)], [1_950n, 1_950n, 100n, 0n, 0n]);
  });

  it("takes only the leaves that were signed", () => {
    checkLeaves(receipt, leaves);
    assert.throws(() => checkLeaves(receipt, leaves.slice(1)), { code: "METERING_LEAVES_WRONG" });
    assert.throws(() => checkLeaves(receipt, leaves.with(0, { ...leaves[0]!, pixels: 1n })), {
      code: "METERING_LEAVES_WRONG",
    });
  });

  it("pays no pixel that its rung does not have", () => {
    checkPixels(receipt, leaves, [rung]);
    const wrong = (changed: PartLeaf) => () => checkPixels(receipt, [changed], [rung]);
    assert.throws(wrong(leaf(1, 0, 8, 8n * 409_920n + 1n, 1n)), { code: "METERING_LEAVES_WRONG" });
    assert.throws(wrong(leaf(2, 0, 8, 8n * 409_920n, 1n)), { code: "METERING_LEAVES_WRONG" });
    assert.throws(wrong(leaf(1, 0, 16, 16n * 409_920n, 1n)), { code: "METERING_LEAVES_WRONG" });
    assert.throws(wrong(leaf(100, 0, 8, 1n, 1n)), { code: "METERING_LEAVES_WRONG" });
  });

  it("pays no more pictures than any segment has", () => {
    const ofFrames = (frames: number) => {
      const made = [leaf(1, 0, frames, BigInt(frames) * 409_920n, 1n)];
      return () => checkPixels({ ...receipt, frames }, made, [rung]);
    };
    ofFrames(1_080)();
    assert.throws(ofFrames(1_081), { code: "METERING_LEAVES_WRONG" });
    assert.throws(ofFrames(2 ** 32 - 1), { code: "METERING_LEAVES_WRONG" });
  });

  it("pays no picture that is larger than the others of its rung, or than any may be, where its rungs are not known", () => {
    const claim = (...made: PartLeaf[]) => checkClaimedPixels(receipt, made);
    checkClaimedPixels(receipt, leaves);
    claim(leaf(1, 0, 0, 0n, 1n), leaf(1, 1, 8, 8n * 409_920n, 1n), leaf(2, 0, 15, 15n * 2n ** 28n, 1n));
    const wrong = { code: "METERING_LEAVES_WRONG" };
    assert.throws(() => claim(leaf(1, 0, 1, 2n ** 40n, 1n)), wrong);
    assert.throws(() => claim(leaf(1, 0, 8, 8n * 100n, 1n), leaf(1, 1, 1, 101n, 1n)), wrong);
    assert.throws(() => claim(leaf(1, 0, 0, 100n, 1n)), wrong);
    assert.throws(() => claim(leaf(1, 0, 2, 201n, 1n)), wrong);
    assert.throws(() => claim(leaf(1, 0, 16, 1_600n, 1n)), wrong);
    assert.throws(() => claim(leaf(100, 0, 8, 1n, 1n)), wrong);
    assert.throws(() => claim(...Array.from({ length: 41 }, (_, rung) => leaf(rung, 0, 1, 1n, 1n))), wrong);
  });

  it("expects a job's pixels from its rungs", () => {
    assert.equal(pixelsPerSecond([rung, { ...rung, rung: 2, fps: 15 }], 30), 409_920n * 45n);
  });
});
