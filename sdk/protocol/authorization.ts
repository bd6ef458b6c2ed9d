import { keccak_256 } from "@noble/hashes/sha3.js";
import { type Address, bytesToHex, type Hex, hexToBytes } from "./hex.ts";

/** What an owner signs for a token that can be called by authorisation (EIP-3009): its domain is the token's own. */
export const receiveWithAuthorizationTypes = {
  ReceiveWithAuthorization: [
    { name: "from", type: "address" },
    { name: "to", type: "address" },
    { name: "value", type: "uint256" },
    { name: "validAfter", type: "uint256" },
    { name: "validBefore", type: "uint256" },
    { name: "nonce", type: "bytes32" },
  ],
} as const;

/** The nonce of an authorisation that only fills the pool of `account`: the escrow computes the same. */
export function depositNonce(account: Address, salt: Hex): Hex {
  return hashWords([tagOf("leat.deposit"), hexToBytes(account, 20), hexToBytes(salt, 32)]);
}

/** keccak256(abi.encode(…)) of values of one word each. */
function hashWords(values: readonly Uint8Array[]): Hex {
  const encoded = new Uint8Array(32 * values.length);
  for (const [index, value] of values.entries()) encoded.set(value, 32 * (index + 1) - value.length);
  return bytesToHex(keccak_256(encoded));
}

function tagOf(name: string): Uint8Array {
  return keccak_256(new TextEncoder().encode(name));
}
