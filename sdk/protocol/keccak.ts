import { keccak_256 } from "@noble/hashes/sha3.js";

type Hash = (bytes: Uint8Array) => Uint8Array;

let hash: Hash = keccak_256;

/** keccak256, 32 bytes: what the chain hashes with. */
export function keccak256(bytes: Uint8Array): Uint8Array {
  return hash(bytes);
}

/** A faster one for all of this process. It must give the same bytes: every signature and id rests on them. */
export function setKeccak(faster: Hash): void {
  hash = faster;
}
