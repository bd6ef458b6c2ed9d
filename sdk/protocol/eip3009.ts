import type { Channel } from "./channel.ts";
import { defineStructure, type ValueOf } from "./eip712.ts";
import { type Address, bytesToHex, type Hex, hexToBytes } from "./hex.ts";
import { keccak256 } from "./keccak.ts";

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

/** The nonce of an authorisation that only fills the pool of `account`: the escrow computes the same. */
export function depositNonce(account: Address, salt: Hex): Hex {
  return hashWords([tagOf("leat.deposit"), hexToBytes(account, 20), hexToBytes(salt, 32)]);
}

/**
 * The nonce that the escrow computes for `reserveWithAuthorization`: it says which channel is meant, so that whoever
 * sees the authorisation cannot make it top up another one.
 */
export function reserveNonce(channel: Pick<Channel, "payee" | "cluster" | "clusterPpm">, salt: Hex): Hex {
  const cluster = hexToBytes(`0x${channel.cluster.toString(16).padStart(64, "0")}`, 32);
  const share = hexToBytes(`0x${channel.clusterPpm.toString(16).padStart(8, "0")}`, 4);
  return hashWords([tagOf("leat.reserve"), hexToBytes(channel.payee, 20), cluster, share, hexToBytes(salt, 32)]);
}

/** keccak256(abi.encode(…)) of values of one word each. */
function hashWords(values: readonly Uint8Array[]): Hex {
  const encoded = new Uint8Array(32 * values.length);
  for (const [index, value] of values.entries()) encoded.set(value, 32 * (index + 1) - value.length);
  return bytesToHex(keccak256(encoded));
}

function tagOf(name: string): Uint8Array {
  return keccak256(new TextEncoder().encode(name));
}
