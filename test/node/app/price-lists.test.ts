import assert from "node:assert/strict";
import { readPriceLists } from "../../../node/app/price-lists.ts";

const tokens = { LPT: `0x${"AA".repeat(20)}`, USDC: `0x${"bb".repeat(20)}` } as const;

describe("price lists", () => {
  it("become exact amounts by token address", () => {
    const lists = readPriceLists([{ token: "LPT", ingestMs: "0.00000001", pixelVp9: "0.000000000004" }], tokens);
    assert.deepEqual([...lists], [[`0x${"aa".repeat(20)}`, { ingestMs: 10n ** 22n, pixelVp9: 4n * 10n ** 18n }]]);
  });

  it("do not sell a unit that they do not name", () => {
    const [prices] = readPriceLists([{ token: "USDC", deliveredByte: "1" }], tokens).values();
    assert.deepEqual(prices, { deliveredByte: 10n ** 30n });
  });

  it("are refused when a token has two", () => {
    const twice = [{ token: "USDC" }, { token: tokens.USDC }];
    assert.throws(() => readPriceLists(twice, tokens), { detail: { code: "PRICE_LIST_TWICE", token: tokens.USDC } });
  });
});
