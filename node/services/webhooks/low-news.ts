import type { WatchedChannel } from "../payment/payment-watch.ts";
import type { NewsItem } from "./webhook-service.ts";

/** A payer whose money lasts for less than the time that the cluster warns of. Once an hour for a channel and each state. */
export function lowNews(channel: WatchedChannel, nowMs: number): NewsItem {
  const { channelId, runwayState, runwaySeconds, reserve, collected, vouchered } = channel;
  const { payer, token } = channel.channel;
  const data = { channel: channelId, token, state: runwayState, runwaySeconds, reserve, vouchered, collected };
  const hour = Math.floor(nowMs / 3_600_000);
  return { id: `balance.low.${channelId}.${runwayState}.${hour}`, type: "balance.low", account: payer, data };
}
