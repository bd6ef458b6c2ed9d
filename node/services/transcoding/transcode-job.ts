import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { Origin, TranscodeSpec } from "@leat/sdk/protocol/job.ts";
import type { AssignedJob, JobChange } from "../jobs/job-desk.ts";
import type { MediaDialer } from "../jobs/ports.ts";
import {
  type JobProgress,
  type SessionComponents,
  type SessionLimits,
  TranscodeSession,
  TranscodingError,
} from "./transcode-session.ts";

export interface TranscodeJobComponents extends SessionComponents {
  readonly media: MediaDialer;
  readonly logger: Logger;
}

export interface TranscodeJobLimits extends SessionLimits {
  /** How long a job waits for an origin that is away, or for word of another. */
  readonly originWaitMs: number;
  readonly originRetryMs: number;
}

/** Why a job is over; no code when its stream came to its end. */
export interface JobOutcome {
  readonly code: string | undefined;
  /** The balancer ended it and needs no word. */
  readonly told: boolean;
}

/** What ends a connection but not the job: its origin is away, restarted, or was replaced. */
const passingCodes: readonly string[] = [
  "TRANSCODING_ORIGIN_REFUSED",
  "TRANSCODING_ORIGIN_LOST",
  "TRANSCODING_ORIGIN_CHANGED",
];

/** One job on this node: keeps a session with the stream's origin until one of the three ends. */
export class TranscodeJob {
  readonly job: AssignedJob<TranscodeSpec>;
  readonly #components: TranscodeJobComponents;
  readonly #limits: TranscodeJobLimits;
  readonly #progress: JobProgress;
  #origin: Origin;
  #session: TranscodeSession | undefined;
  #ended = false;
  #changed: AbortController = new AbortController();

  constructor(job: AssignedJob<TranscodeSpec>, components: TranscodeJobComponents, limits: TranscodeJobLimits) {
    this.job = job;
    this.#components = components;
    this.#limits = limits;
    this.#origin = job.spec.origin;
    this.#progress = { nextSequence: job.spec.startSequence, begun: null, unjudged: new Map() };
  }

  get sequence(): number | null {
    return this.#progress.begun;
  }

  async run(): Promise<JobOutcome> {
    const { clock, logger } = this.#components;
    let awaySince: number | undefined;
    while (!this.#ended) {
      const origin = this.#origin;
      const begun = this.#progress.begun;
      this.#changed = new AbortController();
      try {
        await this.#serve(origin);
        return { code: undefined, told: false };
      } catch (error) {
        if (this.#ended) break;
        const code = isCodedError(error) ? error.code : "TRANSCODING_FAILED";
        const isFatal = !code.startsWith("WIRE_") && !passingCodes.includes(code);
        logger[isFatal ? "warn" : "info"]("Transcode session ended", { code, error: isFatal ? error : undefined });
        if (isFatal) return { code: publicCodeOf(error), told: false };
        if (this.#progress.begun !== begun || this.#changed.signal.aborted) awaySince = undefined;
        awaySince ??= clock.nowMs();
        if (clock.nowMs() - awaySince >= this.#limits.originWaitMs)
          return { code: "TRANSCODING_ORIGIN_LOST", told: false };
        await clock.sleep(this.#limits.originRetryMs, this.#changed.signal).catch(() => {});
      }
    }
    return { code: undefined, told: true };
  }

  change({ origin, startSequence }: JobChange): void {
    const isElsewhere = origin !== undefined && origin.node !== this.#origin.node;
    if (origin !== undefined) this.#origin = origin;
    if (startSequence !== undefined) {
      this.#progress.nextSequence = Math.max(this.#progress.nextSequence, startSequence);
    }
    // Another origin cannot judge what it did not ask for.
    if (isElsewhere) this.#progress.unjudged.clear();
    this.#changed.abort();
    if (isElsewhere) this.#session?.stop(new TranscodingError({ code: "TRANSCODING_ORIGIN_CHANGED" }));
  }

  end(): void {
    this.#ended = true;
    this.#changed.abort();
    this.#session?.stop(new TranscodingError({ code: "TRANSCODING_ENDED" }));
  }

  async #serve(origin: Origin): Promise<void> {
    const connection = await this.#components.media
      .openMedia(origin.multiaddrs, origin.node)
      .catch((cause: unknown) => {
        throw new TranscodingError({ code: "TRANSCODING_ORIGIN_LOST" }, { cause });
      });
    if (this.#ended || this.#origin !== origin) {
      const error = new TranscodingError({ code: "TRANSCODING_ORIGIN_CHANGED" });
      connection.abort(error);
      throw error;
    }
    this.#session = new TranscodeSession(this.job, connection, this.#components, this.#limits, this.#progress);
    try {
      await this.#session.run();
    } finally {
      this.#session = undefined;
    }
  }
}

/** What the balancer is told: the credit limit and a worker's own codes have names that it knows. */
function publicCodeOf(error: unknown): string {
  if (!(error instanceof TranscodingError)) return "TRANSCODING_FAILED";
  const { detail } = error;
  if (detail.code === "TRANSCODING_CREDIT_EXHAUSTED") return detail.reason;
  if (detail.code === "TRANSCODING_WORKER_LOST") return detail.reason;
  return detail.code;
}
