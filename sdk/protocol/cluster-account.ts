import { type Address, bytesToHex, hexToBytes } from "./hex.ts";
import { keccak256 } from "./keccak.ts";

const label = new TextEncoder().encode("leat.cluster");

/** The account that a cluster pays and is paid through: the last 20 bytes of keccak256(abi.encode("leat.cluster", id)). */
export function clusterAccountOf(cluster: bigint): Address {
  const encoded = new Uint8Array(128);
  // abi.encode of (string, uint256): where the text stands, the number, the text's length, the text.
  encoded[31] = 64;
  encoded.set(hexToBytes(`0x${cluster.toString(16).padStart(64, "0")}`, 32), 32);
  encoded[95] = label.length;
  encoded.set(label, 96);
  return bytesToHex(keccak256(encoded).subarray(12));
}
