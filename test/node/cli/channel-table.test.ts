import assert from "node:assert/strict";
import { formatRunway, renderChannels, renderTotals } from "../../../node/cli/channel-table.ts";

const usdc = { name: "USDC", token: `0x${"0A".repeat(20)}`, decimals: 6 };
const lpt = { name: "LPT", token: `0x${"0b".repeat(20)}`, decimals: 18 };
const channel = {
  channelId: `0x${"e3".repeat(32)}`,
  payer: `0x${"c1".repeat(20)}`,
  payee: `0x${"d2".repeat(20)}`,
  token: usdc.token.toLowerCase(),
  vouchered: "1250001",
  collected: "1000000",
  unpaidExact: "1",
  canLoseExact: "2500000000000000000000000000001",
  reserve: "4000000",
  runwaySeconds: "5400",
};

describe("table of channels", () => {
  it("shows whole tokens by their symbol, what is open rounded up and what is certain down", () => {
    const [titles, row] = renderChannels([channel], [usdc, lpt], channel.payee).split("\n");
    assert.deepEqual(titles!.split(/ {2,}/), [
      "payer",
      "token",
      "unpaid",
      "vouchered",
      "collected",
      "reserve",
      "can lose",
      "lasts",
    ]);
    assert.deepEqual(row!.split(/ {2,}/), [
      "0xc1c1…c1c1",
      "USDC",
      "0.000001",
      "1.250001",
      "1",
      "4",
      "2.500001",
      "1 h 30 min",
    ]);
  });

  it("names both sides where a balancer is paid by its buyers and pays its members", () => {
    const paying = { ...channel, payer: channel.payee, payee: `0x${"f4".repeat(20)}` };
    const [titles, first, second] = renderChannels([channel, paying], [usdc], `0x${"b1".repeat(20)}`).split("\n");
    assert.deepEqual(titles!.split(/ {2,}/).slice(0, 3), ["payer", "payee", "token"]);
    assert.deepEqual(first!.split(/ {2,}/).slice(0, 2), ["0xc1c1…c1c1", "0xd2d2…d2d2"]);
    assert.deepEqual(second!.split(/ {2,}/).slice(0, 2), ["0xd2d2…d2d2", "0xf4f4…f4f4"]);
  });

  it("fits 120 columns, with millions of a token of 18 digits too", () => {
    const much = "123456789123456789123456789";
    const rich = { ...channel, token: lpt.token, vouchered: much, collected: much, reserve: much };
    const text = renderChannels(
      [channel, { ...rich, unpaidExact: `${much}000000000001`, canLoseExact: `${much}000000000001` }],
      [usdc, lpt],
      channel.payee,
    );
    assert.ok(text.includes("123456789.123456"));
    for (const line of text.split("\n")) assert.ok(line.length <= 120, line);
  });

  it("shows the sums of all counterparties, and for how long money lasts, rounded down", () => {
    const { channelId: _id, payer: _payer, payee: _payee, ...sums } = channel;
    const [titles, row] = renderTotals([{ ...sums, side: "payer", pool: "1", runwaySeconds: null }], [usdc]).split(
      "\n",
    );
    assert.match(titles!, /^in all +token +unpaid.* not reserved +lasts$/);
    assert.match(row!, /^payer +USDC .* 0\.000001 +-$/);
    const words = ["0", "59", "119", "3600", "187199", "9999999999999"].map(formatRunway);
    assert.deepEqual(words, ["0 s", "59 s", "1 min", "1 h 0 min", "2 d 3 h", "years"]);
  });
});
