import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import { isRunning, type JobBook } from "./job-book.ts";
import type { BalancerOptions } from "./options.ts";
import type { BalancerComponents } from "./ports.ts";
import type { Unjudged, UnpaidWork } from "./unpaid-work.ts";

export interface WriteOffsParts {
  readonly jobs: JobBook;
  readonly unpaid: Pick<UnpaidWork, "unjudged" | "writeOff">;
}

/** An origin answers this from memory. */
const ANSWER_MS = 5_000;

/** Of an attempt that is over. */
interface Over {
  readonly of: Unjudged;
  /** Who alone may say whether it is good; nobody where nobody took the segment in. */
  readonly origin: Address | undefined;
  /** When an origin that is away has been waited for long enough. */
  readonly lateAtMs: number;
}

/**
 * Closes the books over work that nobody will check any more: of attempts that are over, when the segment's origin has
 * delivered all its results and takes none of the attempt's work any more, or has been away for too long.
 */
export class WriteOffs {
  readonly #components: Pick<BalancerComponents, "hub" | "jobStore" | "clock" | "logger">;
  readonly #options: Pick<BalancerOptions, "checkWaitMs" | "startGraceMs">;
  readonly #parts: WriteOffsParts;
  /** By receipt hash: what an attempt that is over is, does not change any more. */
  #over: ReadonlyMap<Hex, Over> = new Map();
  #startedAtMs = 0;

  constructor(
    components: Pick<BalancerComponents, "hub" | "jobStore" | "clock" | "logger">,
    options: Pick<BalancerOptions, "checkWaitMs" | "startGraceMs">,
    parts: WriteOffsParts,
  ) {
    this.#components = components;
    this.#options = options;
    this.#parts = parts;
  }

  start(): void {
    this.#startedAtMs = this.#components.clock.nowMs();
  }

  /** Each origin by itself: one that does not answer holds up nobody else's. */
  async sweep(): Promise<void> {
    const over = new Map<Hex, Over>();
    for (const entry of this.#parts.unpaid.unjudged.values()) {
      if (!this.#isOver(entry)) continue;
      over.set(entry.hash, this.#over.get(entry.hash) ?? (await this.#lookUp(entry)));
    }
    this.#over = over;
    const groups = Map.groupBy(over.values(), ({ of, origin }) => `${of.job} ${of.attempt} ${origin}`);
    await Promise.all([...groups.values()].map((group) => this.#settle(group)));
  }

  #isOver({ job, attempt }: Unjudged): boolean {
    const live = this.#parts.jobs.find(job);
    return live === undefined || !isRunning(live) || live.attempt.attempt !== attempt;
  }

  async #lookUp(of: Unjudged): Promise<Over> {
    const origin = await this.#parts.jobs.originAt(of.stream, of.seq);
    const attempt = await this.#components.jobStore.attempt(of.job, of.attempt);
    const lateAtMs = Math.max(attempt?.endedAtMs ?? 0, of.receivedAtMs) + this.#options.checkWaitMs;
    return { of, origin, lateAtMs };
  }

  async #settle(group: readonly Over[]): Promise<void> {
    const isDone = await this.#isDone(group[0]!);
    const nowMs = this.#components.clock.nowMs();
    // While this balancer was away nobody could tell it anything.
    const wasHeard = nowMs >= this.#startedAtMs + this.#options.startGraceMs;
    for (const { of, lateAtMs } of group) {
      if (isDone || (wasHeard && nowMs >= lateAtMs)) await this.#parts.unpaid.writeOff(of);
    }
  }

  /** Whether the origin has no result of the attempt any more, and makes none. */
  async #isDone({ of: { stream, job, attempt }, origin }: Over): Promise<boolean> {
    const { hub, logger } = this.#components;
    if (origin === undefined) return true;
    if (!hub.nodes.has(origin)) return false;
    try {
      const answer = await hub.call(origin, "check.close", { stream, job, attempt }, { timeoutMs: ANSWER_MS });
      return answer.waiting === 0;
    } catch (error) {
      if (!isCodedError(error)) throw error;
      logger.debug("Close checks failed", { jobId: job, attempt, code: error.code });
      return false;
    }
  }
}
