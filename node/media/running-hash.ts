import { bytesToHex, type Hex } from "@leat/sdk/protocol/hex.ts";
import type { PartLeaf } from "@leat/sdk/protocol/merkle.ts";
import type { LivePart } from "./live-segment.ts";
import type { Part } from "./packager.ts";

/** SHA-256, given by the caller: the platform's own is many times faster than any in JavaScript. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array;

const HASH_BYTES = 32;

/**
 * SHA-256(previous ‖ SHA-256(part)) over the parts of one rung, signed by the origin at every part: an edge finds an
 * altered byte within one part. `start` is what the chain begins with: a segment's head.
 */
export class RunningHash {
  readonly #sha256: Sha256;
  #value: Uint8Array;

  constructor(sha256: Sha256, start: Uint8Array = new Uint8Array(HASH_BYTES)) {
    this.#sha256 = sha256;
    this.#value = start;
  }

  get value(): Uint8Array {
    return this.#value;
  }

  /** Takes the next part's SHA-256 and gives the new running hash. */
  add(partHash: Uint8Array): Uint8Array {
    const joined = new Uint8Array(2 * HASH_BYTES);
    joined.set(this.#value, 0);
    joined.set(partHash, HASH_BYTES);
    this.#value = this.#sha256(joined);
    return this.#value;
  }

  /** After the last part: that no other follows. No part has a hash of zeros. */
  end(): Uint8Array {
    return this.add(new Uint8Array(HASH_BYTES));
  }
}

/** What stands in a receipt for a part that was made. */
export function partLeaf(rung: number, part: Part, sha256: Sha256): PartLeaf {
  return {
    rung,
    part: part.index,
    frames: part.frames,
    pixels: BigInt(part.pixels),
    sizeBytes: BigInt(part.bytes.length),
    sha256: bytesToHex(sha256(part.bytes)),
  };
}

/** What stands in a delivery receipt for a part that was served: total bytes sent to all viewers. */
export function servedLeaf(rung: number, part: number, servedBytes: bigint, sha256: Hex): PartLeaf {
  return { rung, part, frames: 0, pixels: 0n, sizeBytes: servedBytes, sha256 };
}

/** The order in which a receipt lists its leaves: by rung, then by part. */
export function sortLeaves(leaves: readonly PartLeaf[]): PartLeaf[] {
  return [...leaves].sort((left, right) => left.rung - right.rung || left.part - right.part);
}

/** A part as it stands in its segment, behind `offset` bytes of others. */
export function placePart(part: Part, sha256: Hex, offset: number): LivePart {
  const { bytes, frames, pixels, durationTicks, startTicks, independent, headSizeBytes } = part;
  return {
    offset,
    sizeBytes: bytes.length,
    frames,
    pixels,
    durationTicks,
    startTicks,
    independent,
    headSizeBytes,
    sha256,
  };
}

/** Places parts one after the other, as they stand in their segment. */
export function placeParts(parts: readonly { part: Part; sha256: Hex }[]): LivePart[] {
  let offset = 0;
  return parts.map(({ part, sha256 }) => {
    const placed = placePart(part, sha256, offset);
    offset += placed.sizeBytes;
    return placed;
  });
}
