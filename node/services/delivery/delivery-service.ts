import type { Clock } from "@leat/node/kernel/clock.ts";
import type { Startable } from "@leat/node/kernel/lifecycle.ts";
import { TaskGroup } from "@leat/node/kernel/task-group.ts";
import type { AudienceFigures } from "@leat/node/media-io/hls/audience.ts";
import type { MediaConnection, SubscribeMessage } from "@leat/node/wire/media/message.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import type { Domain } from "@leat/sdk/protocol/eip712.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { DeliverySpec } from "@leat/sdk/protocol/job.ts";
import type { Statements } from "@leat/sdk/protocol/statements.ts";
import { type Static, Type } from "typebox";
import { JobError } from "../jobs/assignment.ts";
import type { AssignedJob, JobAudience, JobChange, JobDesk, JobRunner } from "../jobs/job-desk.ts";
import type { MediaHolder } from "../jobs/media-door.ts";
import type { JobSession, MediaDialer } from "../jobs/ports.ts";
import type { ReceiptBook } from "../jobs/receipt-book.ts";
import { DeliveryJob } from "./delivery-job.ts";
import type { EdgeStream, KeepPart } from "./edge-stream.ts";
import { HolderReport } from "./holder-report.ts";

export const deliveryOptions = Type.Object(
  {
    segmentBytes: Type.Integer({
      default: 67_108_864,
      minimum: 1_048_576,
      description: "Largest segment of one rung that is taken in, bytes",
    }),
    originRetryMs: Type.Integer({
      default: 250,
      minimum: 10,
      description: "First pause before an origin that was lost, and who else was named, is dialed again, milliseconds",
    }),
    originRetryMaxMs: Type.Integer({
      default: 4_000,
      minimum: 10,
      description: "Longest such pause, milliseconds",
    }),
    holderWaitMs: Type.Integer({
      default: 2_000,
      minimum: 200,
      maximum: 30_000,
      description:
        "How long an edge waits for the answer of another one that it asks for a stream, before it asks the next, milliseconds",
    }),
    silenceMs: Type.Integer({
      default: 600,
      minimum: 400,
      maximum: 30_000,
      description:
        "How long the edge that feeds this one may say nothing, before the next is asked, milliseconds, two parts where that is longer; it says every 200 ms that it is there",
    }),
    behindMs: Type.Integer({
      default: 1_000,
      minimum: 400,
      maximum: 60_000,
      description:
        "How far the stream may fall behind its origin's word below another edge, before the next is asked, milliseconds at the second step from the origin, and 800 more at each further one",
    }),
    feeds: Type.Integer({
      default: 4,
      minimum: 0,
      maximum: 100,
      description: "Other edges of a stream that this node feeds; they pay nothing for it. 0 feeds none",
    }),
    keptSegments: Type.Integer({
      default: 20,
      minimum: 3,
      maximum: 200,
      description: "Segments of each rung that are kept for edges that this node feeds",
    }),
    unfedSegments: Type.Integer({
      default: 3,
      minimum: 1,
      maximum: 200,
      description: "The same while it feeds none: the first to come begins with so many",
    }),
    lagMs: Type.Integer({
      default: 6_000,
      minimum: 500,
      description:
        "How far an edge that is fed may be behind what it was sent before it goes on with the newest segment, milliseconds",
    }),
    creditWaitMs: Type.Integer({
      default: 10_000,
      minimum: 0,
      description:
        "How long a stream at its credit limit waits for a voucher before it is served no more, milliseconds",
    }),
    drainMs: Type.Integer({
      default: 60_000,
      minimum: 0,
      description: "How long a stream that is over is still served, milliseconds",
    }),
  },
  { default: {}, additionalProperties: false },
);

export interface DeliveryComponents {
  readonly desk: Pick<JobDesk, "register" | "finish" | "mayWork">;
  readonly session: Pick<JobSession, "call">;
  readonly media: MediaDialer;
  readonly receipts: ReceiptBook;
  readonly statements: Statements;
  readonly domain: Domain;
  readonly keep: KeepPart;
  /** How many watch a stream here and what they got, by whatever protocol. */
  readonly audienceOf?: (stream: EdgeStream) => AudienceFigures;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricsRegister;
}

export interface Delivery {
  /** The stream of that slug as it is served here; undefined where it is not. */
  findStream(slug: string): EdgeStream | undefined;
}

interface Running {
  readonly delivery: DeliveryJob;
  readonly done: Promise<void>;
}

/** Sells delivery: pulls streams from their origins and keeps them served to viewers. */
export class DeliveryService implements Delivery, JobRunner, MediaHolder, Startable {
  readonly primitive = "delivery";
  readonly #components: DeliveryComponents;
  readonly #options: Static<typeof deliveryOptions>;
  readonly #tasks: TaskGroup;
  readonly #jobs = new Map<Hex, Running>();
  /** By slug: of two jobs for one stream the newer is served. */
  readonly #streams = new Map<string, DeliveryJob>();

  constructor(components: DeliveryComponents, options: Static<typeof deliveryOptions>) {
    this.#components = components;
    this.#options = options;
    this.#tasks = new TaskGroup({ clock: components.clock });
    components.metrics.gauge({
      name: "leat_delivery_streams_served",
      help: "Streams that viewers can fetch here",
      collect: () => this.#streams.size,
    });
    components.metrics.gauge({
      name: "leat_delivery_edges_fed",
      help: "Other edges that get a stream from this one",
      collect: () => [...this.#jobs.values()].reduce((sum, { delivery }) => sum + delivery.fed, 0),
    });
  }

  async start(): Promise<void> {
    this.#components.desk.register(this);
  }

  async stop(): Promise<void> {
    // Receipts of what was served are written before the process ends.
    await Promise.all([...this.#jobs.values()].map(({ delivery }) => delivery.end()));
    await this.#tasks.close();
  }

  findStream(slug: string): EdgeStream | undefined {
    return this.#streams.get(slug)?.stream;
  }

  hold(connection: MediaConnection, subscribe: SubscribeMessage): Promise<void> | string | undefined {
    const held = [...this.#jobs.values()].find(({ delivery }) => delivery.job.spec.stream === subscribe.spec.stream);
    return held?.delivery.hold(connection, subscribe);
  }

  begin(assigned: AssignedJob): void {
    if (assigned.spec.primitive !== "delivery") {
      throw new JobError({ code: "JOB_PRIMITIVE_UNSUPPORTED", primitive: assigned.spec.primitive });
    }
    const { desk, session } = this.#components;
    const logger = this.#components.logger.child({ jobId: assigned.job, streamId: assigned.spec.stream });
    const report = new HolderReport(assigned, (body) => session.call("edge.holder", body), logger);
    const delivery = new DeliveryJob(
      assigned as AssignedJob<DeliverySpec>,
      {
        ...this.#components,
        mayWork: () => desk.mayWork(assigned.job),
        report,
        logger,
      },
      this.#options,
    );
    const { promise: done, resolve } = Promise.withResolvers<void>();
    this.#jobs.set(assigned.job, { delivery, done });
    this.#streams.set(assigned.spec.slug, delivery);
    this.#tasks.run(async () => {
      try {
        const { code } = await delivery.run();
        if (code !== undefined) await this.#fail(delivery, code);
      } finally {
        resolve();
      }
    });
  }

  change(job: Hex, attempt: number, change: JobChange): void {
    const running = this.#jobs.get(job);
    if (running?.delivery.job.attempt === attempt) running.delivery.change(change);
  }

  async end(job: Hex, attempt: number): Promise<void> {
    const running = this.#jobs.get(job);
    if (running?.delivery.job.attempt !== attempt) return;
    await running.delivery.end();
    await running.done;
    this.#leave(running.delivery);
  }

  sequenceOf(job: Hex): number | null {
    return this.#jobs.get(job)?.delivery.sequence ?? null;
  }

  audienceOf(job: Hex): JobAudience | undefined {
    const delivery = this.#jobs.get(job)?.delivery;
    const figures = delivery && this.#components.audienceOf?.(delivery.stream);
    if (figures === undefined) return undefined;
    const { viewers, watchedSeconds, servedBytes } = figures;
    return { viewers, served: { watchedMs: Math.round(watchedSeconds * 1_000), bytes: servedBytes } };
  }

  lateOf(job: Hex): readonly number[] {
    return this.#jobs.get(job)?.delivery.stream.late ?? [];
  }

  positionOf(stream: Hex): number | null {
    const known = [...this.#jobs.values()]
      .filter(({ delivery }) => delivery.job.spec.stream === stream)
      .map(({ delivery }) => delivery.sequence)
      .filter((sequence) => sequence !== null);
    return known.length === 0 ? null : Math.max(...known);
  }

  async #fail(delivery: DeliveryJob, code: string): Promise<void> {
    await delivery.end();
    this.#components.desk.finish(delivery.job, { code, sequence: delivery.sequence });
    this.#leave(delivery);
  }

  /** The job is over; its viewers may still take what is there for a while. */
  #leave(delivery: DeliveryJob): void {
    const { job, spec } = delivery.job;
    if (this.#jobs.get(job)?.delivery === delivery) this.#jobs.delete(job);
    if (this.#tasks.signal.aborted) return;
    this.#tasks.run(async (signal) => {
      await this.#components.clock.sleep(this.#options.drainMs, signal).catch(() => {});
      if (this.#streams.get(spec.slug) === delivery) this.#streams.delete(spec.slug);
    });
  }
}
