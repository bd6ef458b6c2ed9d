import type { JobRung, Prices, PriceUnit } from "@leat/sdk/protocol/job.ts";
import { MAX_RENDITIONS } from "@leat/sdk/protocol/limits.ts";
import { hashPartLeaf, merkleRoot, type PartLeaf } from "@leat/sdk/protocol/merkle.ts";
import type { Receipt } from "@leat/sdk/protocol/signed.ts";
import { costExact } from "@leat/sdk/protocol/units.ts";
import { MeteringError } from "./errors.ts";

/** What one receipt is worth. */
export interface Usage {
  readonly unit: PriceUnit;
  /** All that was done. */
  readonly units: bigint;
  /** What of it is paid: less where a budget ends. */
  readonly paidUnits: bigint;
  readonly exact: bigint;
}

/** Throws METERING_LEAVES_WRONG unless the leaves are those that the receipt's root and size stand for. */
export function checkLeaves(receipt: Receipt, leaves: readonly PartLeaf[]): void {
  if (sumOf(leaves, (leaf) => leaf.sizeBytes) !== receipt.sizeBytes) throw leavesWrong("sizeBytes");
  if (merkleRoot(leaves.map(hashPartLeaf)) !== receipt.outputRoot) throw leavesWrong("outputRoot");
}

/** No segment has more pictures: 240 a second, as many as a rung may have, for as long as the longest segment lasts. */
const MOST_FRAMES = 1_080;
/** No rung has larger pictures: neither side is longer than 16,384. */
const MOST_PICTURE_PIXELS = 16_384n * 16_384n;

/**
 * Pixels are paid, so each leaf's must be its frames times its rung's size, of a rung that the job has; and no rung may
 * claim more frames than the receipt, nor the receipt more than any segment has: its work is booked before it is looked
 * at. Audio groups (rungs from 100) have no pixels.
 */
export function checkPixels(receipt: Receipt, leaves: readonly PartLeaf[], rungs: readonly JobRung[]): void {
  checkPictures(
    receipt,
    leaves,
    new Map(rungs.map(({ rung, width, height }) => [rung, BigInt(width) * BigInt(height)])),
  );
}

/** The same where the job's rungs are not known: all pictures of one are as large as its first, no larger than allowed. */
export function checkClaimedPixels(receipt: Receipt, leaves: readonly PartLeaf[]): void {
  const sizes = new Map<number, bigint>();
  for (const { rung, frames, pixels } of leaves) {
    const size = frames === 0 ? 0n : pixels / BigInt(frames);
    if (size > MOST_PICTURE_PIXELS) throw leavesWrong("pixels");
    if (frames > 0 && !sizes.has(rung)) sizes.set(rung, size);
  }
  if (sizes.size > MAX_RENDITIONS) throw leavesWrong("rung");
  for (const { rung } of leaves) if (!sizes.has(rung)) sizes.set(rung, 0n);
  checkPictures(receipt, leaves, sizes);
}

function checkPictures(receipt: Receipt, leaves: readonly PartLeaf[], sizes: ReadonlyMap<number, bigint>): void {
  if (receipt.frames > MOST_FRAMES) throw leavesWrong("frames");
  const frames = new Map<number, number>();
  for (const leaf of leaves) {
    const size = leaf.rung >= 100 ? 0n : sizes.get(leaf.rung);
    if (size === undefined) throw leavesWrong("rung");
    if (leaf.pixels !== size * BigInt(leaf.frames)) throw leavesWrong("pixels");
    if (leaf.rung < 100) frames.set(leaf.rung, (frames.get(leaf.rung) ?? 0) + leaf.frames);
  }
  for (const count of frames.values()) if (count > receipt.frames) throw leavesWrong("frames");
}

/** No segment is longer, as players are told (EXT-X-TARGETDURATION of 4 s, which EXTINF rounds to). */
const MOST_INGEST_MS = 4_500;

/** What of a segment's time is paid to who took it in: how long it was, nobody else can say. */
export function ingestUnits(durationMs: number): bigint {
  return BigInt(Math.min(durationMs, MOST_INGEST_MS));
}

/** Units of work in a receipt: milliseconds ingested, pixels encoded, bytes delivered. */
export function countUnits(unit: PriceUnit, receipt: Receipt, leaves: readonly PartLeaf[]): bigint {
  if (unit === "ingestMs") return ingestUnits(receipt.durationMs);
  if (unit === "deliveredByte") return sumOf(leaves, (leaf) => leaf.sizeBytes);
  if (unit === "storedByteSecond") throw new MeteringError({ code: "METERING_UNIT_NOT_SOLD", unit });
  return sumOf(leaves, (leaf) => leaf.pixels);
}

/** Prices a receipt whose leaves were checked. `budgetUnits` caps what is paid (a delivery budget that nobody signs for). */
export function priceReceipt(
  unit: PriceUnit,
  receipt: Receipt,
  leaves: readonly PartLeaf[],
  prices: Prices,
  budgetUnits?: bigint,
): Usage {
  const price = prices[unit];
  if (price === undefined) throw new MeteringError({ code: "METERING_UNIT_NOT_SOLD", unit });
  const units = countUnits(unit, receipt, leaves);
  const paidUnits = budgetUnits !== undefined && budgetUnits < units ? (budgetUnits > 0n ? budgetUnits : 0n) : units;
  return { unit, units, paidUnits, exact: costExact(price, paidUnits) };
}

/** What one second of a transcode job costs, for credit and prepayment. */
export function pixelsPerSecond(rungs: readonly JobRung[], sourceFps: number): bigint {
  let pixels = 0;
  for (const rung of rungs) pixels += rung.width * rung.height * (rung.fps ?? sourceFps);
  return BigInt(Math.ceil(pixels));
}

function sumOf(leaves: readonly PartLeaf[], amount: (leaf: PartLeaf) => bigint): bigint {
  return leaves.reduce((sum, leaf) => sum + amount(leaf), 0n);
}

function leavesWrong(field: "outputRoot" | "sizeBytes" | "pixels" | "rung" | "frames"): MeteringError {
  return new MeteringError({ code: "METERING_LEAVES_WRONG", field });
}
