import { isBadWork } from "@leat/sdk/protocol/bad-work.ts";
import type { AttemptRow, JobRow } from "../../store/sql/job-store.ts";
import { BalancerError } from "./errors.ts";
import type { JobBook } from "./job-book.ts";
import type { JobKeeper } from "./job-keeper.ts";
import type { BalancerComponents } from "./ports.ts";
import type { StreamBook } from "./stream-book.ts";

export interface AttemptRangesParts {
  readonly jobs: Pick<JobBook, "find" | "ingestsOf">;
  readonly streams: Pick<StreamBook, "find">;
  readonly keeper: Pick<JobKeeper, "nextSequence">;
}

/** Which segments are an attempt's own: those from its beginning up to the next attempt's. */
export class AttemptRanges {
  readonly #components: Pick<BalancerComponents, "jobStore">;
  readonly #parts: AttemptRangesParts;

  constructor(components: Pick<BalancerComponents, "jobStore">, parts: AttemptRangesParts) {
    this.#components = components;
    this.#parts = parts;
  }

  /**
   * How far an attempt came was guessed when it ended, from what this balancer had heard by then: where the next one
   * begins is known better. While nobody goes on with its job, what is known to be published is its own. Which of two that
   * may have made a segment did is for its origin to say.
   *
   * @throws ATTEMPT_END_UNKNOWN where that may still grow: ask again
   */
  async isOwn(job: JobRow, attempt: AttemptRow, sequence: number): Promise<boolean> {
    if (job.primitive === "delivery") return true;
    const { startSequence, endSequence, endCode } = attempt;
    if (sequence < startSequence) return false;
    if (isBadWork(endCode)) return sequence < (endSequence ?? startSequence);
    if (endSequence !== null && sequence < endSequence) return true;
    const next = await this.#nextOf(job, attempt);
    if (next !== undefined) return sequence < next.startSequence;
    const live = this.#parts.jobs.find(job.id);
    const told = (await this.#parts.streams.find(job.stream))?.nextSequence ?? 0;
    // It runs, or ended when its source did. What its origin tells is believed as far as the buyer's credit was asked
    // about, and for one segment that began since: an origin and a transcoder may be one.
    if (endSequence === null && sequence <= told) return true;
    const isMade = live !== undefined && job.primitive === "transcode";
    const reached = isMade ? await this.#parts.keeper.nextSequence(live) : told;
    if (sequence < reached) return true;
    if (live === undefined) return false;
    throw new BalancerError({ code: "ATTEMPT_END_UNKNOWN", job: job.id, attempt: attempt.attempt });
  }

  /** The next one that made anything. A stream that paused is taken in under another job. */
  async #nextOf(job: JobRow, { attempt }: AttemptRow): Promise<AttemptRow | undefined> {
    const { jobs } = this.#parts;
    if (attempt === job.attempt && (job.primitive !== "ingest" || jobs.find(job.id) !== undefined)) return undefined;
    const all = await (job.primitive === "ingest"
      ? jobs.ingestsOf(job.stream)
      : this.#components.jobStore.attemptsOf(job.id));
    const own = all.findIndex((other) => other.job === job.id && other.attempt === attempt);
    return all.slice(own + 1).find(didAnything);
  }
}

/** One that was refused at once takes no segment from the one before it. */
function didAnything({ startSequence, endSequence }: AttemptRow): boolean {
  return endSequence === null || endSequence > startSequence;
}
