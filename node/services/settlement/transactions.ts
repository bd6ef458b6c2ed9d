import type { Collectable } from "@leat/node/chain/contracts.ts";
import type { VoucherRecord } from "@leat/node/metering/voucher-store.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import type { CollectReason } from "../../metering/collect-rule.ts";

/** A voucher that goes on chain, and why. */
export interface Due {
  readonly record: VoucherRecord;
  readonly reason: CollectReason | "asked" | "taken-along";
  readonly payerCluster: bigint;
  readonly payeeCluster: bigint;
}

/** `collect`: for whatever payees. `collectFor`: a cluster's buyers pay it, and it pays its members, on one token. */
export type Plan =
  | { readonly kind: "collect"; readonly due: readonly Due[]; readonly collectables: readonly Collectable[] }
  | {
      readonly kind: "collectFor";
      readonly cluster: bigint;
      readonly token: Address;
      readonly buyers: readonly Due[];
      readonly members: readonly Due[];
    };

/** Buyers and members of one `collectFor`: what its gas was measured with, and far from any block's limit. */
export const MOST_BUYERS = 20;
export const MOST_MEMBERS = 20;

/**
 * Divides what is due into transactions of at most `most` claims. Members travel with their cluster's buyers on the same
 * token, never alone: without a buyer's collection there is nothing that they could share the gas of.
 */
export function planTransactions(due: readonly Due[], members: readonly Due[], most: number): Plan[] {
  const isHub = ({ payerCluster, payeeCluster, record: { voucher } }: Due) =>
    payeeCluster !== 0n && payerCluster === 0n && voucher.value.cluster === 0n && voucher.value.clusterPpm === 0;
  const tokensOfMembers = new Set(members.map(({ record }) => record.voucher.value.token));
  const isTaking = (one: Due) => isHub(one) && tokensOfMembers.has(one.record.voucher.value.token);
  const plans: Plan[] = [];
  const groups = Map.groupBy(due.filter(isTaking), ({ payeeCluster, record }) =>
    [payeeCluster, record.voucher.value.token].join("/"),
  );
  for (const buyers of groups.values()) {
    const { payeeCluster: cluster, record } = buyers[0]!;
    const { token } = record.voucher.value;
    const own = members.filter(
      ({ payerCluster, record: { voucher } }) => payerCluster === cluster && voucher.value.token === token,
    );
    const eachMost = Math.max(1, Math.floor(most / 2));
    const buyerParts = cut(buyers, Math.min(MOST_BUYERS, eachMost));
    const memberParts = cut(own, Math.min(MOST_MEMBERS, eachMost));
    // Members that find no place here go with the next collection.
    for (const [at, part] of buyerParts.entries()) {
      plans.push({ kind: "collectFor", cluster, token, buyers: part, members: memberParts[at] ?? [] });
    }
  }
  for (const part of cut(
    due.filter((one) => !isTaking(one)),
    most,
  )) {
    const collectables = part.map(({ record, payerCluster, payeeCluster }) => ({
      voucher: record.voucher,
      payerCluster,
      payeeCluster,
    }));
    plans.push({ kind: "collect", due: part, collectables });
  }
  return plans;
}

function cut<T>(list: readonly T[], most: number): T[][] {
  const parts: T[][] = [];
  for (let at = 0; at < list.length; at += most) parts.push(list.slice(at, at + most));
  return parts;
}
