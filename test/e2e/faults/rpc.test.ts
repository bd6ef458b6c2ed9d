import assert from "node:assert/strict";
import { parseGwei } from "viem";
import { listCollections } from "../../../sdk/client/actions/account.ts";
import { assertPaidOnce, feedOne } from "../../support/faults/feeding.ts";
import type { PayeeHandle } from "../../support/faults/payee-handle.ts";
import { PayeeWorld, type TestPayee, type TestPayer } from "../../support/faults/payee-world.ts";
import { openRpcProxy, type RpcFault, type RpcProxy } from "../../support/rpc-proxy.ts";

const toCount = (truth: unknown, by: number) => `0x${Math.max(0, Number(truth) + by).toString(16)}`;
const lie = (by: number): RpcFault => ({ kind: "rewrite", result: (truth) => toCount(truth, by) });

/** What an endpoint may do for a while, each to the calls that hurt most. */
const faults: readonly {
  readonly name: string;
  readonly methods: string | string[];
  readonly fault: RpcFault;
  /** Calls that it must have met before it ends; default 1. */
  readonly hits?: number;
}[] = [
  { name: "stalls", methods: "*", fault: { kind: "stall" } },
  // A call is made twice before it fails: the transaction is handed out again only after that.
  { name: "stalls when a transaction is sent", methods: "eth_sendRawTransaction", fault: { kind: "stall" }, hits: 2 },
  { name: "drops the connection", methods: "*", fault: { kind: "drop" } },
  {
    name: "takes a transaction and drops the answer",
    methods: "eth_sendRawTransaction",
    fault: { kind: "dropAnswer" },
  },
  { name: "drops answers to everything", methods: "*", fault: { kind: "dropAnswer" } },
  { name: "answers with errors", methods: "*", fault: { kind: "error", code: -32603, message: "internal error" } },
  { name: "refuses for too many requests", methods: "*", fault: { kind: "status", status: 429 } },
  {
    name: "says that receipts do not exist",
    methods: "eth_getTransactionReceipt",
    fault: { kind: "answer", result: () => null },
  },
  { name: "tells a nonce too low by two", methods: "eth_getTransactionCount", fault: lie(-2), hits: 2 },
  // The first call asks what is left to bring back, the second for the nonce of the next transaction.
  { name: "tells a nonce too high by one", methods: "eth_getTransactionCount", fault: lie(1), hits: 2 },
];

describe("a payee whose endpoint of the chain", function () {
  this.timeout(120_000);
  let world: PayeeWorld;
  let proxy: RpcProxy;
  let process: PayeeHandle;
  let payee: TestPayee;
  let payer: TestPayer;

  before(async () => {
    world = await PayeeWorld.open(1, 1);
    [payee] = world.payees as [TestPayee];
    [payer] = payee.payers as [TestPayer];
    proxy = await openRpcProxy(world.anvil.rpcUrl);
    process = world.spawn();
    await process.start({ ...payee.start, rpcUrl: proxy.url, callTimeoutMs: 2_000 });
    await feedOne(process, payer, 100n);
  });
  afterEach(() => proxy.heal());
  after(async () => {
    await process?.stop();
    await proxy?.close();
    await world?.close();
  });

  for (const { name, methods, fault, hits } of faults) {
    it(`${name} acknowledges all the same, and is paid once when that ends`, async () => {
      const rule = proxy.fault(methods, fault, { times: 12 });
      for (let round = 0; round < 3; round += 1) await feedOne(process, payer, 7n);
      await rule.whenHit(hits);
      await feedOne(process, payer, 7n);
      proxy.heal();
      await assertPaidOnce(world, payee);
    });
  }

  for (const depth of [1, 2, 3, 4, 5]) {
    it(`takes back ${depth} blocks is paid once all the same`, async () => {
      const sent = proxy.fault("eth_getTransactionReceipt", { kind: "rewrite", result: (truth) => truth });
      await feedOne(process, payer, 11n);
      await sent.whenHit(2);
      await world.anvil.reorg(depth);
      await feedOne(process, payer, 11n);
      sent.remove();
      await assertPaidOnce(world, payee);
    });
  }

  it("asks a thousand times the usual price for gas waits for a better one", async () => {
    const client = world.anvil.client(world.operator);
    const before = (await listCollections(client)).length;
    await world.anvil.testClient.setNextBlockBaseFeePerGas({ baseFeePerGas: parseGwei("20000") });
    await world.anvil.mine(1);
    await feedOne(process, payer, 13n);
    await assertPaidOnce(world, payee);
    const events = (await listCollections(client)).slice(before);
    assert.ok(events.length > 0);
    for (const { transaction } of events) {
      const { effectiveGasPrice } = await client.publicClient.getTransactionReceipt({ hash: transaction });
      assert.ok(effectiveGasPrice <= parseGwei("200"), `${effectiveGasPrice} wei for a unit of gas`);
    }
  });
});
