import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createNodeKey, type NodeKey } from "../../node/kernel/keys.ts";
import { nativeStatements } from "../../node/kernel/secp.ts";
import type { VoucherStore } from "../../node/metering/voucher-store.ts";
import type { VoucherAnswer, VoucherRequest } from "../../node/services/payment/index.ts";
import { PayeeService } from "../../node/services/payment/payee-service.ts";
import { PayerService } from "../../node/services/payment/payer-service.ts";
import { Database } from "../../node/store/database.ts";
import { LevelVoucherStore } from "../../node/store/vouchers.ts";
import { type Logger, silentLogger } from "../../sdk/base/logger.ts";
import { silentMetrics } from "../../sdk/base/metrics.ts";
import { type Channel, hubChannel } from "../../sdk/protocol/channel.ts";
import { createDomain } from "../../sdk/protocol/eip712.ts";
import { type Address, bytesToHex, type Hex } from "../../sdk/protocol/hex.ts";
import type { VoucherOffer } from "../../sdk/protocol/job.ts";
import { MemoryChannelView } from "./channel-view.ts";
import { ManualClock } from "./manual-clock.ts";

export const domain = createDomain(31337, `0x${"e5".repeat(20)}`);
export const token: Address = `0x${"70".repeat(20)}`;
export const clusterAccount: Address = `0x${"c1".repeat(20)}`;
/** One base unit, exact: what a second of the tests' jobs costs. */
export const second = 10n ** 24n;
export const randomHash = (): Hex => bytesToHex(randomBytes(32));
export const payeeSettings = {
  refreshMs: 5_000,
  creditGrowthPpm: 100_000,
  creditMaxFactor: 4,
  idleChannels: 1_000,
  leastReputation: 0,
  maxBounces: 1_000_000,
};

/** What a test has at hand: new before each. */
export interface PaymentScene {
  clock: ManualClock;
  chain: MemoryChannelView;
  logger: Logger;
  /** Signs for the cluster's account. */
  balancer: NodeKey;
  node: NodeKey;
  /** From the cluster's account to the node. */
  channel: Channel;
}

/** Payers and payees with real stores on a chain in memory; all of them are stopped after each test. */
export function usePayments() {
  let folder: string;
  let opened = 0;
  const databases: Database[] = [];
  const parts: { stop(): Promise<void> }[] = [];
  const on = {} as PaymentScene;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "leat-payment-"));
    on.clock = new ManualClock();
    on.chain = new MemoryChannelView(10n ** 9n);
    on.logger = silentLogger;
    on.balancer = createNodeKey(randomBytes(32));
    on.node = createNodeKey(randomBytes(32));
    on.chain.allow(clusterAccount, on.balancer.address);
    on.channel = hubChannel(clusterAccount, on.node.address, token);
  });
  afterEach(async () => {
    for (const part of parts.splice(0).reverse()) await part.stop();
    for (const database of databases.splice(0)) await database.close();
    await rm(folder, { recursive: true, force: true });
  });

  const openStore = async (): Promise<VoucherStore> => {
    opened += 1;
    const database = await Database.open(join(folder, String(opened)));
    databases.push(database);
    return new LevelVoucherStore(database);
  };
  const quiet = () => ({
    clock: on.clock,
    logger: on.logger,
    metrics: silentMetrics,
    statements: nativeStatements,
    domain,
    chain: on.chain,
  });
  const startPayee = async (
    vouchers: VoucherStore,
    payee = on.node.address,
    askPayer?: (payer: Address, request: VoucherRequest) => Promise<VoucherOffer>,
    tokens?: readonly Address[],
    settings: Partial<typeof payeeSettings> = {},
  ) => {
    const service = new PayeeService(
      { ...quiet(), vouchers, payee, askPayer, tokens },
      { ...payeeSettings, ...settings },
    );
    parts.push(service);
    await service.start();
    return service;
  };
  const startPayer = async (
    vouchers: VoucherStore,
    deliver?: (payee: Address, offer: VoucherOffer) => Promise<VoucherAnswer>,
    settings: { samplingRate?: number; signer?: NodeKey } = {},
  ) => {
    const { samplingRate = 1, signer = on.balancer } = settings;
    const service = new PayerService(
      { ...quiet(), vouchers, signer: signer.signer, deliver },
      { voucherEveryMs: 10_000, samplingRate, prepayLimit: "1" },
    );
    parts.push(service);
    await service.start();
    return service;
  };
  const workOf = (job: Hex, seq: bigint, exact = second, of = on.channel) => ({
    job,
    attempt: 1,
    seq,
    channel: of,
    exact,
    receiptHash: randomHash(),
  });
  const termsOf = (job: Hex, exactPerSecond = second) => ({
    job,
    attempt: 1,
    channel: on.channel,
    exactPerSecond,
    segmentMs: 4_000,
    samplingRate: 1,
    validUntil: 4_000_000_000n,
  });
  /** A payee, a payer that reaches it, and an open job. */
  const openPair = async (exactPerSecond = second) => {
    const [held, issued] = [await openStore(), await openStore()];
    const payee = await startPayee(held);
    const payer = await startPayer(issued, (_, offer) => payee.accept(offer));
    const job = randomHash();
    await payee.openJob(termsOf(job, exactPerSecond), await payer.prepay(on.channel, exactPerSecond));
    return { held, issued, payee, payer, job };
  };
  return { on, openStore, startPayee, startPayer, workOf, termsOf, openPair };
}
