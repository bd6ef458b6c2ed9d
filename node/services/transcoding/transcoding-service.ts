import type { Clock } from "@leat/node/kernel/clock.ts";
import type { Startable } from "@leat/node/kernel/lifecycle.ts";
import { TaskGroup } from "@leat/node/kernel/task-group.ts";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import { encodingLoad, referenceOf, speedOf } from "@leat/sdk/protocol/encoding-load.ts";
import type { VideoCodec } from "@leat/sdk/protocol/frame.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { TranscodeSpec } from "@leat/sdk/protocol/job.ts";
import type { ChosenEngine, EngineChoice } from "@leat/transcoder/choose-engine.ts";
import { isChip, kindOf } from "@leat/transcoder/encoders.ts";
import { GATEWAY_TIMEOUT_MS, type GatewaySettings, type LiveSpec } from "@leat/transcoder/engine.ts";
import type { EncoderPreference } from "@leat/transcoder/pick-encoders.ts";
import type { EncoderReport } from "@leat/transcoder/probe.ts";
import type { LiveTranscode, LiveTranscodeEvents } from "@leat/transcoder/supervisor.ts";
import { type Static, Type } from "typebox";
import { JobError } from "../jobs/assignment.ts";
import type { AssignedJob, JobChange, JobDesk, JobRunner } from "../jobs/job-desk.ts";
import type { PackSegment } from "../jobs/packed-segment.ts";
import type { MediaDialer } from "../jobs/ports.ts";
import type { ReceiptBook } from "../jobs/receipt-book.ts";
import { TranscodeJob } from "./transcode-job.ts";

export const transcodingOptions = Type.Object(
  {
    engine: Type.Union(
      [Type.Literal("auto"), Type.Literal("node-av"), Type.Literal("ffmpeg"), Type.Literal("livepeer")],
      {
        default: "auto",
        description: "What encodes; auto takes the ffmpeg program where the bindings do not work, never a gateway",
      },
    ),
    livepeer: Type.Object(
      {
        url: Type.Optional(
          Type.String({
            maxLength: 256,
            pattern: "^https?://[A-Za-z0-9.:\\[\\]-]+(/[A-Za-z0-9._~/-]*)?$",
            description: "The go-livepeer gateway that the engine livepeer sends segments to: http://127.0.0.1:9935",
          }),
        ),
        timeoutMs: Type.Integer({
          default: GATEWAY_TIMEOUT_MS,
          minimum: 500,
          maximum: 14_000,
          description: "How long that gateway may take for a segment, with all attempts, milliseconds",
        }),
      },
      { default: {}, additionalProperties: false },
    ),
    encoders: Type.Union([Type.Literal("fastest"), Type.Literal("hardware"), Type.Literal("software")], {
      default: "fastest",
      description: "Which proven encoder of a codec works; hardware takes a chip's even where software is faster",
    }),
    outgoingBytes: Type.Integer({
      default: 8_388_608,
      minimum: 65_536,
      description: "Encoded frames that may wait for a slow origin before the encoder waits too, bytes per job",
    }),
    creditWaitMs: Type.Integer({
      default: 10_000,
      minimum: 0,
      description: "How long a job at its credit limit waits for a voucher before it stops, milliseconds",
    }),
    verdictWaitMs: Type.Integer({
      default: 10_000,
      minimum: 100,
      description: "How long a job whose stream is over waits for the last checks, milliseconds",
    }),
    originWaitMs: Type.Integer({
      default: 45_000,
      minimum: 1_000,
      description: "How long a job waits for an origin that is away, milliseconds: longer than a publisher's grace",
    }),
    originRetryMs: Type.Integer({
      default: 500,
      minimum: 10,
      description: "Pause between attempts to reach an origin, milliseconds",
    }),
  },
  { default: {}, additionalProperties: false },
);

/** Of what was measured of a chip while nothing else ran. */
const SOLD_SHARE = 0.6;

export interface TranscodingComponents {
  readonly desk: Pick<JobDesk, "register" | "finish" | "mayWork">;
  readonly media: MediaDialer;
  readonly receipts: ReceiptBook;
  /** `chooseEngine` of the transcoder: which one works here, by encoding. */
  readonly chooseEngine: (
    wanted: EngineChoice,
    options: { readonly prefer: EncoderPreference; readonly gateway?: GatewaySettings },
  ) => Promise<ChosenEngine>;
  /** `startLiveTranscode` of the transcoder. */
  readonly startTranscode: (spec: LiveSpec, events: LiveTranscodeEvents) => LiveTranscode;
  readonly pack: PackSegment;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricsRegister;
}

interface Running {
  readonly job: TranscodeJob;
  readonly done: Promise<void>;
}

/** Sells transcoding: each job is one codec family of one stream, in one forked worker. */
export class TranscodingService implements JobRunner, Startable {
  readonly primitive = "transcode";
  readonly #components: TranscodingComponents;
  readonly #options: Static<typeof transcodingOptions>;
  readonly #tasks: TaskGroup;
  readonly #jobs = new Map<Hex, Running>();
  #chosen: ChosenEngine | undefined;
  readonly #ends;

  constructor(components: TranscodingComponents, options: Static<typeof transcodingOptions>) {
    this.#components = components;
    this.#options = options;
    this.#tasks = new TaskGroup({ clock: components.clock });
    this.#ends = components.metrics.counter({
      name: "leat_transcoding_jobs_total",
      help: "Transcode jobs that are over",
      labelNames: ["outcome"],
    });
    components.metrics.gauge({
      name: "leat_transcoding_jobs_running",
      help: "Transcode jobs that run now",
      collect: () => this.#jobs.size,
    });
  }

  /** Encoders that truly work here; none before start, or where transcoding cannot be offered. */
  get encoders(): readonly EncoderReport[] {
    return this.#chosen?.encoders ?? [];
  }

  /** A chip was measured whole, a processor by one of its cores, whose others nobody knows to be free. */
  get sellablePixels(): number {
    const reference = referenceOf(this.encoders);
    const isOfChip = reference !== undefined && isChip(kindOf(reference.encoder));
    return isOfChip ? Math.floor(SOLD_SHARE * reference.pixelsPerSecond) : 0;
  }

  /** Offers transcoding if an engine works here. Where none does the node goes on with its other work. */
  async start(): Promise<void> {
    const { chooseEngine, desk, logger } = this.#components;
    const wanted = this.#options.engine;
    try {
      this.#chosen = await chooseEngine(wanted, { prefer: this.#options.encoders, ...this.#gateway() });
    } catch (error) {
      if (!isCodedError(error)) throw error;
      logger.error("Transcoding is not offered", { wanted, code: error.code, error });
      return;
    }
    const codecs = this.encoders.map(({ codec }) => codec).join(" ");
    const encoders = this.encoders.map(({ encoder }) => encoder).join(" ");
    logger.info("Offer transcoding", { engine: this.#chosen.engine, codecs, encoders });
    for (const { encoder, reason } of this.#chosen.passedOver ?? []) {
      logger.debug("Leave an encoder out", { encoder, reason });
    }
    desk.register(this);
  }

  async stop(): Promise<void> {
    for (const { job } of this.#jobs.values()) job.end();
    await this.#tasks.close();
  }

  /**
   * A live worker of this engine encodes all rungs of a job one after the other: what its encoder makes in a second is
   * the most that it can, however much room there is beside it.
   */
  loadOf(units: number, codec: VideoCodec | undefined): number | undefined {
    if (codec === undefined) return units;
    const isInTurn = this.#chosen?.engine === "node-av";
    if (isInTurn && units > (speedOf(this.encoders, codec) ?? units)) return undefined;
    return encodingLoad(this.encoders, codec, units);
  }

  begin(assigned: AssignedJob): void {
    if (assigned.spec.primitive !== "transcode") {
      throw new JobError({ code: "JOB_PRIMITIVE_UNSUPPORTED", primitive: assigned.spec.primitive });
    }
    const { desk, logger, startTranscode } = this.#components;
    const engine = this.#chosen?.engine;
    const encoders = Object.fromEntries(this.encoders.map(({ codec, encoder }) => [codec, encoder]));
    const jobLogger = logger.child({ jobId: assigned.job, streamId: assigned.spec.stream });
    const fallback = (rung: number, encoder: string, reason: string) =>
      jobLogger.warn("Encode in software instead", { rung, encoder, reason });
    const job = new TranscodeJob(
      assigned as AssignedJob<TranscodeSpec>,
      {
        ...this.#components,
        startTranscode: (spec, events) => {
          return startTranscode({ ...spec, engine, encoders, ...this.#gateway() }, { ...events, fallback });
        },
        mayWork: () => desk.mayWork(assigned.job),
        logger: jobLogger,
      },
      this.#options,
    );
    const { promise: done, resolve } = Promise.withResolvers<void>();
    this.#jobs.set(assigned.job, { job, done });
    this.#tasks.run(async () => {
      try {
        await this.#run(job, assigned);
      } finally {
        if (this.#jobs.get(assigned.job)?.job === job) this.#jobs.delete(assigned.job);
        resolve();
      }
    });
  }

  change(job: Hex, attempt: number, change: JobChange): void {
    const running = this.#jobs.get(job);
    if (running?.job.job.attempt === attempt) running.job.change(change);
  }

  async end(job: Hex, attempt: number): Promise<void> {
    const running = this.#jobs.get(job);
    if (running?.job.job.attempt !== attempt) return;
    running.job.end();
    await running.done;
  }

  sequenceOf(job: Hex): number | null {
    return this.#jobs.get(job)?.job.sequence ?? null;
  }

  /** A transcoder's segments are known by its origin. */
  positionOf(): null {
    return null;
  }

  #gateway(): { readonly gateway?: GatewaySettings } {
    const { url, timeoutMs } = this.#options.livepeer;
    return url === undefined ? {} : { gateway: { url, timeoutMs } };
  }

  async #run(job: TranscodeJob, assigned: AssignedJob): Promise<void> {
    const outcome = await job.run();
    this.#ends.add(1, { outcome: outcome.code === undefined ? "done" : "failed" });
    if (outcome.told) return;
    const failure = outcome.code === undefined ? undefined : { code: outcome.code, sequence: job.sequence };
    this.#components.desk.finish(assigned, failure);
  }
}
