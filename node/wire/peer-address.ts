import type { Address } from "@leat/sdk/protocol/hex.ts";
import type { PeerId } from "@libp2p/interface";
import { peerIdFromString } from "@libp2p/peer-id";
import { CODE_P2P, type Multiaddr, multiaddr } from "@multiformats/multiaddr";
import { nativeStatements } from "../kernel/secp.ts";
import { WireError } from "./errors.ts";

/**
 * A peer id holds its compressed public key, whose hash is the node's address: who speaks as one speaks as the other.
 * The way back needs the key, so a node is dialed by multiaddrs that end in its peer id.
 */
export function addressOfPeerId(peer: PeerId | string): Address {
  const peerId = typeof peer === "string" ? peerIdFromString(peer) : peer;
  const { publicKey } = peerId;
  if (publicKey === undefined || publicKey.type !== "secp256k1") {
    throw new WireError({ code: "WIRE_KEY_UNSUPPORTED", type: peerId.type });
  }
  return nativeStatements.addressOf(publicKey.raw);
}

/** The peer id at the end of a multiaddr, or undefined. */
export function peerIdOf(address: Multiaddr): string | undefined {
  return address.getComponents().findLast((component) => component.code === CODE_P2P)?.value;
}

/** Those of `texts` that can be dialed for `wanted`: well formed, and naming no other peer. */
export function selectMultiaddrs(texts: readonly string[], wanted: Address): Multiaddr[] {
  const found: Multiaddr[] = [];
  for (const text of texts) {
    try {
      const address = multiaddr(text);
      const peer = peerIdOf(address);
      if (peer !== undefined && addressOfPeerId(peer) === wanted) found.push(address);
    } catch {
      // A peer's list may hold what this version cannot read; the rest of it still counts.
    }
  }
  if (found.length === 0) throw new WireError({ code: "WIRE_ADDRESS_MISSING", peer: wanted });
  return found;
}
