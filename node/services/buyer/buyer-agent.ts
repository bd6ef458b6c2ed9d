import type { ChannelView } from "@leat/node/chain/channel-view.ts";
import type { Clock } from "@leat/node/kernel/clock.ts";
import type { Startable } from "@leat/node/kernel/lifecycle.ts";
import { TaskGroup } from "@leat/node/kernel/task-group.ts";
import type { VoucherStore } from "@leat/node/metering/voucher-store.ts";
import type { PayerService } from "@leat/node/services/payment/payer-service.ts";
import type { LevelUsageStore } from "@leat/node/store/usage.ts";
import type { UsageReport, VoucherRequest, WatchedEdge } from "@leat/node/wire/session/messages.ts";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import { channelId, hubChannel } from "@leat/sdk/protocol/channel.ts";
import type { Deployment } from "@leat/sdk/protocol/deployment.ts";
import type { Domain } from "@leat/sdk/protocol/eip712.ts";
import { type Address, type Hex, toAddress } from "@leat/sdk/protocol/hex.ts";
import type { Prices, VoucherOffer } from "@leat/sdk/protocol/job.ts";
import { type CheckResult, checkResultStructure, checkVerdicts } from "@leat/sdk/protocol/signed.ts";
import type { StatementSigner, Statements } from "@leat/sdk/protocol/statements.ts";
import { type Static, Type } from "typebox";
import type { Evidence } from "../faults/evidence-service.ts";
import type { Outbox } from "../jobs/outbox.ts";
import type { JobSession } from "../jobs/ports.ts";
import { EdgeProbe, type Reference } from "./edge-probe.ts";
import { BuyerError } from "./errors.ts";
import { createFetcher } from "./hls-reader.ts";
import { type OpenAttempt, OpenAttempts } from "./open-attempts.ts";
import { UsageBook } from "./usage-book.ts";

export const buyerOptions = Type.Object(
  {
    probesAtOnce: Type.Integer({
      default: 4,
      minimum: 1,
      maximum: 64,
      description: "Parts fetched from edges at one time, to compare them with the transcoder's receipt",
    }),
    probeLookMs: Type.Integer({
      default: 500,
      minimum: 20,
      maximum: 60_000,
      description: "Pause before an edge that does not have a segment yet is asked again, milliseconds",
    }),
    probeLooks: Type.Integer({
      default: 40,
      minimum: 1,
      maximum: 1_000,
      description: "How often an edge is asked for a segment before it counts as absent",
    }),
    probeTimeoutMs: Type.Integer({
      default: 10_000,
      minimum: 100,
      maximum: 60_000,
      description: "Longest that one answer of an edge may take, milliseconds",
    }),
    mostJobs: Type.Integer({
      default: 200_000,
      minimum: 1_000,
      maximum: 10_000_000,
      description: "Jobs of the last 30 days that are remembered, so that nothing is paid twice; more are refused",
    }),
    mostUnpaid: Type.Integer({
      default: 100_000,
      minimum: 1_000,
      maximum: 10_000_000,
      description: "Segments that a cluster reported and was not paid for; more are refused",
    }),
  },
  { default: {}, additionalProperties: false },
);

export interface BuyerAgentComponents {
  readonly session: Pick<JobSession, "welcome" | "handle">;
  readonly payer: Pick<
    PayerService,
    "openChannel" | "owe" | "forfeit" | "answerRequest" | "waiting" | "release" | "refuse" | "forgetJob"
  >;
  readonly vouchers: Pick<VoucherStore, "openEntries" | "countOpen">;
  readonly usage: LevelUsageStore;
  readonly outbox: Pick<Outbox, "post">;
  readonly evidence: Pick<Evidence, "keep">;
  readonly statements: Pick<Statements, "recoverSigner">;
  /** The payer of its channels. */
  readonly account: Address;
  /** The account's own key, or one that it allotted its channels. */
  readonly signer: StatementSigner;
  readonly domain: Domain;
  readonly deployment: Deployment;
  readonly chain: Pick<ChannelView, "maySign">;
  /** Most that is paid for a unit of a token; undefined where the buyer set none. */
  readonly ceilings: (token: Address) => Prices | undefined;
  /** Fixes which parts of edges are probed: random, of this process alone. */
  readonly probeSecret: Uint8Array;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricsRegister;
}

/** Check 4 of DESIGN section 6: delivery, fetched as a viewer. */
const deliveryCheck = 4;
/** Waiting probes: a minute of 30 streams on two edges each. The oldest give way, as their segments leave first. */
const MAX_WAITING = 1_000;
/** Newest segments of a stream whose receipts are compared with: more than any live window holds. */
const MAX_REFERENCES = 64;
const MAX_STREAMS = 1_000;
/** Delivery receipts that are remembered for checks that come after them. */
const MAX_DELIVERIES = 10_000;
const FORGET_EVERY_MS = 3_600_000;
/** A job that nothing happened to for so long is over: more than a cluster's balancers are ever away. */
const FORGET_AFTER_MS = 30 * 24 * 3_600_000;
/** Where half of the jobs that fit are remembered: no stream rests for so long and goes on. */
const FORGET_EARLY_MS = 24 * 3_600_000;

interface Watched {
  edges: readonly WatchedEdge[];
  /** By family and segment: `<first rung>/<sequence>`. */
  readonly references: Map<string, Reference>;
}

/** Signs for a buyer what it saw proof of, and looks at what its viewers get. */
export class BuyerAgentService implements Startable {
  readonly #components: BuyerAgentComponents;
  readonly #options: Static<typeof buyerOptions>;
  readonly #book: UsageBook;
  readonly #probe: EdgeProbe;
  readonly #attempts = new OpenAttempts();
  readonly #streams = new Map<Hex, Watched>();
  readonly #deliveries = new Map<string, Hex>();
  readonly #tasks: TaskGroup;
  #waiting: { stream: Hex; edge: WatchedEdge; key: string; reference: Reference }[] = [];
  #probing = 0;
  readonly #reports;
  readonly #probes;

  constructor(components: BuyerAgentComponents, options: Static<typeof buyerOptions>) {
    const { clock, logger, metrics } = components;
    this.#components = components;
    this.#options = options;
    this.#book = new UsageBook({ ...components, buyer: components.account }, options);
    this.#probe = new EdgeProbe(
      { fetcher: createFetcher(options.probeTimeoutMs), clock, secret: components.probeSecret },
      { lookEveryMs: options.probeLookMs, looks: options.probeLooks },
    );
    this.#tasks = new TaskGroup({ clock, onError: (error) => logger.error("Work of buyer failed", { error }) });
    this.#reports = metrics.counter({
      name: "leat_buyer_reports_total",
      help: "Usage reports of the cluster",
      labelNames: ["verdict"],
    });
    this.#probes = metrics.counter({
      name: "leat_buyer_probes_total",
      help: "Parts that were fetched from edges and compared",
      labelNames: ["verdict"],
    });
  }

  async start(): Promise<void> {
    const { session, logger, payer, usage } = this.#components;
    for (const { job, attempt } of await payer.waiting()) {
      const known = await usage.job(job);
      if (known !== undefined) await this.#release(this.#attempts.note(known.stream, { job, attempt }, known.isShared));
    }
    session.handle("usage.report", async (report) => {
      await this.#report(report);
      return {};
    });
    session.handle("voucher.request", async (request) => {
      try {
        return await this.#sign(request);
      } catch (error) {
        if (isCodedError(error)) logger.warn("Refuse to sign voucher", { ...error.detail });
        throw error;
      }
    });
    session.handle("stream.watch", async ({ stream, edges }) => {
      this.#watch(stream, edges);
      if (edges.length === 0) await this.#release(this.#attempts.end(stream));
      return {};
    });
    this.#tasks.run(() => this.forgetIdle());
    this.#tasks.every(FORGET_EVERY_MS, () => this.forgetIdle());
  }

  async stop(): Promise<void> {
    this.#waiting = [];
    await this.#tasks.close();
  }

  /** Jobs that are long over leave the disk, with all that was booked for them: every hour, by itself. */
  async forgetIdle(): Promise<void> {
    const { usage, payer, clock } = this.#components;
    const idleMs = (await usage.countJobs()) * 2 > this.#options.mostJobs ? FORGET_EARLY_MS : FORGET_AFTER_MS;
    const gone: Hex[] = [];
    for (const job of await usage.idleJobs(clock.nowMs() - idleMs)) {
      if (this.#tasks.signal.aborted) return;
      if (await payer.forgetJob(job)) gone.push(job);
    }
    if (gone.length > 0) await usage.forget(gone);
  }

  async #report(report: UsageReport): Promise<void> {
    const { payer, account, logger } = this.#components;
    const cluster = this.#clusterAccount();
    try {
      const { receiptHash, owedExact: exact } = await this.#book.check(report, cluster);
      const { job, attempt, stream, kind } = report;
      const { seq } = report.receipt.value;
      const channel = hubChannel(account, cluster, report.token);
      if (exact > 0n) {
        await payer.owe({ job, attempt, seq, channel, exact, receiptHash });
        await this.#release(this.#attempts.note(stream, { job, attempt }, kind === "delivery"));
      }
      this.#reports.add(1, { verdict: "accepted" });
      if (report.kind === "delivery") this.#deliveries.set(deliveryKey(report.job, report.attempt, seq), receiptHash);
      if (this.#deliveries.size > MAX_DELIVERIES) this.#deliveries.delete(this.#deliveries.keys().next().value!);
      if (report.kind === "transcode") this.#compareWith(report.stream, { ...report, receiptHash, seq });
    } catch (error) {
      this.#reports.add(1, { verdict: "refused" });
      const code = error instanceof BuyerError ? error.code : "unknown";
      logger.warn("Usage report was refused", { jobId: report.job, kind: report.kind, code });
      throw error;
    }
  }

  async #sign(request: VoucherRequest): Promise<VoucherOffer> {
    const { payer, deployment, account } = this.#components;
    const cluster = this.#clusterAccount();
    const channels = Object.values(deployment.tokens).map((token) => hubChannel(account, cluster, toAddress(token)));
    const channel = channels.find((one) => channelId(one) === request.channel);
    if (channel === undefined) return payer.answerRequest(request);
    await payer.openChannel(channel);
    const { receiptHashes, superseded } = await this.#book.selectUnpaid(request.channel, request.receiptHashes);
    if (superseded.length > 0) await payer.refuse(channel, superseded);
    const [receiptHash] = request.receiptHashes;
    if (receiptHash !== undefined && receiptHashes.length === 0) {
      throw new BuyerError({ code: "USAGE_PAID_TWICE", receiptHash });
    }
    // What is left out lowers the total that can be expected.
    const cumulative = receiptHashes.length < request.receiptHashes.length ? 0n : request.cumulative;
    return payer.answerRequest({ ...request, cumulative, receiptHashes });
  }

  async #release(over: readonly OpenAttempt[]): Promise<void> {
    for (const { job, attempt } of over) await this.#components.payer.release(job, attempt);
  }

  #watch(stream: Hex, edges: readonly WatchedEdge[]): void {
    const watched = this.#streamOf(stream);
    const known = new Set(watched.edges.map(edgeKey));
    watched.edges = edges;
    if (edges.length === 0) this.#streams.delete(stream);
    this.#waiting = this.#waiting.filter((item) => item.stream !== stream || edges.some(isSameEdge(item.edge)));
    // An edge that joined has the newest segments of the window too.
    for (const edge of edges) {
      if (known.has(edgeKey(edge))) continue;
      for (const [key, reference] of [...watched.references].slice(-2)) this.#queue({ stream, edge, key, reference });
    }
  }

  #compareWith(
    stream: Hex,
    { receiptHash, seq, leaves }: { receiptHash: Hex; seq: bigint; leaves: Reference["leaves"] },
  ): void {
    const video = leaves.filter((leaf) => leaf.rung < 100 && leaf.sizeBytes > 0n);
    if (video.length === 0) return;
    const watched = this.#streamOf(stream);
    const reference = { receiptHash, sequence: Number(seq), leaves: video };
    const key = `${Math.min(...video.map((leaf) => leaf.rung))}/${seq}`;
    // Of several attempts the newest report stands.
    watched.references.delete(key);
    watched.references.set(key, reference);
    if (watched.references.size > MAX_REFERENCES) {
      watched.references.delete(watched.references.keys().next().value!);
    }
    for (const edge of watched.edges) this.#queue({ stream, edge, key, reference });
  }

  #streamOf(stream: Hex): Watched {
    const known = this.#streams.get(stream);
    if (known !== undefined) return known;
    const watched: Watched = { edges: [], references: new Map() };
    this.#streams.set(stream, watched);
    if (this.#streams.size > MAX_STREAMS) this.#streams.delete(this.#streams.keys().next().value!);
    return watched;
  }

  #queue(item: { stream: Hex; edge: WatchedEdge; key: string; reference: Reference }): void {
    this.#waiting.push(item);
    if (this.#waiting.length > MAX_WAITING) this.#waiting.shift();
    this.#pump();
  }

  #pump(): void {
    while (this.#probing < this.#options.probesAtOnce && !this.#tasks.signal.aborted) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#probing += 1;
      this.#tasks.run(async (signal) => {
        try {
          await this.#look(next, signal);
        } finally {
          this.#probing -= 1;
          this.#pump();
        }
      });
    }
  }

  async #look(
    item: { stream: Hex; edge: WatchedEdge; key: string; reference: Reference },
    signal: AbortSignal,
  ): Promise<void> {
    const { edge, reference, key, stream } = item;
    const isSuperseded = () => this.#streams.get(stream)?.references.get(key) !== reference;
    const outcome = await this.#probe.probe(edge, reference, isSuperseded, signal);
    this.#probes.add(1, { verdict: outcome.verdict });
    const { payer, logger } = this.#components;
    const facts = { jobId: edge.job, node: edge.node, sequence: reference.sequence };
    if (outcome.verdict === "unproven") {
      logger.debug("Probe of edge proved nothing", { ...facts, code: outcome.code });
      return;
    }
    const code = outcome.verdict === "failed" ? outcome.code : undefined;
    if (code !== undefined) {
      logger.warn("Edge altered a part", { ...facts, code });
      await payer.forfeit(edge.job, edge.attempt);
    }
    await this.#submit(edge, reference, code);
  }

  async #submit(edge: WatchedEdge, reference: Reference, code: string | undefined): Promise<void> {
    const { signer, domain, outbox, clock } = this.#components;
    const { job, attempt } = edge;
    const value: CheckResult = {
      job,
      seq: BigInt(reference.sequence),
      attempt,
      // The edge signs its own receipt when the segment leaves its window; until then the transcoder's stands, with
      // which its bytes were compared.
      receiptHash: this.#deliveries.get(deliveryKey(job, attempt, BigInt(reference.sequence))) ?? reference.receiptHash,
      check: deliveryCheck,
      verdict: code === undefined ? checkVerdicts.passed : checkVerdicts.failed,
      checkedAt: BigInt(Math.floor(clock.nowMs() / 1_000)),
    };
    const check = { value, signature: await signer.sign(checkResultStructure, domain, value) };
    const place = `${attempt}/${value.seq.toString().padStart(20, "0")}/${deliveryCheck}/${reference.receiptHash}`;
    const body = code === undefined ? { check } : { check, code };
    await outbox.post(`check/${job}/${place}`, { method: "check.submit", body });
  }

  #clusterAccount(): Address {
    const account = this.#components.session.welcome?.clusterAccount;
    if (account === undefined) throw new BuyerError({ code: "USAGE_SESSION_MISSING" });
    return account;
  }
}

function deliveryKey(job: Hex, attempt: number, seq: bigint): string {
  return `${job}/${attempt}/${seq}`;
}

function edgeKey(edge: WatchedEdge): string {
  return `${edge.job}/${edge.attempt}`;
}

function isSameEdge(edge: WatchedEdge): (other: WatchedEdge) => boolean {
  return (other) => edgeKey(other) === edgeKey(edge);
}
