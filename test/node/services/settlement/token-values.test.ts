import assert from "node:assert/strict";
import { Value } from "typebox/value";
import { settlementOptions, type TokenCost } from "../../../../node/services/settlement/options.ts";
import { TokenValues } from "../../../../node/services/settlement/token-values.ts";
import { type Address, toAddress } from "../../../../sdk/protocol/hex.ts";

describe("what gas is worth in each token", () => {
  const USDC = toAddress(`0x${"1".repeat(40)}`);
  const LPT = toAddress(`0x${"2".repeat(40)}`);
  const other = toAddress(`0x${"3".repeat(40)}`);
  const noToken = toAddress(`0x${"4".repeat(40)}`);
  const decimalsOf = async (token: Address) => {
    if (token === noToken) throw new Error("returned no data");
    return token === USDC ? 6 : 18;
  };
  const usdc = { token: "USDC", perNative: "3000", leastAmount: "0.05" };
  const lpt = { token: "LPT", perNative: "0", leastAmount: "0.001" };
  const read = (costs: readonly TokenCost[], sold: readonly Address[] = []) =>
    TokenValues.read({ costs, tokens: { USDC, LPT }, sold, decimalsOf });

  it("is in base units, and without a price where the settings say 0", async () => {
    const values = await read([usdc, lpt]);
    assert.deepEqual(values.of(USDC), { perNative: 3_000_000_000n, leastAmount: 50_000n });
    assert.deepEqual(values.of(LPT), { perNative: undefined, leastAmount: 10n ** 15n });
  });

  it("must be said of every token that pays, and of every other that is sold in", async () => {
    await assert.rejects(read([usdc]), {
      code: "TOKEN_COST_MISSING",
      detail: { code: "TOKEN_COST_MISSING", token: "LPT" },
    });
    await assert.rejects(read([]), { code: "TOKEN_COST_MISSING" });
    await assert.rejects(read([usdc, lpt], [other]), { detail: { code: "TOKEN_COST_MISSING", token: other } });
    await read([usdc, lpt, { ...lpt, token: other }], [other, USDC]);
    const onBase = await TokenValues.read({ costs: [usdc, lpt], tokens: { USDC }, decimalsOf });
    assert.equal(onBase.of(USDC).leastAmount, 50_000n);
  });

  it("is refused at once with more digits than the token has, and said twice", async () => {
    await assert.rejects(read([{ ...usdc, perNative: "3000.1234567" }, lpt]), {
      detail: { code: "TOKEN_COST_TOO_FINE", token: "USDC", decimals: 6 },
    });
    await assert.rejects(read([{ ...usdc, leastAmount: "0.0000001" }, lpt]), { code: "TOKEN_COST_TOO_FINE" });
    await assert.rejects(read([usdc, lpt, { ...usdc, token: USDC }]), { code: "TOKEN_COST_TWICE" });
  });

  it("is refused for what is no token", async () => {
    await assert.rejects(read([usdc, lpt, { ...usdc, token: noToken }]), { code: "TOKEN_COST_TOKEN_SILENT" });
  });

  it("has no default: neither the price nor the least amount is guessed", () => {
    const settings = (cost: object) => Value.Default(settlementOptions, { tokenCosts: [cost] });
    for (const left of ["perNative", "leastAmount"] as const) {
      const { [left]: _, ...cost } = usdc;
      assert.equal(Value.Check(settlementOptions, settings(cost)), false);
    }
    assert.equal(Value.Check(settlementOptions, settings(usdc)), true);
  });

  it("makes no amount of a token that nobody priced worth its gas", async () => {
    assert.ok((await read([usdc, lpt])).of(other).leastAmount > 2n ** 128n);
  });
});
