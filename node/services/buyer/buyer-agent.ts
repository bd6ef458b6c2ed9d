import type { ChannelView } from "@leat/node/chain/channel-view.ts";
import type { Clock } from "@leat/node/kernel/clock.ts";
import type { Startable } from "@leat/node/kernel/lifecycle.ts";
import { TaskGroup } from "@leat/node/kernel/task-group.ts";
import type { VoucherStore } from "@leat/node/metering/voucher-store.ts";
import type { Work } from "@leat/node/services/payment/index.ts";
import type { PayerService } from "@leat/node/services/payment/payer-service.ts";
import type { LevelUsageStore } from "@leat/node/store/usage.ts";
import type { UsageReport, VoucherRequest } from "@leat/node/wire/session/messages.ts";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import { channelId, hubChannel } from "@leat/sdk/protocol/channel.ts";
import type { Deployment } from "@leat/sdk/protocol/deployment.ts";
import type { Domain } from "@leat/sdk/protocol/eip712.ts";
import { type Address, type Hex, toAddress } from "@leat/sdk/protocol/hex.ts";
import type { Prices, VoucherOffer } from "@leat/sdk/protocol/job.ts";
import type { StatementSigner, Statements } from "@leat/sdk/protocol/statements.ts";
import { type Static, Type } from "typebox";
import type { Evidence } from "../faults/evidence-service.ts";
import type { Outbox } from "../jobs/outbox.ts";
import type { JobSession } from "../jobs/ports.ts";
import { EdgeWatch } from "./edge-watch.ts";
import { BuyerError } from "./errors.ts";
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
  readonly vouchers: Pick<VoucherStore, "openEntries" | "countOpen" | "hasEntry">;
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

const FORGET_EVERY_MS = 3_600_000;
/** A job that nothing happened to for so long is over: more than a cluster's balancers are ever away. */
const FORGET_AFTER_MS = 30 * 24 * 3_600_000;
/** Where half of the jobs that fit are remembered: no stream rests for so long and goes on. */
const FORGET_EARLY_MS = 24 * 3_600_000;

/** Signs for a buyer what it saw proof of, and looks at what its viewers get. */
export class BuyerAgentService implements Startable {
  readonly #components: BuyerAgentComponents;
  readonly #options: Static<typeof buyerOptions>;
  readonly #book: UsageBook;
  readonly #edges: EdgeWatch;
  readonly #attempts = new OpenAttempts();
  readonly #tasks: TaskGroup;
  readonly #reports;

  constructor(components: BuyerAgentComponents, options: Static<typeof buyerOptions>) {
    const { clock, logger, metrics } = components;
    this.#components = components;
    this.#options = options;
    this.#book = new UsageBook({ ...components, buyer: components.account }, options);
    this.#tasks = new TaskGroup({ clock, onError: (error) => logger.error("Work of buyer failed", { error }) });
    this.#edges = new EdgeWatch(
      { ...components, tasks: this.#tasks, onAltered: (stream, edge) => this.#refuse(stream, edge) },
      options,
    );
    this.#reports = metrics.counter({
      name: "leat_buyer_reports_total",
      help: "Usage reports of the cluster",
      labelNames: ["verdict"],
    });
  }

  async start(): Promise<void> {
    const { session, logger, payer, usage } = this.#components;
    for (const { job, attempt } of await payer.waiting()) {
      const known = await usage.job(job);
      if (known !== undefined) await this.#close(this.#attempts.note(known.stream, { job, attempt }, known.isShared));
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
    session.handle("stream.watch", async ({ stream, edges, passthrough }) => {
      this.#edges.watch(stream, edges, passthrough);
      if (edges.length === 0) await this.#close(this.#attempts.end(stream));
      else this.#attempts.begin(stream);
      return {};
    });
    this.#tasks.run(() => this.forgetIdle());
    this.#tasks.every(FORGET_EVERY_MS, () => this.forgetIdle());
  }

  async stop(): Promise<void> {
    this.#edges.stop();
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
    const { account, logger } = this.#components;
    const cluster = this.#clusterAccount();
    try {
      const { receiptHash, owedExact: exact } = await this.#book.check(report, cluster);
      const { job, attempt, stream, kind } = report;
      const { seq } = report.receipt.value;
      const channel = hubChannel(account, cluster, report.token);
      if (exact > 0n) await this.#owe(report, { job, attempt, seq, channel, exact, receiptHash });
      if (exact > 0n || this.#attempts.hasEnded(stream)) {
        await this.#close(this.#attempts.note(stream, { job, attempt }, kind === "delivery"));
      }
      this.#reports.add(1, { verdict: "accepted" });
      if (this.#attempts.hasEnded(stream)) return;
      if (kind === "delivery") this.#edges.noteDelivery({ job, attempt }, seq, receiptHash);
      if (kind !== "delivery") this.#edges.compareWith(stream, { ...report, receiptHash, seq });
    } catch (error) {
      this.#reports.add(1, { verdict: "refused" });
      const code = isCodedError(error) ? error.code : "unknown";
      logger.warn("Usage report was refused", { jobId: report.job, kind: report.kind, code });
      throw error;
    }
  }

  async #owe(report: UsageReport, work: Work): Promise<void> {
    let isBooked = false;
    try {
      isBooked = await this.#components.payer.owe(work);
    } finally {
      if (!isBooked) await this.#book.giveBack(report);
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

  /** An edge that altered a part is paid nothing more. */
  async #refuse(stream: Hex, { job, attempt }: OpenAttempt): Promise<void> {
    await this.#book.refuse(stream, job, attempt);
    await this.#components.payer.forfeit(job, attempt);
  }

  /** They are over: nothing of them is kept back any more, and nothing remembered. */
  async #close(over: readonly OpenAttempt[]): Promise<void> {
    for (const attempt of over) {
      this.#book.forget(attempt);
      this.#edges.forget(attempt);
      await this.#components.payer.release(attempt.job, attempt.attempt);
    }
  }

  #clusterAccount(): Address {
    const account = this.#components.session.welcome?.clusterAccount;
    if (account === undefined) throw new BuyerError({ code: "USAGE_SESSION_MISSING" });
    return account;
  }
}
