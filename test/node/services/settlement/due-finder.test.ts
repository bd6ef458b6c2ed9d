import assert from "node:assert/strict";
import { Value } from "typebox/value";
import { DueFinder } from "../../../../node/services/settlement/due-finder.ts";
import { type SettlementOptions, settlementOptions } from "../../../../node/services/settlement/options.ts";
import type { SettlementComponents } from "../../../../node/services/settlement/settlement-service.ts";
import { channelId, hubChannel } from "../../../../sdk/protocol/channel.ts";
import { voucherRecord } from "../../../suites/voucher-store.ts";
import { MemoryChannelView } from "../../../support/channel-view.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

describe("due finder", () => {
  it("asks for the price of gas where something may be due, and else once a minute", async () => {
    const clock = new ManualClock();
    let asked = 0;
    const gasPrice = async () => {
      asked += 1;
      return 1n;
    };
    const { voucher } = voucherRecord(1n, 400n);
    const { payer, payee, token } = voucher.value;
    const channel = hubChannel(payer, payee, token);
    const recordOf = (cumulative: bigint) => ({
      ...voucherRecord(1n, cumulative, channelId(channel)),
      voucher: { ...voucher, value: { ...voucher.value, ...channel, cumulative } },
    });
    const chain = Object.assign(new MemoryChannelView(1_000n), {
      clusterOfAccount: () => 0n,
      thawSeconds: async () => 604_800,
    });
    const finder = new DueFinder(
      {
        clock,
        chain,
        gas: { gasPrice, blockGasLimit: async () => 30_000_000n },
        payee: { openJobs: () => 1 },
        tokens: { of: () => ({ perNative: undefined, leastAmount: 0n }) },
      } as unknown as SettlementComponents,
      Value.Default(settlementOptions, {}) as SettlementOptions,
      async () => {},
    );
    for (let second = 0; second < 120; second += 5) {
      assert.deepEqual(await finder.findDue([recordOf(400n)], false), []);
      await clock.advance(5_000);
    }
    assert.equal(asked, 2);
    const due = await finder.findDue([recordOf(400n), recordOf(500n)], false);
    assert.deepEqual(
      due.map(({ record, reason }) => [record.voucher.value.cumulative, reason]),
      [[500n, "half-of-reserve"]],
    );
    assert.equal(asked, 3);
  });
});
