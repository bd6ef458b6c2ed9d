import type { Channel } from "@leat/sdk/protocol/channel.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import type { ChannelView } from "./channel-view.ts";
import type { ThawPeriods } from "./contracts.ts";
import type { ClusterState } from "./registry-state.ts";

/** The end of a key that signed vouchers, seconds since 1970. */
export interface SignerEnd {
  /** From then on it promises nothing new. */
  readonly endsAt: bigint;
  /** The last second at which what it signed counts: one thaw later. */
  readonly countsUntil: bigint;
}

export interface SignerFacts extends Pick<ChannelView, "allotment"> {
  clusterOfAccount(account: Address): bigint;
  cluster(cluster: bigint): Pick<ClusterState, "ended"> | undefined;
  thawPeriods(): Promise<ThawPeriods>;
}

/**
 * When a channel's signer ended or will, as far as the chain says it: a payer's own key and a current balancer have no end.
 * @param findSigner Asked only where it matters who it is.
 */
export async function findSignerEnd(
  chain: SignerFacts,
  channel: Channel,
  findSigner: () => Address | undefined,
): Promise<SignerEnd | undefined> {
  const cluster = chain.cluster(chain.clusterOfAccount(channel.payer));
  if (cluster?.ended.size === 0) return undefined;
  const signer = findSigner();
  if (signer === undefined || signer === channel.payer) return undefined;
  const { ofReserves, ofBalancers } = await chain.thawPeriods();
  if (cluster !== undefined) {
    const countsUntil = cluster.ended.get(signer);
    return countsUntil === undefined ? undefined : { endsAt: countsUntil - BigInt(ofBalancers), countsUntil };
  }
  const allotment = await chain.allotment(channel, signer);
  if (allotment === undefined) return undefined;
  return { endsAt: allotment.validUntil, countsUntil: allotment.validUntil + BigInt(ofReserves) };
}
