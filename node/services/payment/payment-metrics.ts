import type { Gauge, MetricsRegister } from "@leat/sdk/base/metrics.ts";
import { type Address, toAddress } from "@leat/sdk/protocol/hex.ts";
import { EXACT_DECIMALS, toExact } from "@leat/sdk/protocol/units.ts";
import type { PaymentSide, WatchedChannel } from "./payment-watch.ts";

const sides: readonly PaymentSide[] = ["payee", "payer"];

/**
 * Declares what stands open, in whole tokens by the tokens' names, which are few: totals and the worst of all channels,
 * since a counterparty is no label. Answers how to tell it.
 */
export function describePayments(
  metrics: MetricsRegister,
  tokens: Readonly<Record<string, Address>>,
): (channels: readonly WatchedChannel[]) => void {
  const labelNames = ["side", "token"];
  const gauge = (name: string, help: string) => metrics.gauge({ name, help, labelNames });
  const unpaid = gauge("leat_payment_unpaid_tokens", "Work done and not vouchered, whole tokens");
  const open = gauge("leat_payment_uncollected_tokens", "Vouchered and not collected, whole tokens");
  const reserve = gauge("leat_payment_reserve_tokens", "Confirmed and not thawing, whole tokens");
  const canLose = gauge("leat_payment_can_lose_tokens", "Most that this side can lose now, whole tokens");
  const most = gauge("leat_payment_can_lose_most_tokens", "The same by the worst of all counterparties");
  const low = metrics.gauge({
    name: "leat_payment_low_channels",
    help: "Channels whose money lasts for less than is warned of",
  });
  const least = metrics.gauge({
    name: "leat_payment_runway_least_seconds",
    help: "How long the money of the channel that ends first lasts; -1 while nothing is spent",
  });
  const names = new Map(Object.entries(tokens).map(([name, token]) => [toAddress(token), name]));
  return (channels) => {
    for (const side of sides) {
      for (const token of [...names.values(), "other"]) {
        const own = channels.filter((one) => one.side === side && (names.get(one.channel.token) ?? "other") === token);
        const put = (metric: Gauge, exact: number) => metric.set(exact / 10 ** EXACT_DECIMALS, { side, token });
        const sum = (of: (one: WatchedChannel) => bigint) => Number(own.reduce((total, one) => total + of(one), 0n));
        put(
          unpaid,
          sum((one) => one.unpaidExact),
        );
        put(
          open,
          sum((one) => toExact(one.vouchered > one.collected ? one.vouchered - one.collected : 0n, one.decimals)),
        );
        put(
          reserve,
          sum((one) => toExact(one.reserve, one.decimals)),
        );
        put(
          canLose,
          sum((one) => one.canLoseExact),
        );
        put(most, Math.max(0, ...own.map((one) => Number(one.canLoseExact))));
      }
    }
    low.set(channels.filter(({ runwayState }) => runwayState === "low" || runwayState === "dry").length);
    const known = channels.flatMap(({ runwaySeconds }) => runwaySeconds ?? []);
    least.set(known.length === 0 ? -1 : Math.min(...known.map(Number)));
  };
}
