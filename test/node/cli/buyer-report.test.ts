import assert from "node:assert/strict";
import { describeRisk, renderBuyer } from "@leat/node/cli/buyer-report.ts";
import type { NodeAnswer } from "@leat/node/cli/node-answer.ts";
import { channelId, hubChannel } from "@leat/sdk/protocol/channel.ts";

const address = (digit: string) => `0x${digit.repeat(40)}` as const;
const usdc = { name: "USDC", token: address("a"), decimals: 6, wallet: 3_000_000n, pool: 1_500_000n };
const lpt = { name: "LPT", token: address("b"), decimals: 18, wallet: 0n, pool: 0n };
const tokens = [usdc, lpt];
const payer = address("1");
const reserveOf = (payee: `0x${string}`, reserve: bigint, thawing = 0n) => {
  const channel = hubChannel(payer, payee, usdc.token);
  return { channel, channelId: channelId(channel), collected: 250_000n, reserve, thawing, thawEndsAt: 1_800_000_000n };
};
const reserves = [reserveOf(address("2"), 4_000_000n, 500_000n), reserveOf(address("3"), 0n)];
const names = new Map([[address("2"), "cluster 1"]]);
const url = "http://127.0.0.1:8080";
const silent: NodeAnswer = { url, payments: undefined, silence: "did not answer within 3 s" };
const agent: NodeAnswer = {
  url,
  payments: {
    channels: [
      {
        channelId: reserves[0]!.channelId,
        payer,
        payee: address("2"),
        token: usdc.token,
        vouchered: "750000",
        collected: "250000",
        unpaidExact: (10n ** 27n).toString(),
        canLoseExact: (2n * 10n ** 28n + 1n).toString(),
        reserve: "4000000",
        runwaySeconds: "5400",
      },
    ],
    totals: [],
  },
  silence: undefined,
};

describe("report of a buyer's money", () => {
  const rowsOf = (text: string) => text.split("\n").map((line) => line.split(/ {2,}/));

  it("keeps the deposit apart from what is reserved for each payee and what thaws", () => {
    const text = renderBuyer({ tokens, reserves, agent, payer, names, signers: [] });
    const rows = rowsOf(text);
    assert.deepEqual(rows[1], ["USDC", "3", "1.5"]);
    assert.deepEqual(rows[4]!.slice(0, 5), ["reserved for", "token", "reserved", "thawing", "collected"]);
    const thawing = "0.5 until 2027-01-15 08:00:00 UTC";
    assert.deepEqual(rows[5], ["cluster 1", "USDC", "4", thawing, "0.25", "0.75", "0.001", "0.020001", "1 h 30 min"]);
    assert.deepEqual(rows[6], ["0x3333…3333", "USDC", "0", "0", "0.25", "0", "0", "0", "-"]);
    assert.equal(rows[7]![0], "--json shows addresses whole.");
    const whole = renderBuyer({ tokens, reserves: reserves.slice(0, 1), agent, payer, names, signers: [] });
    assert.doesNotMatch(whole, /--json/);
    for (const line of text.split("\n")) assert.ok(line.length <= 120, line);
    assert.match(
      renderBuyer({ tokens, reserves: [], agent, payer, names, signers: [] }),
      /Nothing is reserved for anybody\.$/,
    );
  });

  it("says what can be lost at most now, and without the agent what cannot be known", () => {
    const most = describeRisk({ tokens, reserves, agent, payer, names, signers: [] });
    assert.equal(most, "Most that can be lost now: 0.020001 USDC, for what is paid ahead or not checked yet.");
    const unknown = { tokens, reserves, agent: silent, payer, names, signers: [] };
    assert.deepEqual(rowsOf(renderBuyer(unknown))[5]!.slice(4), ["0.25", "?", "?", "?", "?"]);
    const said = describeRisk(unknown).split("\n");
    assert.match(said[0]!, /^The agent at http:\/\/127\.0\.0\.1:8080 did not answer within 3 s: /);
    assert.equal(said[2], "No more than what is deposited, reserved and thawing: 6 USDC.");
  });

  it("counts in what can be lost what a cluster's own key may sign, as far as there is money", () => {
    const key = { signer: address("9"), payee: address("2"), token: usdc.token, validUntil: 1_800_000_000n };
    const own = (cap: bigint, change = {}) => ({ ...key, cap, ended: false, isCluster: true, ...change });
    const said = (...signers: ReturnType<typeof own>[]) =>
      describeRisk({ tokens, reserves, agent, payer, names, signers }).split("\n").slice(1);
    const most = (text: string) => [`What a cluster's own key may sign, it can take without work: ${text} USDC.`];
    assert.deepEqual(said(own(2_500_000n), own(1_000_000n)), most("2.25"));
    assert.deepEqual(said(own(100_000_000n)), most("6"));
    assert.deepEqual(said(own(250_000n), own(2_500_000n, { ended: true }), own(2_500_000n, { isCluster: false })), []);
  });
});
