import assert from "node:assert/strict";
import { deposit, thaw } from "../../../sdk/client/actions/account.ts";
import { assertPaidOnce, feedOne } from "../../support/faults/feeding.ts";
import type { PayeeHandle } from "../../support/faults/payee-handle.ts";
import { PayeeWorld, RESERVE, type TestPayee, type TestPayer } from "../../support/faults/payee-world.ts";

describe("a payee whose payer", function () {
  this.timeout(120_000);
  let world: PayeeWorld;
  let process: PayeeHandle;
  let payee: TestPayee;

  before(async () => {
    world = await PayeeWorld.open(1, 6);
    [payee] = world.payees as [TestPayee];
    process = world.spawn();
    await process.start(payee.start);
    for (const payer of payee.payers.slice(0, 5)) await feedOne(process, payer, 1_000n);
  });
  after(async () => {
    await process?.stop();
    await world?.close();
  });

  const payerAt = (index: number) => payee.payers[index]!;
  const codeOf = async (payer: TestPayer, cumulative: bigint) => {
    const reply = await process.offer(await payer.sign(payer.acknowledged, cumulative));
    return reply?.of === "code" ? reply.code : reply?.of;
  };

  it("thaws its reserve while the payee is away is collected from all the same", async () => {
    const payer = payerAt(0);
    await feedOne(process, payer, RESERVE / 2n);
    process.kill();
    await process.exited;
    const open = payer.acknowledged!.cumulative - (await world.collected(payer));
    const { reserve } = await world.channel(payer);
    await thaw(world.anvil.client(payer.key), { ...payer.channel, amount: reserve });
    process = world.spawn();
    await process.start(payee.start);
    await world.whenCollected(payer, payer.acknowledged!.cumulative);
    const left = await world.channel(payer);
    assert.equal(left.thawing, reserve - open);
    assert.equal(await codeOf(payer, payer.acknowledged!.cumulative + left.thawing + 1n), "VOUCHER_ABOVE_RESERVE");
    // What thaws can still be collected: it counts for work that was done.
    await feedOne(process, payer, 1n);
    await world.whenCollected(payer, payer.acknowledged!.cumulative);
  });

  it("signs above its reserve refuses, and keeps what it had", async () => {
    const payer = payerAt(1);
    assert.equal(await codeOf(payer, RESERVE + 1_000n), "VOUCHER_ABOVE_RESERVE");
    const held = (await process.held())!.find(({ value }) => value.payer === payer.key.address)!;
    assert.equal(held.value.seq, payer.acknowledged!.seq);
    await feedOne(process, payer, 1n);
    await world.whenCollected(payer, payer.acknowledged!.cumulative);
  });

  it("signs two vouchers of one number keeps the one that it acknowledged", async () => {
    const payer = payerAt(2);
    const previous = payer.acknowledged!;
    await feedOne(process, payer, 700n);
    // Others of the same number, over less and over more: not taken, and answered with what is held.
    for (const cumulative of [previous.cumulative + 1n, payer.acknowledged!.cumulative + 1n]) {
      const reply = await process.offer(await payer.sign(previous, cumulative));
      assert.equal(reply?.of, "answer");
      const { answer } = reply as { answer: { held?: { value: { cumulative: bigint } } } };
      assert.equal(answer.held?.value.cumulative, payer.acknowledged!.cumulative);
    }
    await feedOne(process, payer, 5n);
    await world.whenCollected(payer, payer.acknowledged!.cumulative);
  });

  it("forks its channel through another past is refused by the root of what was bought", async () => {
    const payer = payerAt(3);
    const other = { ...payer.acknowledged!, usageRoot: payer.id };
    const reply = await process.offer(await payer.sign(other, other.cumulative + 9n));
    assert.equal(reply?.of === "code" && reply.code, "VOUCHER_ROOT_WRONG");
  });

  it("stops answering is paid all that was acknowledged, after a kill too", async () => {
    const payer = payerAt(4);
    await feedOne(process, payer, 321n);
    process.kill();
    await process.exited;
    process = world.spawn();
    await process.start(payee.start);
    await world.whenCollected(payer, payer.acknowledged!.cumulative);
    await assertPaidOnce(world, payee);
  });

  it("thaws all after the transaction that collects from it was signed is paid from by that one", async () => {
    const payer = payerAt(5);
    process.kill();
    await process.exited;
    process = world.spawn();
    await process.start(payee.start, { point: "before-send", count: 1 });
    await feedOne(process, payer, 1_000n);
    await process.exited;
    // All that can make a claim dearer: nothing was collected before, and it is paid from pool and thawing part.
    const { token } = payer.channel;
    const client = world.anvil.client(payer.key);
    await world.anvil.mint(token, payer.key.address, 3n);
    await deposit(client, { token, amount: 3n });
    await thaw(client, { ...payer.channel, amount: RESERVE });
    process = world.spawn();
    await process.start(payee.start);
    await world.whenCollected(payer, 1_000n);
    await assertPaidOnce(world, payee);
  });
});
