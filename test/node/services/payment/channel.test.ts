import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { createNodeKey } from "../../../../node/kernel/keys.ts";
import { hubChannel } from "../../../../sdk/protocol/channel.ts";
import { toBaseUnits, toExact } from "../../../../sdk/protocol/units.ts";
import { clusterAccount, second, token, usePayments } from "../../../support/payment-pair.ts";

describe("payer and payee of a channel", () => {
  const { on, openPair, startPayee, startPayer, workOf } = usePayments();

  it("pays a channel's work to the base unit, whatever the amounts and vouchers between", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.bigInt({ min: 0n, max: 10n ** 26n }), { minLength: 1, maxLength: 12 }),
        fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }),
        async (amounts, settles) => {
          on.node = createNodeKey(randomBytes(32));
          on.channel = hubChannel(clusterAccount, on.node.address, token);
          const { payee, payer, job } = await openPair(1n);
          for (const [at, exact] of amounts.entries()) {
            const work = workOf(job, BigInt(at), exact);
            await payee.earned(work);
            await payer.owe(work);
            await payer.passed(work);
            if (settles[at]) await payer.settleNow(on.channel);
          }
          const sum = amounts.reduce((total, exact) => total + exact, 0n);
          const expected = toBaseUnits(sum, 6) > 1n ? toBaseUnits(sum, 6) : 1n;
          assert.equal((await payer.settleNow(on.channel)).vouchered, expected);
          assert.equal((await payee.status())[0]!.vouchered, expected);
        },
      ),
      { numRuns: 12 },
    );
  });

  it("goes on after a restart of either side where it stood", async () => {
    const { held, issued, payee, payer, job } = await openPair();
    const works = [0n, 1n, 2n].map((seq) => workOf(job, seq, 20n * second));
    for (const work of works) {
      await payee.earned(work);
      await payer.owe(work);
    }
    await payer.passed(works[0]!);
    const returned = await startPayee(held);
    assert.equal((await returned.status())[0]!.unpaidExact, 50n * second);
    const payerAgain = await startPayer(issued, (_, offer) => returned.accept(offer));
    assert.equal((await payerAgain.settleNow(on.channel)).vouchered, 20n);
    await payerAgain.passed(works[1]!);
    await payerAgain.passed(works[2]!);
    assert.equal((await payerAgain.settleNow(on.channel)).vouchered, 60n);
    assert.equal((await returned.status())[0]!.unpaidExact, 0n);
    assert.equal(await returned.earned(works[1]!), false);
    assert.equal(toExact(60n, 6), 60n * second);
  });
});
