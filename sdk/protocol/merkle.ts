import { CodedError } from "../base/errors.ts";
import { bytesToHex, type Hex, hexToBytes, zeroHash } from "./hex.ts";
import { keccak256 } from "./keccak.ts";

/**
 * Merkle trees that OpenZeppelin's MerkleProof verifies: an inner node is keccak256 of its two children, the smaller
 * first. The last node of an odd level rises as it is, never doubled, so that two lists never share a root.
 *
 * A leaf must be the hash of a preimage whose length is not 64 bytes, or an inner node could be shown as a leaf:
 * a part's is 192 bytes, an EIP-712 digest's 66. Pairs are unordered, so a leaf carries its own place.
 */

/** One part of one rung, as counted and paid. */
export interface PartLeaf {
  readonly rung: number;
  readonly part: number;
  /** 0 for delivery. */
  readonly frames: number;
  /** Output pixels: width x height x frames. */
  readonly pixels: bigint;
  readonly sizeBytes: bigint;
  readonly sha256: Hex;
}

export class MerkleError extends CodedError<
  { code: "MERKLE_INDEX_INVALID"; index: number; leaves: number } | { code: "MERKLE_LEAF_INVALID"; field: string }
> {}

/** keccak256(abi.encode(uint32 rung, uint32 part, uint32 frames, uint64 pixels, uint64 sizeBytes, bytes32 sha256)) */
export function hashPartLeaf(leaf: PartLeaf): Hex {
  const encoded = new Uint8Array(192);
  const view = new DataView(encoded.buffer);
  view.setUint32(28, checkUint32("rung", leaf.rung));
  view.setUint32(60, checkUint32("part", leaf.part));
  view.setUint32(92, checkUint32("frames", leaf.frames));
  view.setBigUint64(120, checkUint64("pixels", leaf.pixels));
  view.setBigUint64(152, checkUint64("sizeBytes", leaf.sizeBytes));
  encoded.set(hexToBytes(leaf.sha256, 32), 160);
  return bytesToHex(keccak256(encoded));
}

/** The root over the leaves in order; zero of none. */
export function merkleRoot(leaves: readonly Hex[]): Hex {
  return climb(leaves, () => {});
}

/** The siblings from the leaf at `index` up to the root. */
export function merkleProof(leaves: readonly Hex[], index: number): Hex[] {
  if (!Number.isInteger(index) || index < 0 || index >= leaves.length) {
    throw new MerkleError({ code: "MERKLE_INDEX_INVALID", index, leaves: leaves.length });
  }
  const proof: Hex[] = [];
  let at = index;
  climb(leaves, (level) => {
    const sibling = level[at ^ 1];
    if (sibling !== undefined) proof.push(bytesToHex(sibling));
    at >>= 1;
  });
  return proof;
}

/** Whether `leaf` stands under `root`. The caller hashes the leaf from its parts: a leaf given as a hash proves nothing. */
export function verifyMerkleProof(root: Hex, leaf: Hex, proof: readonly Hex[]): boolean {
  let node = hexToBytes(leaf, 32);
  for (const sibling of proof) node = hashPair(node, hexToBytes(sibling, 32));
  return bytesToHex(node) === root.toLowerCase();
}

/** What a voucher's `usageRoot` is after one more tree of receipts; `previous` of a channel's first is zero. */
export function nextUsageRoot(previous: Hex, seq: bigint, receiptsRoot: Hex): Hex {
  const encoded = new Uint8Array(96);
  encoded.set(hexToBytes(previous, 32), 0);
  new DataView(encoded.buffer).setBigUint64(56, checkUint64("seq", seq));
  encoded.set(hexToBytes(receiptsRoot, 32), 64);
  return bytesToHex(keccak256(encoded));
}

function climb(leaves: readonly Hex[], visit: (level: readonly Uint8Array[]) => void): Hex {
  let level = leaves.map((leaf) => hexToBytes(leaf, 32));
  while (level.length > 1) {
    visit(level);
    const above: Uint8Array[] = [];
    for (let index = 0; index < level.length; index += 2) {
      const right = level[index + 1];
      above.push(right === undefined ? level[index]! : hashPair(level[index]!, right));
    }
    level = above;
  }
  return level[0] === undefined ? zeroHash : bytesToHex(level[0]);
}

function hashPair(left: Uint8Array, right: Uint8Array): Uint8Array {
  const pair = new Uint8Array(64);
  const leftFirst = isSmaller(left, right);
  pair.set(leftFirst ? left : right, 0);
  pair.set(leftFirst ? right : left, 32);
  return keccak256(pair);
}

function isSmaller(left: Uint8Array, right: Uint8Array): boolean {
  for (let index = 0; index < 32; index += 1) {
    if (left[index] !== right[index]) return left[index]! < right[index]!;
  }
  return false;
}

function checkUint32(field: string, value: number): number {
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** 32)
    throw new MerkleError({ code: "MERKLE_LEAF_INVALID", field });
  return value;
}

function checkUint64(field: string, value: bigint): bigint {
  if (value < 0n || value >> 64n !== 0n) throw new MerkleError({ code: "MERKLE_LEAF_INVALID", field });
  return value;
}
