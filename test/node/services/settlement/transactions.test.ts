import assert from "node:assert/strict";
import { type Due, planTransactions } from "../../../../node/services/settlement/transactions.ts";
import { hubChannel } from "../../../../sdk/protocol/channel.ts";
import type { Address, Hex } from "../../../../sdk/protocol/hex.ts";

const account: Address = `0x${"c1".repeat(20)}`;
const address = (at: number): Address => `0x${at.toString(16).padStart(40, "0")}`;
const [usdc, lpt] = [address(1_000_001), address(1_000_002)];

function due(payer: Address, payee: Address, token: Address): Due {
  const value = {
    ...hubChannel(payer, payee, token),
    cumulative: 1n,
    seq: 1n,
    usageRoot: `0x${"00".repeat(32)}` as Hex,
  };
  const rest = { channel: `0x${"ab".repeat(32)}` as Hex, receiptsRoot: value.usageRoot, receiptHashes: [] };
  return {
    record: { ...rest, voucher: { value, signature: "0x" }, acknowledged: true },
    reason: "age",
    payerCluster: payer === account ? 7n : 0n,
    payeeCluster: payee === account ? 7n : 0n,
  };
}

const buyers = (count: number, token: Address) =>
  Array.from({ length: count }, (_, at) => due(address(at + 1), account, token));
const members = (count: number, token: Address) =>
  Array.from({ length: count }, (_, at) => due(account, address(at + 1), token));

describe("settlement transactions", () => {
  it("takes at most 20 buyers and 20 members each, each once, buyers of one token together", () => {
    const plans = planTransactions([...buyers(45, usdc), ...buyers(3, lpt)], members(21, usdc), 50);
    const sizes = plans.map((plan) =>
      plan.kind === "collect" ? [plan.due.length] : [plan.buyers.length, plan.members.length],
    );
    assert.deepEqual(sizes, [[20, 20], [20, 1], [5, 0], [3]]);
    const first = plans[0]!;
    assert.deepEqual(first.kind === "collectFor" && [first.cluster, first.token], [7n, usdc]);
  });

  it("keeps a transaction small where its gas must be", () => {
    const plans = planTransactions(buyers(5, usdc), members(5, usdc), 4);
    for (const plan of plans) {
      assert.ok(plan.kind === "collectFor" && plan.buyers.length + plan.members.length <= 4);
    }
    assert.deepEqual(
      planTransactions(buyers(5, usdc), [], 2).map((plan) => plan.kind === "collect" && plan.due.length),
      [2, 2, 1],
    );
  });

  it("sends no members alone, and no cluster's buyer in another cluster's name", () => {
    assert.deepEqual(planTransactions([], members(3, usdc), 50), []);
    const sizes = planTransactions(buyers(1, usdc), members(30, usdc), 50).map(
      (plan) => plan.kind === "collectFor" && [plan.buyers.length, plan.members.length],
    );
    assert.deepEqual(sizes, [[1, 20]]);
    const fromCluster = { ...due(address(5), account, usdc), payerCluster: 9n };
    assert.equal(planTransactions([fromCluster], members(3, usdc), 50)[0]!.kind, "collect");
  });
});
