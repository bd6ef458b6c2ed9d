import { type Address, bytesToHex, type Hex, hexToBytes } from "./hex.ts";
import { keccak256 } from "./keccak.ts";
import type { Voucher } from "./signed.ts";

/** Who pays whom in what. Every voucher of a channel has the same five values. */
export interface Channel {
  readonly payer: Address;
  readonly payee: Address;
  readonly token: Address;
  /** 0 in hub mode. */
  readonly cluster: bigint;
  /** Millionths of each payment that go to `cluster`; 0 in hub mode. */
  readonly clusterPpm: number;
}

/** The channel of hub mode: no cluster takes a share of the payment itself. */
export function hubChannel(payer: Address, payee: Address, token: Address): Channel {
  return { payer, payee, token, cluster: 0n, clusterPpm: 0 };
}

export function channelOf(voucher: Voucher): Channel {
  const { payer, payee, token, cluster, clusterPpm } = voucher;
  return { payer, payee, token, cluster, clusterPpm };
}

/** Ids that are remembered, some 20 MB: the hash costs a hundred times the look-up, and a node has few channels. */
const MAX_IDS = 50_000;
const ids = new Map<string, Hex>();

/** keccak256(abi.encode(payer, payee, token, cluster, clusterPpm)): one name for a channel on disk and on the wire. */
export function channelId(channel: Channel): Hex {
  const { payer, payee, token, cluster, clusterPpm } = channel;
  const key = `${payer}${payee}${token}${cluster}/${clusterPpm}`;
  const known = ids.get(key);
  if (known !== undefined) return known;
  const id = hashChannel(channel);
  if (ids.size >= MAX_IDS) ids.delete(ids.keys().next().value!);
  ids.set(key, id);
  return id;
}

function hashChannel(channel: Channel): Hex {
  const encoded = new Uint8Array(160);
  encoded.set(hexToBytes(channel.payer, 20), 12);
  encoded.set(hexToBytes(channel.payee, 20), 44);
  encoded.set(hexToBytes(channel.token, 20), 76);
  encoded.set(hexToBytes(`0x${channel.cluster.toString(16).padStart(64, "0")}`, 32), 96);
  new DataView(encoded.buffer).setUint32(156, channel.clusterPpm);
  return bytesToHex(keccak256(encoded));
}

/** A voucher's total and place as the escrow's claims take them, in one word: `cumulative << 64 | seq`. */
export function packTotal({ cumulative, seq }: Pick<Voucher, "cumulative" | "seq">): bigint {
  return (cumulative << 64n) | seq;
}
