import assert from "node:assert/strict";
import type { WatchedChannel } from "@leat/node/services/payment/payment-watch.ts";
import { lowNews } from "@leat/node/services/webhooks/low-news.ts";

describe("news of money that ends", () => {
  it("goes to the payer, once an hour for a channel that is low and once for one that is dry", () => {
    const payer = `0x${"aa".repeat(20)}` as const;
    const token = `0x${"bb".repeat(20)}` as const;
    const channelId = `0x${"cc".repeat(32)}` as const;
    const channel = {
      channelId,
      channel: { payer, token },
      runwayState: "low",
      runwaySeconds: 1_200n,
      reserve: 5n,
      vouchered: 3n,
      collected: 1n,
      canLoseExact: 9n,
    } as unknown as WatchedChannel;
    const hour = 3_600_000;
    const news = lowNews(channel, 7 * hour);
    const amounts = { runwaySeconds: 1_200n, reserve: 5n, vouchered: 3n, collected: 1n };
    assert.deepEqual(news, {
      id: `balance.low.${channelId}.low.7`,
      type: "balance.low",
      account: payer,
      data: { channel: channelId, token, state: "low", ...amounts },
    });
    assert.equal(lowNews(channel, 8 * hour - 1).id, news.id);
    assert.notEqual(lowNews(channel, 8 * hour).id, news.id);
    assert.notEqual(lowNews({ ...channel, runwayState: "dry" }, 7 * hour).id, news.id);
  });
});
