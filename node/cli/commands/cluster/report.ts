import { formatTime } from "@leat/sdk/base/format-time.ts";
import type { Balances, CollectStatus } from "@leat/sdk/client/actions/account.ts";
import type { ClusterStatus } from "@leat/sdk/client/actions/cluster.ts";
import type { MembershipStatus } from "@leat/sdk/client/actions/memberships.ts";
import { formatAmount } from "@leat/sdk/protocol/units.ts";
import { showReserve } from "../../buyer-report.ts";
import { renderTable } from "../../output.ts";

/** What the chain knows of a cluster, a line each. */
export function renderCluster(status: ClusterStatus): string {
  return [
    `cluster    ${status.cluster}, ${renderAccess(status)}`,
    `owner      ${status.owner}`,
    `account    ${status.account}`,
    `terms      ${status.terms || "none"}`,
    `share      ${renderShare(status)}`,
    `balancers  ${renderBalancers(status)}`,
    `transfer   ${renderTransfer(status)}`,
  ].join("\n");
}

export function renderAccess({ listed, approval }: ClusterStatus): string {
  const admission = approval ? "for operators that its owner approves" : "open to every operator";
  return `${listed ? "listed" : "unlisted"}, ${admission}`;
}

export function renderShare({ sharePpm, nextShare }: ClusterStatus): string {
  const raised = nextShare === undefined ? "" : `, ${percent(nextShare.sharePpm)} from ${formatTime(nextShare.at)} on`;
  return `${percent(sharePpm)} of a payment${raised}`;
}

export function renderBalancers({ balancers }: ClusterStatus): string {
  return balancers.join(", ") || "none: nobody signs for it";
}

export function renderTransfer({ transfer }: ClusterStatus): string {
  if (transfer === undefined) return "none";
  const { newOwner, opensAt, endsAt } = transfer;
  return `${newOwner} may take it over from ${formatTime(opensAt)} to ${formatTime(endsAt)}`;
}

export function renderMembers(members: readonly MembershipStatus[]): string {
  if (members.length === 0) return "No operator accepts it.";
  return renderTable(
    members.map(({ operator, approved, refused, maximumSharePpm }) => ({
      operator,
      "is in": approved ? "yes" : refused ? "no: kept out" : "no: waits for the owner",
      "takes at most": percent(maximumSharePpm),
    })),
  );
}

/** What the cluster's account holds in the escrow: promised to nobody, and to whom. */
export function renderMoney(
  tokens: readonly (Omit<Balances, "wallet"> & { readonly name: string })[],
  reserves: readonly CollectStatus[],
): string {
  const pools = renderTable(
    tokens.map(({ name, decimals, pool }) => ({
      token: name,
      "deposit, promised to nobody": formatAmount(pool, decimals),
    })),
  );
  if (reserves.length === 0) return `${pools}\n\nNothing is reserved for anybody.`;
  const rows = reserves.map((one) => ({
    "reserved for": one.channel.payee,
    "and a share for": renderThird(one.channel),
    ...showReserve(tokens, one),
  }));
  return `${pools}\n\n${renderTable(rows)}`;
}

/** Balancers promise without one. Whoever has the key of one may promise otherwise. */
function renderThird({ cluster, clusterPpm }: CollectStatus["channel"]): string {
  return cluster === 0n ? "-" : `cluster ${cluster}, ${percent(clusterPpm)}`;
}

function percent(ppm: number): string {
  return `${ppm / 10_000} %`;
}
