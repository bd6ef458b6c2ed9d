import { type Channel, channelOf } from "@leat/sdk/protocol/channel.ts";
import { type Hex, zeroHash } from "@leat/sdk/protocol/hex.ts";
import { merkleRoot, nextUsageRoot } from "@leat/sdk/protocol/merkle.ts";
import type { Voucher } from "@leat/sdk/protocol/signed.ts";
import { MeteringError } from "./errors.ts";

/** The voucher that follows `previous` (none: the channel's first). */
export function nextVoucher(
  channel: Channel,
  previous: Voucher | undefined,
  next: { readonly cumulative: bigint; readonly receiptsRoot: Hex },
): Voucher {
  const seq = (previous?.seq ?? 0n) + 1n;
  const cumulative = next.cumulative;
  if (previous !== undefined && cumulative < previous.cumulative) {
    throw new MeteringError({ code: "METERING_VOUCHERED_FELL", held: previous.cumulative, next: cumulative });
  }
  const usageRoot = nextUsageRoot(previous?.usageRoot ?? zeroHash, seq, next.receiptsRoot);
  return { ...channel, cumulative, seq, usageRoot };
}

/**
 * What a payee does with an offer: `next` stores it; `again` is what it holds already (its acknowledgement was lost). All
 * others are answered with what it holds and the reason, since seq rises by one and cumulative never falls.
 */
export type OfferVerdict = "next" | "again" | ChainFault;
/** Older than what is held; of its seq and another content; beyond the next seq; the next, with a lower total. */
export type ChainFault = "VOUCHER_STALE" | "VOUCHER_FORKED" | "VOUCHER_SKIPPED" | "VOUCHER_TOTAL_FELL";

/** Judges an offer's place in the chain; signature and reserve are the caller's. Throws for what can never be right. */
export function judgeOffer(
  held: Voucher | undefined,
  offer: { readonly voucher: Voucher; readonly receiptsRoot: Hex; readonly receiptHashes: readonly Hex[] },
): OfferVerdict {
  const { voucher } = offer;
  if (held !== undefined && !sameChannel(channelOf(held), channelOf(voucher))) {
    throw new MeteringError({ code: "VOUCHER_CHANNEL_WRONG", payer: voucher.payer, payee: voucher.payee });
  }
  if (held !== undefined && sameVoucher(held, voucher)) return "again";
  const isNext = voucher.seq === (held?.seq ?? 0n) + 1n && voucher.cumulative >= (held?.cumulative ?? 0n);
  if (!isNext) {
    // Nothing is held to answer with: the payer knows a past that this payee does not.
    if (held === undefined) throw new MeteringError({ code: "VOUCHER_CHAIN_UNKNOWN", seq: voucher.seq });
    return findChainFault(held, voucher);
  }
  const rootHolds =
    offer.receiptsRoot === merkleRoot(offer.receiptHashes) &&
    voucher.usageRoot === nextUsageRoot(held?.usageRoot ?? zeroHash, voucher.seq, offer.receiptsRoot);
  if (!rootHolds) throw new MeteringError({ code: "VOUCHER_ROOT_WRONG", seq: voucher.seq });
  return "next";
}

function findChainFault(held: Voucher, voucher: Voucher): ChainFault {
  if (voucher.seq < held.seq) return "VOUCHER_STALE";
  if (voucher.seq === held.seq) return "VOUCHER_FORKED";
  return voucher.seq > held.seq + 1n ? "VOUCHER_SKIPPED" : "VOUCHER_TOTAL_FELL";
}

/**
 * What a payer learns from a voucher of its own that the payee holds and it does not know: total beyond what it knows to
 * be covered (base units) stands for work that it forgot, and must not be counted as paid ahead.
 */
export function adoptedExtra(known: bigint, held: Voucher): bigint {
  return held.cumulative > known ? held.cumulative - known : 0n;
}

export function sameChannel(left: Channel, right: Channel): boolean {
  return (
    left.payer === right.payer &&
    left.payee === right.payee &&
    left.token === right.token &&
    left.cluster === right.cluster &&
    left.clusterPpm === right.clusterPpm
  );
}

function sameVoucher(left: Voucher, right: Voucher): boolean {
  return left.seq === right.seq && left.cumulative === right.cumulative && left.usageRoot === right.usageRoot;
}
