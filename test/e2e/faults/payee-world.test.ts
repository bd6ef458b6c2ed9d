import assert from "node:assert/strict";
import { listCollections } from "../../../sdk/client/actions/account.ts";
import { createClient } from "../../../sdk/client/create-client.ts";
import { feedOne } from "../../support/faults/feeding.ts";
import { PayeeWorld, type TestPayee, type TestPayer } from "../../support/faults/payee-world.ts";
import { openRpcProxy } from "../../support/rpc-proxy.ts";

describe("the count of a payee's transactions", function () {
  this.timeout(60_000);
  let world: PayeeWorld;
  before(async () => {
    world = await PayeeWorld.open(1, 1);
  });
  after(async () => await world?.close());

  it("is true while the chain shows the state after a block and not yet the block", async () => {
    const [payee] = world.payees as [TestPayee];
    const [payer] = payee.payers as [TestPayer];
    const process = world.spawn();
    await process.start(payee.start);
    await feedOne(process, payer, 1n);
    await world.whenCollected(payer, 1n);
    await process.collect();
    await process.stop();
    const truth = world.anvil.client(world.operator);
    const { blockNumber } = (await listCollections(truth))[0]!;

    const proxy = await openRpcProxy(world.anvil.rpcUrl);
    try {
      let looks = 0;
      const isThere = () => looks > 3;
      proxy.fault("eth_blockNumber", {
        kind: "rewrite",
        result: (head) => {
          looks += 1;
          return isThere() ? head : `0x${(blockNumber - 1n).toString(16)}`;
        },
      });
      proxy.fault("eth_getLogs", {
        kind: "rewrite",
        result: (logs) =>
          isThere() ? logs : (logs as { blockNumber: string }[]).filter((one) => BigInt(one.blockNumber) < blockNumber),
      });
      const client = createClient({ rpcUrl: proxy.url, deployment: truth.deployment, pollMs: 20 });
      assert.deepEqual(await world.transactionsOf(payee, client), { sent: 1, paid: 1 });
    } finally {
      await proxy.close();
    }
  });
});
