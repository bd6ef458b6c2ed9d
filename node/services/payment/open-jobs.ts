import { type CreditFacts, holdBackExact, RUNWAY_SECONDS } from "@leat/node/metering/credit.ts";
import { holdBackWindow } from "@leat/node/metering/hold-back.ts";
import { UnderWay } from "@leat/node/metering/under-way.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { CreditTerms } from "./index.ts";

export type Costs = Pick<CreditFacts, "exactPerSecond" | "holdBackExact">;

/**
 * The open jobs of one channel, and what was begun for them. What they cost together is asked at each segment of each of
 * them: it is kept, not added up anew.
 */
export class OpenJobs {
  readonly #terms = new Map<Hex, CreditTerms>();
  readonly #underWay = new UnderWay();
  #costs: Costs = { exactPerSecond: 0n, holdBackExact: 0n };
  /** Of all open jobs: what was begun and is not booked, at its longest; exact amounts times milliseconds. */
  #underWayExactMs = 0n;

  get size(): number {
    return this.#terms.size;
  }

  get costs(): Costs {
    return this.#costs;
  }

  /** What the open jobs may come to before they can be stopped: what is under way, and some seconds more. */
  get nextExact(): bigint {
    return this.#costs.exactPerSecond * RUNWAY_SECONDS + this.#underWayExactMs / 1_000n;
  }

  get(job: Hex): CreditTerms | undefined {
    return this.#terms.get(job);
  }

  has(job: Hex): boolean {
    return this.#terms.has(job);
  }

  /** Opens a job, or changes its terms. */
  set(terms: CreditTerms): void {
    const { job } = terms;
    this.#costs = this.costsWith(terms);
    this.#weigh(job, () => this.#terms.set(job, terms));
  }

  delete(job: Hex): void {
    const known = this.#terms.get(job);
    if (known === undefined) return;
    this.#costs = subtractCosts(this.#costs, costsOf(known));
    this.#weigh(job, () => this.#terms.delete(job));
  }

  /**
   * Segments `first` to `last` of a job were given to be worked on. Told as often as one likes.
   *
   * @returns Takes it back, where called before anything else is told of the job.
   */
  begun(job: Hex, first: bigint, last: bigint): () => void {
    const undo = this.#weigh(job, () => this.#underWay.begun(job, first, last));
    return () => this.#weigh(job, undo);
  }

  /** Work on a segment of a job is booked. */
  booked(job: Hex, segment: bigint): void {
    this.#weigh(job, () => this.#underWay.booked(job, segment));
  }

  /** Nothing of the job is under way any more. */
  forget(job: Hex): void {
    this.#weigh(job, () => this.#underWay.forget(job));
  }

  /** Costs with one more job, or with other terms of an open one. */
  costsWith(terms: CreditTerms): Costs {
    const known = this.#terms.get(terms.job);
    return addCosts(known === undefined ? this.#costs : subtractCosts(this.#costs, costsOf(known)), costsOf(terms));
  }

  #weigh<T>(job: Hex, change: () => T): T {
    const before = this.#exactMsOf(job);
    const result = change();
    this.#underWayExactMs += this.#exactMsOf(job) - before;
    return result;
  }

  #exactMsOf(job: Hex): bigint {
    const terms = this.#terms.get(job);
    if (terms === undefined) return 0n;
    return terms.exactPerSecond * BigInt(Math.ceil(terms.segmentMs)) * this.#underWay.segments(job);
  }
}

/** What a job costs by its terms. */
export function costsOf({ exactPerSecond, segmentMs, samplingRate }: CreditTerms): Costs {
  return { exactPerSecond, holdBackExact: holdBackExact(exactPerSecond, segmentMs, holdBackWindow(samplingRate)) };
}

export function addCosts(one: Costs, other: Costs): Costs {
  return {
    exactPerSecond: one.exactPerSecond + other.exactPerSecond,
    holdBackExact: one.holdBackExact + other.holdBackExact,
  };
}

function subtractCosts(all: Costs, one: Costs): Costs {
  return {
    exactPerSecond: all.exactPerSecond - one.exactPerSecond,
    holdBackExact: all.holdBackExact - one.holdBackExact,
  };
}
