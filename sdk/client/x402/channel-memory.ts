import type { Channel } from "../../protocol/channel.ts";
import { type Hex, zeroHash } from "../../protocol/hex.ts";
import { nextUsageRoot } from "../../protocol/merkle.ts";
import type { Voucher } from "../../protocol/signed.ts";
import type { ChannelPayload } from "../../protocol/x402.ts";

export interface SignedTopUp extends NonNullable<ChannelPayload["topUp"]> {
  readonly signature: Hex;
}

/** What a payer knows of one of its channels. Amounts are base units. */
export interface ChannelMemory {
  readonly channel: Channel;
  newest: Voucher | undefined;
  /** What the payee last said; undefined before it said anything. */
  standing: { readonly reserve: bigint; readonly collected: bigint } | undefined;
  /** Signed and not yet seen in the reserve. Sent again, never replaced, while it is valid. */
  topUp: SignedTopUp | undefined;
  reserved: bigint;
  /** The largest total that was ever signed, by whomever and as far as is known: what the payee can collect. */
  highest: bigint;
  /** What this memory's owner added to `highest`. */
  signed: bigint;
  /** Resolves when all that was begun on the channel is done. */
  turn: Promise<unknown>;
}

export function openMemory(channel: Channel): ChannelMemory {
  const nothing = { newest: undefined, standing: undefined, topUp: undefined };
  return { channel, ...nothing, reserved: 0n, highest: 0n, signed: 0n, turn: Promise.resolve() };
}

export function nextVoucher({ channel, newest }: ChannelMemory, raise: bigint): Voucher {
  const seq = (newest?.seq ?? 0n) + 1n;
  const usageRoot = nextUsageRoot(newest?.usageRoot ?? zeroHash, seq, zeroHash);
  return { ...channel, cumulative: (newest?.cumulative ?? 0n) + raise, seq, usageRoot };
}

/**
 * What the voucher adds to what the payee can collect. Signed to 300, told that it holds 100, a voucher to 250 adds
 * nothing and one to 400 adds 100.
 */
export function growthOf({ highest }: ChannelMemory, { cumulative }: Voucher): bigint {
  return cumulative > highest ? cumulative - highest : 0n;
}

export function countSigned(memory: ChannelMemory, voucher: Voucher): void {
  const growth = growthOf(memory, voucher);
  memory.signed += growth;
  memory.highest += growth;
}

/** A voucher of the payer's that the payee shows: what it has beyond `highest` was signed elsewhere, or before. */
export function countForeign(memory: ChannelMemory, voucher: Voucher): void {
  memory.highest += growthOf(memory, voucher);
}
