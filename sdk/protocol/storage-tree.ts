import { sha256 } from "@noble/hashes/sha2.js";
import { CodedError } from "../base/errors.ts";
import { bytesToHex, type Hex, hexToBytes } from "./hex.ts";

/**
 * The tree that a storage deal names: SHA-256 over leaves of 1 KiB, the last one shorter. A leaf hashes as
 * SHA-256(0x00, bytes), an inner node as SHA-256(0x01, left, right), so that neither can be shown for the other; the last
 * node of an odd level rises as it is. Order counts: a leaf's place is proven along with its bytes.
 */

export const STORAGE_LEAF_BYTES = 1024;

export class StorageTreeError extends CodedError<
  { code: "STORAGE_TREE_EMPTY" } | { code: "STORAGE_TREE_LEAF_INVALID"; leaf: number; leaves: number }
> {}

export interface StorageLeaf {
  readonly leaf: number;
  readonly data: Uint8Array;
  /** Siblings from below. */
  readonly proof: readonly Hex[];
}

/** The root over `content`. @throws STORAGE_TREE_EMPTY */
export function storageRoot(content: Uint8Array): Hex {
  return bytesToHex(climb(content, () => {}));
}

/** A leaf with its siblings, as the contract takes it. @throws STORAGE_TREE_EMPTY, STORAGE_TREE_LEAF_INVALID */
export function proveStorageLeaf(content: Uint8Array, leaf: number): StorageLeaf {
  const leaves = storageLeafCount(content.length);
  if (!Number.isInteger(leaf) || leaf < 0 || leaf >= leaves) {
    throw new StorageTreeError({ code: "STORAGE_TREE_LEAF_INVALID", leaf, leaves });
  }
  const proof: Hex[] = [];
  let at = leaf;
  climb(content, (level) => {
    const sibling = level[at ^ 1];
    if (sibling !== undefined) proof.push(bytesToHex(sibling));
    at >>= 1;
  });
  return { leaf, data: leafAt(content, leaf), proof };
}

/** Whether the bytes stand at their place in content of `sizeBytes` with this root. */
export function verifyStorageLeaf(root: Hex, sizeBytes: number, { leaf, data, proof }: StorageLeaf): boolean {
  const leaves = storageLeafCount(sizeBytes);
  if (leaf < 0 || leaf >= leaves) return false;
  if (data.length !== Math.min(STORAGE_LEAF_BYTES, sizeBytes - leaf * STORAGE_LEAF_BYTES)) return false;
  let node = hashLeaf(data);
  let used = 0;
  let index = leaf;
  for (let last = leaves - 1; last > 0; last >>= 1) {
    if (index % 2 === 1 || index < last) {
      const sibling = proof[used];
      if (sibling === undefined) return false;
      used += 1;
      const other = hexToBytes(sibling, 32);
      node = index % 2 === 1 ? hashPair(other, node) : hashPair(node, other);
    }
    index >>= 1;
  }
  return used === proof.length && bytesToHex(node) === root.toLowerCase();
}

export function storageLeafCount(sizeBytes: number): number {
  return Math.ceil(sizeBytes / STORAGE_LEAF_BYTES);
}

function climb(content: Uint8Array, visit: (level: readonly Uint8Array[]) => void): Uint8Array {
  if (content.length === 0) throw new StorageTreeError({ code: "STORAGE_TREE_EMPTY" });
  let level = Array.from({ length: storageLeafCount(content.length) }, (_, leaf) => hashLeaf(leafAt(content, leaf)));
  while (level.length > 1) {
    visit(level);
    const above: Uint8Array[] = [];
    for (let index = 0; index < level.length; index += 2) {
      const right = level[index + 1];
      above.push(right === undefined ? level[index]! : hashPair(level[index]!, right));
    }
    level = above;
  }
  return level[0]!;
}

function leafAt(content: Uint8Array, leaf: number): Uint8Array {
  return content.subarray(leaf * STORAGE_LEAF_BYTES, (leaf + 1) * STORAGE_LEAF_BYTES);
}

function hashLeaf(data: Uint8Array): Uint8Array {
  return sha256.create().update(Uint8Array.of(0)).update(data).digest();
}

function hashPair(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256.create().update(Uint8Array.of(1)).update(left).update(right).digest();
}
