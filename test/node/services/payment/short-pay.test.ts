import assert from "node:assert/strict";
import { type Logger, silentLogger } from "../../../../sdk/base/logger.ts";
import { randomHash, second, usePayments } from "../../../support/payment-pair.ts";

describe("a voucher that pays less than was booked", () => {
  const { on, openPair, openStore, startPayee, startPayer, termsOf, workOf } = usePayments();

  it("counts against the credit while its work runs, and is at rest after", async () => {
    const warned: unknown[] = [];
    on.logger = { ...silentLogger, warn: (phrase, fields) => warned.push([phrase, fields?.exact]) } as Logger;
    const { payee, payer, job } = await openPair();
    const other = randomHash();
    await payee.openJob(termsOf(other, second / 100n));
    const pay = async (of: typeof job, seq: bigint, booked: bigint, owed = booked) => {
      const work = workOf(of, seq, booked * second);
      await payee.earned(work);
      await payer.owe({ ...work, exact: owed * second });
      await payer.passed(work);
      await payer.settleNow(on.channel);
    };
    const status = async () => {
      const [channel] = await payee.status();
      return [channel!.unpaidExact / second, channel!.shortExact / second];
    };
    await pay(job, 1n, 40n, 10n);
    await pay(job, 2n, 40n, 20n);
    assert.deepEqual(await status(), [50n, 0n]);
    // An attempt that runs on gives nothing up, whatever else ends.
    await payee.closeJob(other, 1, { forfeit: false });
    assert.deepEqual([await status(), warned], [[50n, 0n], []]);
    await payee.closeJob(job, 1, { forfeit: false });
    assert.deepEqual([await status(), warned], [[0n, 50n], [["Voucher paid less than was booked", 50n * second]]]);
    const next = randomHash();
    await payee.openJob(termsOf(next));
    await pay(next, 1n, 30n);
    assert.deepEqual([await status(), (await payee.status())[0]!.vouchered], [[0n, 50n], 60n]);
  });

  it("is found and written off by a later process, too", async () => {
    const store = await openStore();
    const payee = await startPayee(store);
    const payer = await startPayer(await openStore(), (_, offer) => payee.accept(offer));
    const job = randomHash();
    await payee.openJob(termsOf(job), await payer.prepay(on.channel, second));
    const work = workOf(job, 1n, 60n * second);
    await payee.earned(work);
    await payer.owe({ ...work, exact: 20n * second });
    await payer.passed(work);
    await payer.settleNow(on.channel);
    await payee.stop();
    const again = await startPayee(store);
    assert.equal((await again.status())[0]!.unpaidExact, 40n * second);
    const next = randomHash();
    await again.openJob(termsOf(next));
    await again.closeJob(next, 1, { forfeit: false });
    assert.deepEqual(
      (await again.status()).map((one) => [one.unpaidExact, one.shortExact]),
      [[0n, 40n * second]],
    );
  });
});
