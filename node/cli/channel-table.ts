import { toExact } from "@leat/sdk/protocol/units.ts";
import { formatRounded } from "./format-cost.ts";
import type { NodeChannel, NodeTotals } from "./node-answer.ts";
import { renderTable } from "./output.ts";
import { shorten, type TokenFacts, tokenOf } from "./tokens.ts";

/** Digits behind the point that people are shown. */
const MOST_DECIMALS = 6;

/**
 * Amounts in whole tokens. What is open is rounded up, what is certain down.
 * @param own Who looks: where it is the payee of all, its payers are named, and otherwise both sides, as at a balancer.
 */
export function renderChannels(channels: readonly NodeChannel[], tokens: readonly TokenFacts[], own: string): string {
  if (channels.length === 0) return "No channel yet.";
  const isPaidAlone = channels.every(({ payee }) => payee.toLowerCase() === own.toLowerCase());
  const shown = isPaidAlone ? (["payer"] as const) : (["payer", "payee"] as const);
  return renderTable(
    channels.map((channel) => ({
      ...Object.fromEntries(shown.map((side) => [side, shorten(channel[side])])),
      ...amountsOf(channel, tokens),
    })),
  );
}

/** The sums over all counterparties, a line for each token. Who pays lasts with what it has not reserved too. */
export function renderTotals(totals: readonly NodeTotals[], tokens: readonly TokenFacts[]): string {
  return renderTable(
    totals.map((total) => {
      const { lasts, ...amounts } = amountsOf(total, tokens);
      const { decimals } = tokenOf(tokens, total.token);
      const pool = formatRounded(toExact(BigInt(total.pool), decimals), Math.min(decimals, MOST_DECIMALS), false);
      return { "in all": total.side, ...amounts, "not reserved": pool, lasts };
    }),
  );
}

function amountsOf(
  of: Omit<NodeChannel, "channelId" | "payer" | "payee">,
  tokens: readonly TokenFacts[],
): Record<string, string> {
  const { name, decimals } = tokenOf(tokens, of.token);
  const show = (exact: bigint, isOpen: boolean) => formatRounded(exact, Math.min(decimals, MOST_DECIMALS), isOpen);
  const certain = (baseUnits: string) => show(toExact(BigInt(baseUnits), decimals), false);
  return {
    token: name,
    unpaid: show(BigInt(of.unpaidExact), true),
    vouchered: certain(of.vouchered),
    collected: certain(of.collected),
    reserve: certain(of.reserve),
    "can lose": show(BigInt(of.canLoseExact), true),
    lasts: formatRunway(of.runwaySeconds),
  };
}

/** Rounded down, so that nobody relies on money that is gone: `"2 d 4 h"`, `"59 min"`, `"-"` while nothing is spent. */
export function formatRunway(seconds: string | null): string {
  if (seconds === null) return "-";
  const all = BigInt(seconds);
  if (all >= 36_500n * 86_400n) return "years";
  if (all >= 86_400n) return `${all / 86_400n} d ${(all % 86_400n) / 3_600n} h`;
  if (all >= 3_600n) return `${all / 3_600n} h ${(all % 3_600n) / 60n} min`;
  return all >= 60n ? `${all / 60n} min` : `${all} s`;
}

/** Whole tokens of what is counted in 10^-30 of one, with as many digits as people read. */
export function formatOpen(exact: bigint, decimals: number): string {
  return formatRounded(exact, Math.min(decimals, MOST_DECIMALS), true);
}
