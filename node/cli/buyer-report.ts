import { formatTime } from "@leat/sdk/base/format-time.ts";
import type { Balances, CollectStatus } from "@leat/sdk/client/actions/account.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import { formatAmount } from "@leat/sdk/protocol/units.ts";
import type { ShownAllotment } from "./buyer-signers.ts";
import { formatOpen, formatRunway } from "./channel-table.ts";
import type { NodeAnswer, NodeChannel } from "./node-answer.ts";
import { renderTable } from "./output.ts";
import { type NamedToken, shorten, tokenOf } from "./tokens.ts";

export interface BuyerMoney {
  readonly tokens: readonly (Balances & { readonly name: string })[];
  /** By the escrow. */
  readonly reserves: readonly CollectStatus[];
  /** By the buyer's agent. */
  readonly agent: NodeAnswer;
  readonly payer: Address;
  /** What payees are called: clusters by their numbers. */
  readonly names: ReadonlyMap<Address, string>;
  readonly signers: readonly ShownAllotment[];
}

/** What a buyer has where: in its hands, free in the escrow, promised to whom, on its way back. */
export function renderBuyer(money: BuyerMoney): string {
  const { tokens, reserves } = money;
  const deposits = renderTable(
    tokens.map(({ name, decimals, wallet, pool }) => ({
      token: name,
      "in the wallet": formatAmount(wallet, decimals),
      "deposit, promised to nobody": formatAmount(pool, decimals),
    })),
  );
  const promised = reserves.length === 0 ? "Nothing is reserved for anybody." : renderReserves(money);
  const isCut = reserves.some(({ channel }) => !money.names.has(channel.payee));
  return `${deposits}\n\n${promised}${isCut ? "\n--json shows addresses whole." : ""}`;
}

function renderReserves({ tokens, reserves, agent, names }: BuyerMoney): string {
  return renderTable(
    reserves.map((one) => {
      const { decimals } = tokenOf(tokens, one.channel.token);
      const said = agent.payments?.channels.find(({ channelId }) => channelId === one.channelId);
      const { payee } = one.channel;
      return {
        "reserved for": names.get(payee) ?? shorten(payee),
        ...showReserve(tokens, one),
        ...tellOpen(said, decimals, agent),
      };
    }),
  );
}

/** What the escrow holds of a channel, as the columns of a table. */
export function showReserve(
  tokens: readonly NamedToken[],
  { channel, reserve, thawing, thawEndsAt, collected }: CollectStatus,
): Record<string, string> {
  const { name, decimals } = tokenOf(tokens, channel.token);
  const show = (baseUnits: bigint) => formatAmount(baseUnits, decimals);
  return {
    token: name,
    reserved: show(reserve),
    thawing: thawing === 0n ? "0" : `${show(thawing)} until ${formatTime(thawEndsAt)}`,
    collected: show(collected),
  };
}

/** What only the agent knows. */
function tellOpen(said: NodeChannel | undefined, decimals: number, { payments }: NodeAnswer): Record<string, string> {
  if (said === undefined) {
    const unknown = payments === undefined ? "?" : "0";
    return { vouchered: unknown, unpaid: unknown, "can lose": unknown, lasts: payments === undefined ? "?" : "-" };
  }
  return {
    vouchered: formatAmount(BigInt(said.vouchered), decimals),
    unpaid: formatOpen(BigInt(said.unpaidExact), decimals),
    "can lose": formatOpen(BigInt(said.canLoseExact), decimals),
    lasts: formatRunway(said.runwaySeconds),
  };
}

/**
 * Most that may go for nothing: what is paid ahead and not checked yet, and what a payee signs itself; without the agent,
 * what a signature reaches.
 */
export function describeRisk(money: BuyerMoney): string {
  const { tokens, agent, payer } = money;
  const { payments, url, silence } = agent;
  if (payments === undefined) {
    const held = tokens.map(({ token }) => ({ token, total: heldOf(money, token) }));
    const most = held.filter(({ total }) => total > 0n).map(({ token, total }) => amount(tokens, token, total));
    return [
      `The agent at ${url} ${silence}: what stands above is the chain's.`,
      "What is vouchered and not collected yet, and what can be lost now, is not known.",
      `No more than what is deposited, reserved and thawing: ${most.join(", ") || "nothing"}.`,
    ].join("\n");
  }
  const own = payments.channels.filter((one) => one.payer.toLowerCase() === payer);
  const lines = tokens.flatMap(({ token, name, decimals }) => {
    const of = own.filter((one) => one.token.toLowerCase() === token);
    if (of.length === 0) return [];
    const most = of.reduce((sum, { canLoseExact }) => sum + BigInt(canLoseExact), 0n);
    return [
      `Most that can be lost now: ${formatOpen(most, decimals)} ${name}, for what is paid ahead or not checked yet.`,
    ];
  });
  lines.push(...describeOwnKeys(money));
  return lines.length === 0 ? "Nothing can be lost now: the agent has no channel yet." : lines.join("\n");
}

/** A cluster that signs for its buyer asks no agent whether the work was done. */
function describeOwnKeys(money: BuyerMoney): string[] {
  const { tokens, reserves, signers } = money;
  const own = signers.filter(({ isCluster, ended }) => isCluster && !ended);
  return tokens.flatMap(({ token }) => {
    const held = heldOf(money, token);
    let open = 0n;
    const ofPayees = Map.groupBy(
      own.filter((one) => one.token === token),
      (one) => one.payee,
    );
    for (const [payee, keys] of ofPayees) {
      const channel = reserves.find(({ channel: of }) => of.payee === payee && of.token === token);
      // Several keys of one channel spend the same money.
      let cap = channel?.collected ?? 0n;
      const collected = cap;
      for (const one of keys) if (one.cap > cap) cap = one.cap;
      open += cap - collected;
    }
    const most = open > held ? held : open;
    if (most === 0n) return [];
    return [`What a cluster's own key may sign, it can take without work: ${amount(tokens, token, most)}.`];
  });
}

/** All that the escrow holds of the buyer's. */
function heldOf({ tokens, reserves }: BuyerMoney, token: Address): bigint {
  const own = reserves.filter(({ channel }) => channel.token === token);
  const pool = tokens.find((one) => one.token === token)?.pool ?? 0n;
  return own.reduce((sum, { reserve, thawing }) => sum + reserve + thawing, pool);
}

function amount(tokens: BuyerMoney["tokens"], token: Address, baseUnits: bigint): string {
  const { name, decimals } = tokenOf(tokens, token);
  return `${formatAmount(baseUnits, decimals)} ${name}`;
}
