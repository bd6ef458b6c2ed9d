import assert from "node:assert/strict";
import { ChainError } from "@leat/node/chain/errors.ts";
import type { NodeKey } from "@leat/node/kernel/keys.ts";
import { useX402 } from "../../../support/use-x402.ts";
import { payingFetch, usdcOf, type X402Node } from "../../../support/x402-scene.ts";

const PREPAY = 1_000_000n;

describe("what people prepaid by HTTP", function () {
  this.timeout(120_000);
  const on = useX402();
  const pay = async (node: X402Node, by?: NodeKey) => {
    const viewer = by ?? (await on.newViewer(PREPAY));
    const answer = await payingFetch(on.market, viewer)(node.url("240p/0.m4s"));
    if (answer.status === 200) return "paid";
    return ((await answer.json()) as { error: { code: string } }).error.code;
  };
  const heldByKey = () => usdcOf(on.market, on.market.node.address);
  const beneficiary = async () => (await on.market.view.reader.beneficiaryOf(on.market.node.address))!;

  it("goes to the operator's beneficiary once the node's key holds more than it should", async () => {
    const node = await on.start({ settings: { maxHeld: "2", lookEveryMs: 50 } });
    const before = await usdcOf(on.market, await beneficiary());
    for (let payment = 0; payment < 2; payment += 1) assert.equal(await pay(node), "paid");
    assert.equal(await heldByKey(), 2n * PREPAY);
    assert.equal(await pay(node), "paid");
    await on.until(async () => (await heldByKey()) === 0n);
    assert.equal((await usdcOf(on.market, await beneficiary())) - before, 3n * PREPAY);
  });

  it("is not added to above twice that while it cannot be paid out, nor by many at once", async () => {
    let isStuck = true;
    const node = await on.start({
      settings: { maxHeld: "1", lookEveryMs: 50 },
      sender: (real) => ({
        async send(call, ...rest) {
          if (call.functionName === "transfer" && isStuck) {
            throw new ChainError({ code: "CHAIN_FEES_HIGH", baseFee: 1n, ceiling: 0n });
          }
          return real.send(call, ...rest);
        },
      }),
    });
    const viewers: NodeKey[] = [];
    while (viewers.length < 6) viewers.push(await on.newViewer(PREPAY));
    const codes = await Promise.all(viewers.map((viewer) => pay(node, viewer)));
    const paid = codes.filter((code) => code === "paid");
    assert.deepEqual(codes.toSorted(), [...Array(6 - paid.length).fill("X402_HOLDS_ENOUGH"), ...paid]);
    // What is in its block and not counted yet counts twice: fewer may have got in, never more.
    assert.ok(paid.length <= 3);
    let last = "paid";
    while (last === "paid") last = await pay(node);
    assert.equal(last, "X402_HOLDS_ENOUGH");
    assert.equal(await heldByKey(), 3n * PREPAY);
    isStuck = false;
    await on.until(async () => (await heldByKey()) === 0n);
    await on.until(async () => (await pay(node)) === "paid");
  });
});
