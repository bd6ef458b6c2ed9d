import { keccak_256 } from "@noble/hashes/sha3.js";
import type { Channel } from "./channel.ts";
import { defineStructure, type ValueOf } from "./eip712.ts";
import { bytesToHex, type Hex, hexToBytes } from "./hex.ts";

/** What EIP-3009 tokens take instead of a transaction of the owner. Signed under the token's own domain. */
const fields = {
  from: "address",
  to: "address",
  value: "uint256",
  /** Valid strictly after it, and strictly before the next; seconds since 1970. */
  validAfter: "uint256",
  validBefore: "uint256",
  /** Any 32 bytes, once for each owner. */
  nonce: "bytes32",
} as const;

/** Anybody may submit it: it may pay somebody, and may not mean anything beyond that. */
export const transferAuthorizationStructure = defineStructure("TransferWithAuthorization", fields);
export type TransferAuthorization = ValueOf<typeof transferAuthorizationStructure>;

/** Only `to` may submit it: safe to send to a contract that credits somebody for it. */
export const receiveAuthorizationStructure = defineStructure("ReceiveWithAuthorization", fields);

const reserveTag = keccak_256(new TextEncoder().encode("leat.reserve"));

/**
 * The nonce that the escrow computes for `reserveWithAuthorization`: it says which channel is meant, so that whoever
 * sees the authorisation cannot make it top up another one.
 */
export function reserveNonce(channel: Pick<Channel, "payee" | "cluster" | "clusterPpm">, salt: Hex): Hex {
  const encoded = new Uint8Array(160);
  encoded.set(reserveTag, 0);
  encoded.set(hexToBytes(channel.payee, 20), 44);
  encoded.set(hexToBytes(`0x${channel.cluster.toString(16).padStart(64, "0")}`, 32), 64);
  new DataView(encoded.buffer).setUint32(124, channel.clusterPpm);
  encoded.set(hexToBytes(salt, 32), 128);
  return bytesToHex(keccak_256(encoded));
}
