import assert from "node:assert/strict";
import { Attempts } from "../../../../node/services/payment/attempts.ts";
import type { Book } from "../../../../node/services/payment/channel-book.ts";
import { channelId } from "../../../../sdk/protocol/channel.ts";
import { randomHash, second, usePayments } from "../../../support/payment-pair.ts";

describe("attempts of a payer", () => {
  const { on, openStore, startPayer, workOf } = usePayments();
  const bookOf = () => ({ id: randomHash() }) as Book;

  it("are so many under way in a channel, and one more when one is over", () => {
    const attempts = new Attempts(1, () => {}, { maxOpen: 2 });
    const [book, job] = [bookOf(), randomHash()];
    for (const attempt of [1, 2, 2]) attempts.open(book, job, attempt);
    assert.throws(() => attempts.open(book, job, 3), { code: "PAYMENT_ATTEMPTS_TOO_MANY" });
    attempts.open(bookOf(), job, 3);
    attempts.close(job, 1);
    attempts.close(job, 1);
    attempts.open(book, randomHash(), 1);
    assert.throws(() => attempts.open(book, job, 4), { code: "PAYMENT_ATTEMPTS_TOO_MANY" });
    // One that is over is known and takes no place.
    assert.equal(attempts.open(book, job, 1), attempts.find(job, 1));
  });

  it("are forgotten in the order of their end, whatever is still under way", () => {
    const forgotten: number[] = [];
    const attempts = new Attempts(1, ({ attempt }) => forgotten.push(attempt), { maxOver: 2 });
    const [book, job] = [bookOf(), randomHash()];
    for (let attempt = 1; attempt <= 5; attempt += 1) attempts.open(book, job, attempt);
    for (const attempt of [4, 1, 5, 2]) attempts.close(job, attempt);
    assert.deepEqual(forgotten, [4, 1]);
    assert.deepEqual(
      [1, 2, 3, 4, 5].map((attempt) => attempts.find(job, attempt) !== undefined),
      [false, true, true, false, true],
    );
  });

  it("lose what waits for bad work also where they are not remembered", async () => {
    const store = await openStore();
    const [payer, forgetful] = [await startPayer(store), await startPayer(store)];
    const job = randomHash();
    for (const seq of [0n, 1n]) await payer.owe(workOf(job, seq, 3n * second));
    await payer.owe({ ...workOf(job, 2n), attempt: 2 });
    await payer.passed({ job, attempt: 1, seq: 0n });
    await forgetful.openChannel(on.channel);
    assert.equal(await forgetful.forfeit(job, 1), 3n * second);
    const open = await store.openEntries("issued", channelId(on.channel));
    assert.deepEqual(
      open.map(({ seq }) => seq),
      [0n, 2n],
    );
  });

  it("are paid what passes also where they are not remembered, but for those that lied", async () => {
    const store = await openStore();
    const [payer, forgetful] = [await startPayer(store), await startPayer(store)];
    const [job, bad] = [randomHash(), randomHash()];
    for (const each of [job, bad]) await payer.owe(workOf(each, 0n, 3n * second));
    await forgetful.openChannel(on.channel);
    await forgetful.passed({ job, attempt: 1, seq: 0n });
    await forgetful.forfeit(bad, 1);
    await payer.owe(workOf(bad, 1n, 3n * second));
    await forgetful.passed({ job: bad, attempt: 1, seq: 1n });
    assert.equal(await store.totalExact("issued", channelId(on.channel)), 3n * second);
  });
});
