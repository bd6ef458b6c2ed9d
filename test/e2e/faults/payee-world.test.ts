import assert from "node:assert/strict";
import { createWalletClient, http } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { foundry } from "viem/chains";
import { bytesToHex } from "../../../sdk/protocol/hex.ts";
import { assertPaidOnce, feedOne } from "../../support/faults/feeding.ts";
import { PayeeWorld, type TestPayee, type TestPayer } from "../../support/faults/payee-world.ts";

describe("the count of a payee's transactions", function () {
  this.timeout(60_000);
  let world: PayeeWorld;
  before(async () => {
    world = await PayeeWorld.open(1, 1);
  });
  after(async () => await world?.close());

  it("names what brought nothing", async () => {
    const [payee] = world.payees as [TestPayee];
    const [payer] = payee.payers as [TestPayer];
    const process = world.spawn();
    await process.start(payee.start);
    await feedOne(process, payer, 1n);
    await world.whenCollected(payer, 1n);
    await process.stop();
    await assertPaidOnce(world, payee);
    const account = privateKeyToAccount(bytesToHex(payee.key.secret));
    const wallet = createWalletClient({ account, chain: foundry, transport: http(world.anvil.rpcUrl) });
    const hash = await wallet.sendTransaction({ to: payee.key.address });
    await world.anvil.client(payee.key).publicClient.waitForTransactionReceipt({ hash });
    assert.deepEqual(await world.transactionsOf(payee), {
      sent: 2,
      idle: [{ transactionHash: hash, status: "success", gasUsed: 21_000n }],
    });
    await assert.rejects(assertPaidOnce(world, payee), /of 2 transactions/);
  });
});
