import type { Hex } from "@leat/sdk/protocol/hex.ts";

interface Progress {
  /** One past the newest segment that was given to be worked on. */
  begun: bigint;
  /** One past the newest segment whose work is booked. */
  booked: bigint;
}

/** What was given to be worked on and is booked nowhere yet, per job: it has to be paid too. */
export class UnderWay {
  readonly #jobs = new Map<Hex, Progress>();

  /**
   * Segments `first` to `last` of a job were given to be worked on. Told as often as one likes.
   *
   * @returns Takes it back, where called before anything else is told of the job.
   */
  begun(job: Hex, first: bigint, last: bigint): () => void {
    const before = this.#jobs.get(job);
    const { begun, booked } = before ?? { begun: first, booked: first };
    this.#jobs.set(job, { begun: begun > last ? begun : last + 1n, booked: booked > first ? booked : first });
    return () => void (before === undefined ? this.#jobs.delete(job) : this.#jobs.set(job, before));
  }

  /** Work on a segment of a job is booked. Of a job whose beginning was not told it says nothing. */
  booked(job: Hex, segment: bigint): void {
    const progress = this.#jobs.get(job);
    if (progress !== undefined && progress.booked <= segment) progress.booked = segment + 1n;
  }

  /** Segments that are begun and not booked. */
  segments(job: Hex): bigint {
    const { begun, booked } = this.#jobs.get(job) ?? { begun: 0n, booked: 0n };
    return begun > booked ? begun - booked : 0n;
  }

  forget(job: Hex): void {
    this.#jobs.delete(job);
  }
}
