import { MeteringError } from "./errors.ts";

/** Newest segments whose pay waits: ceil(1 / sampling rate). Every segment checked: 1. One in twenty: 20. */
export function holdBackWindow(samplingRate: number): number {
  if (!(samplingRate > 0 && samplingRate <= 1))
    throw new MeteringError({ code: "METERING_SAMPLING_RATE_INVALID", rate: samplingRate });
  return Math.ceil(1 / samplingRate);
}

interface Waiting {
  readonly exact: bigint;
  passed: boolean;
}

/**
 * The pay of one attempt that waits for checks.
 *
 * Every segment checked: a segment's pay waits for its own check. Sampled: it waits until as many newer segments as the
 * window holds were delivered, so that a check that fails finds pay to withhold. At the attempt's end the window closes.
 */
export class HoldBack {
  readonly #window: number;
  readonly #everyChecked: boolean;
  /** Undefined where none does: payers remember thousands that are over. */
  #waiting: Map<bigint, Waiting> | undefined;
  /** The newest `window` segments seen, ascending; none once it is over. */
  #newest: bigint[] = [];
  #state: "open" | "released" | "forfeited" = "open";

  constructor(samplingRate: number) {
    this.#window = holdBackWindow(samplingRate);
    this.#everyChecked = samplingRate === 1;
  }

  get waitingExact(): bigint {
    let sum = 0n;
    for (const { exact } of this.#waiting?.values() ?? []) sum += exact;
    return sum;
  }

  get state(): "open" | "released" | "forfeited" {
    return this.#state;
  }

  /** Segments that are payable now because of it. */
  add(seq: bigint, exact: bigint): bigint[] {
    this.#waiting ??= new Map();
    this.#waiting.set(seq, { exact, passed: false });
    if (this.#state === "open") this.#see(seq);
    return this.#takePayable();
  }

  pass(seq: bigint): bigint[] {
    const segment = this.#waiting?.get(seq);
    if (segment !== undefined) segment.passed = true;
    return this.#takePayable();
  }

  /** Its pay was settled another way. */
  take(seq: bigint): void {
    this.#remove([seq]);
  }

  /** The attempt is over. What arrives or passes later is payable at once. */
  release(): bigint[] {
    if (this.#state === "open") this.#state = "released";
    this.#newest = [];
    return this.#takePayable();
  }

  /** Bad work: all that waits is never paid, nor is what arrives later. */
  forfeit(): { readonly seqs: bigint[]; readonly exact: bigint } {
    this.#state = "forfeited";
    const lost = { seqs: [...(this.#waiting?.keys() ?? [])], exact: this.waitingExact };
    this.#waiting = undefined;
    this.#newest = [];
    return lost;
  }

  #see(seq: bigint): void {
    this.#newest.push(seq);
    this.#newest.sort((left, right) => (left < right ? -1 : left > right ? 1 : 0));
    if (this.#newest.length > this.#window) this.#newest.shift();
  }

  #remove(seqs: readonly bigint[]): void {
    for (const seq of seqs) this.#waiting?.delete(seq);
    if (this.#waiting?.size === 0) this.#waiting = undefined;
  }

  #takePayable(): bigint[] {
    if (this.#state === "forfeited") return [];
    const waiting = [...(this.#waiting ?? [])];
    const payable = waiting.filter(([seq, segment]) => this.#isPayable(seq, segment)).map(([seq]) => seq);
    this.#remove(payable);
    return payable.sort((left, right) => (left < right ? -1 : 1));
  }

  #isPayable(seq: bigint, segment: Waiting): boolean {
    if (this.#everyChecked) return segment.passed;
    return this.#state === "released" || seq < this.#newest[0]!;
  }
}
