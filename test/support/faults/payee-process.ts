import { Value } from "typebox/value";
import { connectChain, createWallet } from "../../../node/chain/clients.ts";
import { gasOf } from "../../../node/chain/gas.ts";
import { JsonRpc } from "../../../node/chain/json-rpc.ts";
import { RegistryView } from "../../../node/chain/registry-view.ts";
import { ChainSender, defaultSenderOptions } from "../../../node/chain/sender.ts";
import { systemClock } from "../../../node/kernel/clock.ts";
import { createNodeKey } from "../../../node/kernel/keys.ts";
import { nativeStatements } from "../../../node/kernel/secp.ts";
import type { CollectedRecord, PutVoucher, VoucherSide } from "../../../node/metering/voucher-store.ts";
import { PayeeService, payeeOptions } from "../../../node/services/payment/payee-service.ts";
import { type SettlementOptions, settlementOptions } from "../../../node/services/settlement/options.ts";
import { SettlementService } from "../../../node/services/settlement/settlement-service.ts";
import { TokenValues } from "../../../node/services/settlement/token-values.ts";
import { LevelCheckpointStore } from "../../../node/store/checkpoints.ts";
import { Database } from "../../../node/store/database.ts";
import { LevelVoucherStore } from "../../../node/store/vouchers.ts";
import { silentLogger } from "../../../sdk/base/logger.ts";
import { silentMetrics } from "../../../sdk/base/metrics.ts";
import { createDomain } from "../../../sdk/protocol/eip712.ts";
import { collectAny } from "../collect-any.ts";
import { defaultsOf } from "../defaults.ts";
import type { KillPoint, PayeeMessage, PayeeOrder, PayeeReply, PayeeStart } from "./payee-protocol.ts";

let die: { point: KillPoint; count: number } | undefined;

/** The real end: no handler runs, nothing is flushed. */
function pass(point: KillPoint): void {
  if (die?.point !== point) return;
  die.count -= 1;
  if (die.count <= 0) process.kill(process.pid, "SIGKILL");
}

class KillableVouchers extends LevelVoucherStore {
  override async put(side: VoucherSide, change: PutVoucher) {
    pass("before-write");
    const result = await super.put(side, change);
    pass("after-write");
    return result;
  }

  override async putCollected(record: CollectedRecord): Promise<void> {
    pass("before-settled");
    await super.putCollected(record);
    pass("after-settled");
  }
}

/** Facts hold every signed transaction before it leaves. */
class KillableFacts extends LevelCheckpointStore {
  override async change(changes: Parameters<LevelCheckpointStore["change"]>[0]): Promise<void> {
    const isTransaction = changes.some(({ kind }) => kind.startsWith("sent-"));
    if (isTransaction) pass("before-note");
    await super.change(changes);
    if (isTransaction) pass("after-note");
  }
}

const trueCall = JsonRpc.prototype.call;
JsonRpc.prototype.call = async function (this: JsonRpc, method: string, params: unknown) {
  if (method === "eth_sendRawTransaction") pass("before-send");
  if (method === "eth_getTransactionReceipt") pass("before-receipt");
  const result = await trueCall.call(this, method, params);
  if (method === "eth_sendRawTransaction") pass("after-send");
  if (method === "eth_getTransactionReceipt") pass("after-receipt");
  return result;
};

const send = (message: PayeeMessage, then?: () => void) => process.send!(message, () => then?.());

async function start({ rpcUrl, deployment, secret, location, confirmedDepth, callTimeoutMs = 60_000 }: PayeeStart) {
  const options = { rpcUrls: [rpcUrl], confirmedDepth, pollMs: 50, callTimeoutMs };
  const key = createNodeKey(secret);
  const quiet = { clock: systemClock, logger: silentLogger, metrics: silentMetrics };
  const database = await Database.open(location);
  const vouchers = new KillableVouchers(database);
  const facts = new KillableFacts(database);
  const clients = await connectChain(options, deployment.chainId);
  const { publicClient } = clients;
  const chain = new RegistryView({ publicClient, deployment, facts, ...quiet }, options);
  await chain.start();
  const wallet = createWallet(clients, key.secret);
  const senderOptions = { ...defaultSenderOptions, lookEveryMs: 50, confirmedDepth };
  const sender = new ChainSender({ publicClient, wallet, facts, ...quiet }, senderOptions);
  await sender.start();
  const payee = new PayeeService(
    {
      ...quiet,
      vouchers,
      chain,
      statements: nativeStatements,
      domain: createDomain(deployment.chainId, deployment.escrow),
      payee: key.address,
    },
    defaultsOf(payeeOptions, { refreshMs: 500 }),
  );
  await payee.start();
  const tokens = await TokenValues.read({
    costs: collectAny,
    tokens: deployment.tokens,
    decimalsOf: (token) => chain.decimalsOf(token),
  });
  const rules = { ...(Value.Default(settlementOptions, {}) as SettlementOptions), lookEveryMs: 200, gasSpike: 1_000 };
  const settlement = new SettlementService(
    { ...quiet, vouchers, payee, chain, sender, deployment, tokens, gas: gasOf(publicClient) },
    rules,
  );
  await settlement.start();
  const parts = [settlement, payee, sender, chain];
  return {
    payee,
    settlement,
    held: async () => (await vouchers.all("held")).map(({ voucher }) => voucher),
    async stop() {
      for (const part of parts) await part.stop();
      await database.close();
    },
  };
}

let running: Awaited<ReturnType<typeof start>> | undefined;

async function obey(id: number, order: PayeeOrder): Promise<void> {
  const reply = (answer: PayeeReply, then?: () => void) => void send({ id, reply: answer }, then);
  if (order.do === "start") {
    die = order.die;
    running = await start(order.start);
    return reply({ of: "ready", held: await running.held() });
  }
  if (running === undefined) throw new Error("not started");
  if (order.do === "offer") {
    pass("received");
    const answer = await running.payee.accept(order.offer);
    return reply({ of: "answer", answer }, () => pass("acknowledged"));
  }
  if (order.do === "collect") {
    return reply({ of: "collected", transactions: await running.settlement.collectNow() });
  }
  if (order.do === "held") return reply({ of: "held", held: await running.held() });
  await running.stop();
  process.disconnect();
}

process.on("message", ({ id, order }: { id: number; order: PayeeOrder }) => {
  obey(id, order).catch((error: { code?: string; message: string }) => {
    send({ id, reply: { of: "code", code: error.code ?? String(error), message: error.message } });
  });
});
process.on("disconnect", () => process.exit(0));
send({ id: 0, reply: { of: "loaded" } });
