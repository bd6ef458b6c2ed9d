import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import { hubChannel } from "@leat/sdk/protocol/channel.ts";
import { hashStatement } from "@leat/sdk/protocol/eip712.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import { type JobTerms, priceUnitOf } from "@leat/sdk/protocol/job.ts";
import { receiptStructure } from "@leat/sdk/protocol/signed.ts";
import { costExact } from "@leat/sdk/protocol/units.ts";
import { nativeStatements } from "../../node/kernel/secp.ts";
import type { VoucherStore } from "../../node/metering/voucher-store.ts";
import { GrantedBytes } from "../../node/services/delivery/granted-bytes.ts";
import type { Work } from "../../node/services/payment/index.ts";
import { type PayeeComponents, PayeeService } from "../../node/services/payment/payee-service.ts";
import { type PayerComponents, PayerService } from "../../node/services/payment/payer-service.ts";
import { Database } from "../../node/store/database.ts";
import { LevelVoucherStore } from "../../node/store/vouchers.ts";
import type { BalancerMethod, BalancerRequest } from "../../node/wire/session/messages.ts";
import { usdc } from "./candidates.ts";
import { MemoryChannelView } from "./channel-view.ts";
import { FakeBooks, type FakeHub } from "./fake-market.ts";
import { clusterAccount, domain, FakeNode } from "./fake-node.ts";
import type { ManualClock } from "./manual-clock.ts";

/** A node that keeps a book of what the cluster owes it. */
export class PaidNode extends FakeNode {
  payee!: PayeeService;
  /** What its edges were granted, by job. */
  readonly #granted = new Map<Hex, GrantedBytes>();

  override async answer(method: BalancerMethod, body: never): Promise<unknown> {
    if (method === "job.assign") await this.admit(body as JobTerms);
    if (method === "job.update") {
      const { job, unsignedBudgetBytes } = body as BalancerRequest<"job.update">;
      if (unsignedBudgetBytes !== undefined) this.#granted.get(job)?.set(unsignedBudgetBytes);
    }
    return super.answer(method, body);
  }

  /** What of the work it books: an edge no more than it was granted. */
  unitsOf(terms: JobTerms, units: bigint): bigint {
    const { spec, assignment } = terms;
    return spec.primitive === "delivery" ? this.#granted.get(assignment.value.job)!.take(units) : units;
  }

  async admit(terms: JobTerms): Promise<void> {
    const { job, attempt, validUntil } = terms.assignment.value;
    const { spec } = terms;
    if (spec.primitive === "delivery") this.#granted.set(job, new GrantedBytes(spec.unsignedBudgetBytes));
    const channel = hubChannel(clusterAccount, this.address, usdc);
    const open = { job, attempt, channel, exactPerSecond: 1n, segmentMs: 4_000, samplingRate: 1, validUntil };
    await this.payee.openJob(open, terms.prepay);
  }
}

/** A buyer whose agent signs for all that it was told of. */
export class PayingBuyer extends FakeNode {
  payer!: PayerService;

  override async answer(method: BalancerMethod, body: never): Promise<unknown> {
    const channel = hubChannel(this.address, clusterAccount, usdc);
    if (method === "voucher.request") {
      await this.payer.openChannel(channel);
      return this.payer.answerRequest(body as BalancerRequest<"voucher.request">);
    }
    if (method === "usage.report") {
      const { receipt, job, attempt, prices, paidUnits } = body as BalancerRequest<"usage.report">;
      const receiptHash = hashStatement(receiptStructure, domain, receipt.value);
      const exact = costExact(Object.values(prices)[0]!, paidUnits);
      await this.payer.owe({ job, attempt, seq: receipt.value.seq, channel, exact, receiptHash });
    }
    return super.answer(method, body);
  }
}

/** Real books of a cluster, its nodes and its buyer, each with a store of its own. */
export class PayingBooks extends FakeBooks {
  readonly folder: string;
  readonly #clock: ManualClock;
  readonly channels: MemoryChannelView;
  readonly #disks = new Map<string, Database>();
  readonly #parts: { stop(): Promise<void> }[] = [];
  #samplingRate = 1;
  /** Where the cluster keeps its vouchers, if not on disks as nodes have them. */
  #clusterVouchers: VoucherStore | undefined;
  readonly #parties: { nodes: readonly PaidNode[]; buyer: PayingBuyer };
  cluster!: { payer: PayerService; payee: PayeeService };
  hub!: FakeHub;

  private constructor(
    folder: string,
    clock: ManualClock,
    decimals: number,
    parties: { nodes: readonly PaidNode[]; buyer: PayingBuyer },
  ) {
    super();
    this.#parties = parties;
    this.folder = folder;
    this.#clock = clock;
    this.channels = new MemoryChannelView(10n ** BigInt(decimals + 6), decimals);
  }

  static async open(
    clock: ManualClock,
    decimals: number,
    parts: { nodes: readonly PaidNode[]; buyer: PayingBuyer },
    { samplingRate = 1, vouchers }: { samplingRate?: number; vouchers?: VoucherStore } = {},
  ): Promise<PayingBooks> {
    const books = new PayingBooks(await mkdtemp(join(tmpdir(), "leat-books-")), clock, decimals, parts);
    books.#samplingRate = samplingRate;
    books.#clusterVouchers = vouchers;
    for (const node of parts.nodes) await books.openNode(node);
    parts.buyer.payer = await books.#openPayer("buyer", { signer: parts.buyer.signer });
    await books.openCluster();
    return books;
  }

  /** From its disk; a second time as after a kill. */
  async openNode(node: PaidNode): Promise<void> {
    await node.payee?.stop();
    node.payee = await this.#openPayee(node.address, { payee: node.address });
  }

  /** The same of both books of the cluster. */
  async openCluster(): Promise<void> {
    await this.cluster?.payer.stop();
    await this.cluster?.payee.stop();
    const balancer = nativeStatements.createSigner(new Uint8Array(32).fill(200));
    this.channels.allow(clusterAccount, balancer.address);
    const vouchers = this.#clusterVouchers === undefined ? {} : { vouchers: this.#clusterVouchers };
    const payer = await this.#openPayer("issued", {
      ...vouchers,
      signer: balancer,
      deliver: (payee, offer) => this.#parties.nodes.find(({ address }) => address === payee)!.payee.accept(offer),
    });
    const payee = await this.#openPayee("held", {
      ...vouchers,
      payee: clusterAccount,
      askPayer: (buyer, request) => this.hub.call(buyer, "voucher.request", request),
    });
    this.cluster = { payer, payee };
    this.payer = payer;
    this.payee = payee;
  }

  /** Base units that the newest voucher of a channel says, by its payee. */
  async vouchered(payee: PayeeService, payer: Address): Promise<bigint> {
    return (await payee.status()).find(({ channel }) => channel.payer === payer)?.vouchered ?? 0n;
  }

  async close(): Promise<void> {
    for (const part of this.#parts) await part.stop();
    for (const database of this.#disks.values()) await database.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  async #openPayee(
    disk: string,
    own: Pick<PayeeComponents, "payee" | "askPayer"> & Partial<Pick<PayeeComponents, "vouchers">>,
  ): Promise<PayeeService> {
    const settings = {
      refreshMs: 5_000,
      creditGrowthPpm: 100_000,
      creditMaxFactor: 4,
      idleChannels: 1_000,
      leastReputation: 0,
      maxBounces: 1_000_000,
    };
    const service = new PayeeService({ ...(await this.#quiet(disk)), ...own }, settings);
    return this.#start(service);
  }

  async #openPayer(
    disk: string,
    own: Pick<PayerComponents, "signer" | "deliver"> & Partial<Pick<PayerComponents, "vouchers">>,
  ): Promise<PayerService> {
    const settings = { voucherEveryMs: 10_000, samplingRate: this.#samplingRate, prepayLimit: "1000" };
    return this.#start(new PayerService({ ...(await this.#quiet(disk)), ...own }, settings));
  }

  async #start<S extends PayeeService | PayerService>(service: S): Promise<S> {
    this.#parts.push(service);
    await service.start();
    return service;
  }

  async #quiet(disk: string) {
    const database = this.#disks.get(disk) ?? (await Database.open(join(this.folder, disk)));
    this.#disks.set(disk, database);
    return {
      vouchers: new LevelVoucherStore(database),
      chain: this.channels,
      clock: this.#clock,
      logger: silentLogger,
      metrics: silentMetrics,
      statements: nativeStatements,
      domain,
    };
  }
}

/** What one receipt of a job is worth to its node, as it books it itself. */
export function workOf(node: PaidNode, terms: JobTerms, submit: Awaited<ReturnType<FakeNode["receipt"]>>): Work {
  const { job, attempt } = terms.assignment.value;
  const { value } = submit.receipt;
  const units = {
    ingest: BigInt(value.durationMs),
    transcode: submit.leaves.reduce((sum, { pixels }) => sum + pixels, 0n),
    delivery: value.sizeBytes,
  }[submit.kind];
  const exact = costExact(terms.prices[priceUnitOf(terms.spec)]!, node.unitsOf(terms, units));
  const receiptHash = hashStatement(receiptStructure, domain, value);
  const channel = hubChannel(clusterAccount, node.address, usdc);
  return { job, attempt, seq: value.seq, channel, exact, receiptHash };
}
