import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "../../node/kernel/clock.ts";
import { systemClock } from "../../node/kernel/clock.ts";
import { createNodeKey, type NodeKey } from "../../node/kernel/keys.ts";
import { nativeStatements } from "../../node/kernel/secp.ts";
import { box } from "../../node/media/mp4/box.ts";
import { BuyerAgentService } from "../../node/services/buyer/buyer-agent.ts";
import type { OutboxItem } from "../../node/services/jobs/outbox.ts";
import type { JobSession } from "../../node/services/jobs/ports.ts";
import { PayerService } from "../../node/services/payment/payer-service.ts";
import { Database } from "../../node/store/database.ts";
import { LevelUsageStore } from "../../node/store/usage.ts";
import { LevelVoucherStore } from "../../node/store/vouchers.ts";
import type {
  BalancerMethod,
  BalancerRequest,
  BalancerResponse,
  UsageReport,
} from "../../node/wire/session/messages.ts";
import { type LogFields, type Logger, silentLogger } from "../../sdk/base/logger.ts";
import { silentMetrics } from "../../sdk/base/metrics.ts";
import { channelId, hubChannel } from "../../sdk/protocol/channel.ts";
import { createDomain, hashStatement } from "../../sdk/protocol/eip712.ts";
import type { Equivocation } from "../../sdk/protocol/faults.ts";
import { type Address, bytesToHex, type Hex, zeroHash } from "../../sdk/protocol/hex.ts";
import { hashPrices, type Prices } from "../../sdk/protocol/job.ts";
import { hashPartLeaf, merkleRoot, type PartLeaf } from "../../sdk/protocol/merkle.ts";
import { assignmentStructure, type Quote, quoteStructure, receiptStructure } from "../../sdk/protocol/signed.ts";
import type { Signed } from "../../sdk/protocol/statements.ts";
import { MemoryChannelView } from "./channel-view.ts";

export const domain = createDomain(31337, `0x${"e5".repeat(20)}`);
export const token: Address = `0x${"70".repeat(20)}`;
const account: Address = `0x${"c1".repeat(20)}`;
export const randomHash = (): Hex => bytesToHex(randomBytes(32));
export const stream = randomHash();
export const probeSecret = randomBytes(32);

/** Two rungs of three parts each; the second rung is larger. */
export const partsOf = (sequence: number) =>
  [1, 2].map((rung) =>
    [0, 1, 2].map((part) =>
      Buffer.from(
        box(
          "moof",
          createHash("sha512")
            .update(`${rung}/${sequence}/${part}`)
            .digest()
            .subarray(0, 20 * rung + part),
        ),
      ),
    ),
  );

export interface ReportInput {
  readonly sequence?: number;
  readonly attempt?: number;
  readonly job?: Hex;
  readonly leaves?: readonly PartLeaf[];
  readonly worker?: NodeKey;
  readonly assigner?: NodeKey;
  readonly change?: Partial<UsageReport>;
}

/** What a test has at hand: new before each. */
export interface BuyerScene {
  database: Database;
  chain: MemoryChannelView;
  buyer: NodeKey;
  balancer: NodeKey;
  node: NodeKey;
  agent: BuyerAgentService;
  payer: PayerService;
  ceilings: Prices | undefined;
  limits: { mostJobs: number; mostUnpaid: number };
  checks: OutboxItem[];
  accused: Equivocation[];
  /** Facts of the lines that it logged as warnings. */
  warned: (LogFields | undefined)[];
  onCheck: () => void;
}

/** A buyer's agent on a real store, and a cluster that reports to it and asks it for vouchers. */
export function useBuyerAgent(clock: Clock = systemClock) {
  const on = {} as BuyerScene;
  let folder: string;
  let handlers: Map<string, (body: unknown) => Promise<unknown>>;
  const call = <M extends BalancerMethod>(method: M, body: BalancerRequest<M>) =>
    handlers.get(method)!(body) as Promise<BalancerResponse<M>>;

  /** Another process on the same store: nothing else is left of the one before. */
  const start = async () => {
    handlers = new Map();
    const { database, chain, buyer } = on;
    const logger: Logger = { ...silentLogger, warn: (_, fields) => on.warned.push(fields) };
    const quiet = { clock, logger, metrics: silentMetrics, statements: nativeStatements };
    const vouchers = new LevelVoucherStore(database);
    on.payer = new PayerService(
      { ...quiet, vouchers, signer: buyer.signer, domain, chain },
      { voucherEveryMs: 30_000, samplingRate: 1, prepayLimit: "1" },
    );
    const session = {
      welcome: { clusterAccount: account } as JobSession["welcome"],
      handle: ((method: string, handler: (body: unknown) => Promise<unknown>) => {
        handlers.set(method, handler);
      }) as JobSession["handle"],
    };
    const zero: Address = `0x${"00".repeat(20)}`;
    on.agent = new BuyerAgentService(
      {
        ...quiet,
        session,
        payer: on.payer,
        vouchers,
        usage: new LevelUsageStore(database),
        outbox: {
          async post(_, item) {
            on.checks.push(item);
            on.onCheck();
          },
        },
        evidence: {
          keep: async (pair) => {
            on.accused.push(pair);
            return true;
          },
        },
        account: buyer.address,
        signer: buyer.signer,
        domain,
        chain,
        deployment: {
          chainId: 31337,
          escrow: domain.verifyingContract,
          operatorRegistry: zero,
          clusterRegistry: zero,
          accessManager: zero,
          stakeToken: zero,
          tokens: { USDC: token, LPT: zero },
          deployedAtBlock: 0n,
        },
        ceilings: () => on.ceilings,
        probeSecret,
      },
      { probesAtOnce: 4, probeLookMs: 20, probeLooks: 100, probeTimeoutMs: 5_000, ...on.limits },
    );
    await on.payer.start();
    await on.agent.start();
  };
  const stop = async () => {
    await on.agent.stop();
    await on.payer.stop();
  };
  const restart = async () => {
    await stop();
    await start();
  };
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "leat-buyer-"));
    on.database = await Database.open(folder);
    [on.buyer, on.balancer, on.node] = [1, 2, 3].map(() => createNodeKey(randomBytes(32))) as [
      NodeKey,
      NodeKey,
      NodeKey,
    ];
    on.chain = new MemoryChannelView(10n ** 9n);
    on.chain.allow(account, on.balancer.address);
    on.checks = [];
    on.accused = [];
    on.warned = [];
    on.onCheck = () => {};
    on.ceilings = undefined;
    on.limits = { mostJobs: 1_000, mostUnpaid: 1_000 };
    await start();
  });
  afterEach(async () => {
    await stop();
    await on.database.close();
    await rm(folder, { recursive: true, force: true });
  });

  const leavesOf = (sequence: number): PartLeaf[] =>
    partsOf(sequence).flatMap((parts, at) =>
      parts.map((bytes, part) => ({
        rung: at + 1,
        part,
        frames: 8,
        pixels: 800n,
        sizeBytes: BigInt(bytes.length),
        sha256: bytesToHex(createHash("sha256").update(bytes).digest()),
      })),
    );
  const reportOf = async (input: ReportInput = {}): Promise<UsageReport> => {
    const { sequence = 5, attempt = 1, job = zeroHash, worker = on.node, assigner = on.balancer } = input;
    const leaves = input.leaves ?? leavesOf(sequence);
    // One assignment has one quote.
    const quoteHash = hashPrices({ deliveredByte: BigInt(attempt) });
    const receipt = {
      job,
      seq: BigInt(sequence),
      attempt,
      quoteHash,
      inputHash: zeroHash,
      outputRoot: merkleRoot(leaves.map(hashPartLeaf)),
      firstFrame: 0n,
      frames: 24,
      durationMs: 2_000,
      sizeBytes: leaves.reduce((sum, leaf) => sum + leaf.sizeBytes, 0n),
    };
    const assignment = { job, attempt, node: on.node.address, quoteHash, firstFrame: 0n, validUntil: 4_000_000_000n };
    const quoted = { pixelH264: 10n ** 21n, deliveredByte: 10n ** 24n };
    return {
      stream,
      job,
      attempt,
      node: on.node.address,
      kind: "transcode",
      receipt: { value: receipt, signature: await worker.signer.sign(receiptStructure, domain, receipt) },
      leaves,
      assignment: { value: assignment, signature: await assigner.signer.sign(assignmentStructure, domain, assignment) },
      token,
      quote: await quoteOf(quoted),
      quoted,
      prices: { pixelH264: 10n ** 21n },
      paidUnits: 4_800n,
      ...input.change,
    };
  };
  /** The cluster's promise of prices for the stream. */
  const quoteOf = async (
    quoted: Prices,
    change: Partial<Quote> = {},
    by: NodeKey = on.balancer,
  ): Promise<Signed<Quote>> => {
    const value: Quote = {
      node: account,
      payer: on.buyer.address,
      token,
      specHash: zeroHash,
      pricesHash: hashPrices(quoted),
      maxUnits: 10n ** 12n,
      validUntil: 4_000_000_000n,
      nonce: 1n,
      ...change,
    };
    return { value, signature: await by.signer.sign(quoteStructure, domain, value) };
  };
  const requestOf = (reports: readonly UsageReport[], cumulative: bigint, seq = 1n) => ({
    channel: channelId(hubChannel(on.buyer.address, account, token)),
    kind: "usage" as const,
    seq,
    cumulative,
    receiptsRoot: zeroHash,
    receiptHashes: reports.map(({ receipt }) => hashStatement(receiptStructure, domain, receipt.value)),
  });
  return { on, call, restart, leavesOf, reportOf, quoteOf, requestOf };
}
