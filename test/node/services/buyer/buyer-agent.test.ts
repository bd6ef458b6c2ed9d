import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../../node/kernel/clock.ts";
import { createNodeKey, type NodeKey } from "../../../../node/kernel/keys.ts";
import { nativeStatements } from "../../../../node/kernel/secp.ts";
import { BuyerAgentService } from "../../../../node/services/buyer/buyer-agent.ts";
import { drawPart } from "../../../../node/services/buyer/edge-probe.ts";
import type { OutboxItem } from "../../../../node/services/jobs/outbox.ts";
import type { JobSession } from "../../../../node/services/jobs/ports.ts";
import { PayerService } from "../../../../node/services/payment/payer-service.ts";
import { Database } from "../../../../node/store/database.ts";
import { LevelVoucherStore } from "../../../../node/store/vouchers.ts";
import type {
  BalancerMethod,
  BalancerRequest,
  BalancerResponse,
  UsageReport,
} from "../../../../node/wire/session/messages.ts";
import { silentLogger } from "../../../../sdk/base/logger.ts";
import { silentMetrics } from "../../../../sdk/base/metrics.ts";
import { channelId, hubChannel } from "../../../../sdk/protocol/channel.ts";
import { createDomain, hashStatement } from "../../../../sdk/protocol/eip712.ts";
import type { Equivocation } from "../../../../sdk/protocol/faults.ts";
import { type Address, bytesToHex, type Hex, zeroHash } from "../../../../sdk/protocol/hex.ts";
import { hashPrices, type Prices } from "../../../../sdk/protocol/job.ts";
import { hashPartLeaf, merkleRoot, type PartLeaf } from "../../../../sdk/protocol/merkle.ts";
import {
  assignmentStructure,
  checkResultStructure,
  checkVerdicts,
  type Quote,
  quoteStructure,
  receiptStructure,
} from "../../../../sdk/protocol/signed.ts";
import type { Signed } from "../../../../sdk/protocol/statements.ts";
import { MemoryChannelView } from "../../../support/channel-view.ts";

const domain = createDomain(31337, `0x${"e5".repeat(20)}`);
const token: Address = `0x${"70".repeat(20)}`;
const account: Address = `0x${"c1".repeat(20)}`;
const randomHash = (): Hex => bytesToHex(randomBytes(32));
const stream = randomHash();
const slug = "stream-slug";

/** Two rungs of three parts each; the second rung is larger. */
const partsOf = (sequence: number) =>
  [1, 2].map((rung) =>
    [0, 1, 2].map((part) =>
      createHash("sha512")
        .update(`${rung}/${sequence}/${part}`)
        .digest()
        .subarray(0, 20 * rung + part),
    ),
  );

const probeSecret = randomBytes(32);

describe("buyer's agent", () => {
  let folder: string;
  let database: Database;
  let chain: MemoryChannelView;
  let buyer: NodeKey;
  let balancer: NodeKey;
  let node: NodeKey;
  let agent: BuyerAgentService;
  let payer: PayerService;
  let server: Server | undefined;
  let ceilings: Prices | undefined;
  let handlers: Map<string, (body: unknown) => Promise<unknown>>;
  let checks: OutboxItem[];
  let accused: Equivocation[];
  let onCheck: () => void;
  const call = <M extends BalancerMethod>(method: M, body: BalancerRequest<M>) =>
    handlers.get(method)!(body) as Promise<BalancerResponse<M>>;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "leat-buyer-"));
    database = await Database.open(folder);
    [buyer, balancer, node] = [1, 2, 3].map(() => createNodeKey(randomBytes(32))) as [NodeKey, NodeKey, NodeKey];
    chain = new MemoryChannelView(10n ** 9n);
    chain.allow(account, balancer.address);
    handlers = new Map();
    checks = [];
    accused = [];
    onCheck = () => {};
    ceilings = undefined;
    const quiet = { clock: systemClock, logger: silentLogger, metrics: silentMetrics, statements: nativeStatements };
    payer = new PayerService(
      { ...quiet, vouchers: new LevelVoucherStore(database), signer: buyer.signer, domain, chain },
      { voucherEveryMs: 30_000, samplingRate: 1, prepayLimit: "1" },
    );
    const session = {
      welcome: { clusterAccount: account } as JobSession["welcome"],
      handle: ((method: string, handler: (body: unknown) => Promise<unknown>) => {
        handlers.set(method, handler);
      }) as JobSession["handle"],
    };
    const zero: Address = `0x${"00".repeat(20)}`;
    agent = new BuyerAgentService(
      {
        ...quiet,
        session,
        payer,
        outbox: {
          async post(_, item) {
            checks.push(item);
            onCheck();
          },
        },
        evidence: {
          keep: async (pair) => {
            accused.push(pair);
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
        ceilings: () => ceilings,
        probeSecret,
      },
      { probesAtOnce: 4, probeLookMs: 20, probeLooks: 100, probeTimeoutMs: 5_000 },
    );
    await payer.start();
    await agent.start();
  });
  afterEach(async () => {
    await agent.stop();
    await payer.stop();
    server?.closeAllConnections();
    server?.close();
    server = undefined;
    await database.close();
    await rm(folder, { recursive: true, force: true });
  });

  interface ReportInput {
    readonly sequence?: number;
    readonly attempt?: number;
    readonly job?: Hex;
    readonly leaves?: readonly PartLeaf[];
    readonly worker?: NodeKey;
    readonly assigner?: NodeKey;
    readonly change?: Partial<UsageReport>;
  }
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
    const { sequence = 5, attempt = 1, job = zeroHash, worker = node, assigner = balancer } = input;
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
    const assignment = { job, attempt, node: node.address, quoteHash, firstFrame: 0n, validUntil: 4_000_000_000n };
    const quoted = { pixelH264: 10n ** 21n, deliveredByte: 10n ** 24n };
    return {
      stream,
      job,
      attempt,
      node: node.address,
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
    by: NodeKey = balancer,
  ): Promise<Signed<Quote>> => {
    const value: Quote = {
      node: account,
      payer: buyer.address,
      token,
      specHash: zeroHash,
      pricesHash: hashPrices(quoted),
      maxUnits: 0n,
      validUntil: 4_000_000_000n,
      nonce: 1n,
      ...change,
    };
    return { value, signature: await by.signer.sign(quoteStructure, domain, value) };
  };
  const requestOf = (reports: readonly UsageReport[], cumulative: bigint, seq = 1n) => ({
    channel: channelId(hubChannel(buyer.address, account, token)),
    kind: "usage" as const,
    seq,
    cumulative,
    receiptsRoot: zeroHash,
    receiptHashes: reports.map(({ receipt }) => hashStatement(receiptStructure, domain, receipt.value)),
  });

  it("signs for reported work at the reported price, to the base unit", async () => {
    const reports = [await reportOf({ sequence: 1 }), await reportOf({ sequence: 2 })];
    for (const report of reports) await call("usage.report", report);
    // 4,800 pixels at 10^21 are 4.8 base units of 10^24 each.
    const offer = await call("voucher.request", requestOf(reports, 9n));
    assert.equal(offer.voucher.value.cumulative, 9n);
    assert.equal(offer.voucher.value.payer, buyer.address);
    await assert.rejects(call("voucher.request", requestOf([await reportOf({ sequence: 3 })], 9n, 2n)), {
      code: "VOUCHER_RECEIPT_UNKNOWN",
    });
  });

  it("refuses a receipt or assignment that the wrong one signed, and leaves that were not signed", async () => {
    const refuse = async (input: ReportInput, code: string) =>
      assert.rejects(call("usage.report", await reportOf(input)), { code });
    await refuse({ worker: buyer }, "USAGE_RECEIPT_SIGNER_WRONG");
    await refuse({ assigner: buyer }, "USAGE_ASSIGNMENT_SIGNER_WRONG");
    await refuse({ change: { node: buyer.address } }, "USAGE_JOB_WRONG");
    await refuse({ change: { attempt: 2 } }, "USAGE_JOB_WRONG");
    await refuse({ change: { leaves: leavesOf(6) } }, "USAGE_LEAVES_WRONG");
    const signed = await reportOf();
    const cut = { ...signed, receipt: { ...signed.receipt, signature: `0x${"00".repeat(65)}` as Hex } };
    await assert.rejects(call("usage.report", cut), { code: "USAGE_SIGNATURE_INVALID" });
  });

  it("keeps two receipts of one work as evidence, and pays the first alone", async () => {
    const first = await reportOf({ sequence: 1 });
    const second = await reportOf({ sequence: 1, leaves: leavesOf(6) });
    await call("usage.report", first);
    await call("usage.report", first);
    assert.deepEqual(accused, []);
    await assert.rejects(call("usage.report", second), { code: "USAGE_RECEIPT_CONFLICT" });
    assert.deepEqual(accused, [{ first: first.receipt, second: second.receipt }]);
    assert.equal((await call("voucher.request", requestOf([first], 4n))).voucher.value.cumulative, 4n);
  });

  it("takes any price within the quote, and holds the cluster to its first quote", async () => {
    const quoted = { pixelH264: 3n * 10n ** 21n };
    const quote = await quoteOf(quoted);
    const dearer = { quote, quoted, prices: { pixelH264: 2n * 10n ** 21n } };
    // A job that moved to a dearer node, after one at a cheaper node.
    await call("usage.report", await reportOf({ sequence: 1, change: { quote, quoted } }));
    await call("usage.report", await reportOf({ sequence: 2, change: dearer }));
    const refuse = async (change: Partial<UsageReport>, code: string) =>
      assert.rejects(call("usage.report", await reportOf({ sequence: 3, change })), { code });
    await refuse({ quote, quoted, prices: { pixelH264: 4n * 10n ** 21n } }, "USAGE_PRICE_ABOVE_QUOTE");
    await refuse({ quote, quoted: { pixelH264: 9n * 10n ** 21n } }, "USAGE_QUOTE_WRONG");
    const raised = { pixelH264: 9n * 10n ** 21n };
    await refuse({ quote: await quoteOf(raised), quoted: raised }, "USAGE_QUOTE_CHANGED");
  });

  it("refuses a quote that the cluster did not give this buyer", async () => {
    const quoted = { pixelH264: 10n ** 21n };
    for (const quote of [
      await quoteOf(quoted, {}, node),
      await quoteOf(quoted, { payer: node.address }),
      await quoteOf(quoted, { node: node.address }),
      await quoteOf(quoted, { token: node.address }),
    ]) {
      await assert.rejects(call("usage.report", await reportOf({ change: { quote, quoted } })), {
        code: "USAGE_QUOTE_WRONG",
      });
    }
  });

  it("refuses a price above its ceiling or above the quote, and units beyond the work", async () => {
    const refuse = async (change: Partial<UsageReport>, code: string) =>
      assert.rejects(call("usage.report", await reportOf({ sequence: 9, change })), { code });
    await call("usage.report", await reportOf());
    await refuse({ prices: { pixelH264: 10n ** 21n + 1n } }, "USAGE_PRICE_ABOVE_QUOTE");
    await refuse({ paidUnits: 4_801n }, "USAGE_UNITS_TOO_MANY");
    await refuse({ prices: { pixelH264: 1n, pixelVp9: 1n } }, "USAGE_UNIT_UNKNOWN");
    ceilings = { pixelH264: 10n ** 20n };
    await refuse({}, "USAGE_PRICE_ABOVE_CEILING");
  });

  it("pays one attempt at a segment, and signs for the rest of what it is asked", async () => {
    const [first, second] = [await reportOf({ sequence: 1 }), await reportOf({ sequence: 1, attempt: 2 })];
    const third = await reportOf({ sequence: 2 });
    for (const report of [first, second, third]) await call("usage.report", report);
    const offer = await call("voucher.request", requestOf([first], 4n));
    assert.equal(offer.voucher.value.seq, 1n);
    await assert.rejects(call("voucher.request", requestOf([second], 9n, 2n)), { code: "USAGE_PAID_TWICE" });
    const rest = await call("voucher.request", requestOf([second, third], 14n, 2n));
    assert.deepEqual(rest.receiptHashes, requestOf([third], 0n).receiptHashes);
    assert.equal(rest.voucher.value.cumulative, 9n);
  });

  it("pays ahead once, up to its limit", async () => {
    const ahead = { ...requestOf([], 1_000_000n), kind: "prepay" as const };
    await assert.rejects(call("voucher.request", { ...ahead, cumulative: 1_000_001n }), {
      code: "VOUCHER_PREPAY_REFUSED",
    });
    assert.equal((await call("voucher.request", ahead)).voucher.value.cumulative, 1_000_000n);
  });

  /** An edge that serves the stream as HLS; `alter` may change what a segment's bytes are. */
  const serveEdge = async (alter: (bytes: Buffer, rung: number, sequence: number) => Buffer): Promise<string> => {
    server = createServer((request, response) => {
      const [, , , name, file] = (request.url ?? "").split("/");
      if (name === "master.m3u8") {
        const variants = ["240p", "480p"].map((one) => `#EXT-X-STREAM-INF:BANDWIDTH=1\n${one}/index.m3u8`);
        response.end(`#EXTM3U\n${variants.join("\n")}\n`);
        return;
      }
      if (file === "index.m3u8") {
        response.end("#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:4\n#EXTINF:2,\n4.m4s\n#EXTINF:2,\n5.m4s\n#EXTINF:2,\n6.m4s\n");
        return;
      }
      const rung = name === "240p" ? 0 : 1;
      const sequence = Number.parseInt(file ?? "", 10);
      const bytes = alter(Buffer.concat(partsOf(sequence)[rung]!), rung, sequence);
      const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
      const body = range === null ? bytes : bytes.subarray(Number(range[1]), Number(range[2]) + 1);
      response.writeHead(range === null ? 200 : 206, { "content-length": body.length });
      response.end(request.method === "HEAD" ? undefined : body);
    });
    await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/live/${slug}/master.m3u8`;
  };
  const nextCheck = () =>
    new Promise<OutboxItem>((resolve) => {
      onCheck = () => resolve(checks.at(-1)!);
    });
  const edgeJob = randomHash();

  it("finds every part of an honest edge equal to what the transcoder signed", async () => {
    const hls = await serveEdge((bytes) => bytes);
    await call("stream.watch", { stream, slug, edges: [{ job: edgeJob, attempt: 1, node: node.address, hls }] });
    for (const sequence of [4, 5, 6]) {
      const next = nextCheck();
      const report = await reportOf({ sequence });
      await call("usage.report", report);
      const item = await next;
      assert.ok(item.method === "check.submit");
      const { value, signature } = item.body.check;
      assert.equal(value.verdict, checkVerdicts.passed);
      assert.deepEqual([value.job, value.seq, value.check], [edgeJob, BigInt(sequence), 4]);
      assert.equal(value.receiptHash, hashStatement(receiptStructure, domain, report.receipt.value));
      assert.equal(nativeStatements.recoverSigner(checkResultStructure, domain, value, signature), buyer.address);
    }
  });

  it("finds one altered byte of the part that it drew, and pays that edge no more", async () => {
    const report = await reportOf();
    const receiptHash = hashStatement(receiptStructure, domain, report.receipt.value);
    const drawn = drawPart({ receiptHash, sequence: 5, leaves: report.leaves }, node.address, probeSecret);
    const hls = await serveEdge((bytes, rung) => {
      if (rung + 1 === drawn.leaf.rung) bytes[drawn.offset]! ^= 1;
      return bytes;
    });
    await call("stream.watch", { stream, slug, edges: [{ job: edgeJob, attempt: 1, node: node.address, hls }] });
    const next = nextCheck();
    await call("usage.report", report);
    const item = await next;
    assert.ok(item.method === "check.submit");
    assert.equal(item.body.check.value.verdict, checkVerdicts.failed);
    assert.equal(item.body.code, "EDGE_PART_DIFFERENT");
    const served = await reportOf({
      job: edgeJob,
      sequence: 7,
      change: { kind: "delivery", prices: { deliveredByte: 10n ** 24n }, paidUnits: 10n },
    });
    await call("usage.report", served);
    await assert.rejects(call("voucher.request", requestOf([served], 10n)), { code: "VOUCHER_RECEIPT_UNKNOWN" });
  });

  it("blames no edge for bytes of another attempt", async () => {
    // The transcoder's first attempt was thrown away: what the edge serves is the second's.
    const wrong = leavesOf(5).map((leaf) => ({ ...leaf, sha256: randomHash() }));
    const hls = await serveEdge((bytes) => bytes);
    await call("stream.watch", { stream, slug, edges: [{ job: edgeJob, attempt: 1, node: node.address, hls }] });
    const next = nextCheck();
    await call("usage.report", await reportOf({ leaves: wrong }));
    const second = await reportOf({ attempt: 2 });
    await call("usage.report", second);
    const item = await next;
    assert.ok(item.method === "check.submit");
    assert.equal(item.body.check.value.verdict, checkVerdicts.passed);
    assert.equal(item.body.check.value.receiptHash, hashStatement(receiptStructure, domain, second.receipt.value));
  });
});
