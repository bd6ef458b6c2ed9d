import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import type { RunningJob } from "@leat/sdk/protocol/job.ts";
import type { TaskGroup } from "../../kernel/task-group.ts";
import type { NodePresence } from "../session/hub.ts";
import { isRunning, type JobBook } from "./job-book.ts";
import type { BalancerComponents } from "./ports.ts";

interface Stray {
  /** When the node is told to end it. */
  dueMs: number;
  pauseMs: number;
}

const LONGEST_PAUSE_MS = 60_000;

/**
 * Ends what nodes do and nobody asked of them any more: an assignment that was given up before the node took it, an end
 * that was told to a node that was away. It would be paid to nobody, and hold what the node has free.
 */
export class StrayJobs {
  readonly #components: Pick<BalancerComponents, "hub" | "clock" | "logger">;
  readonly #parts: { readonly jobs: JobBook; readonly tasks: TaskGroup };
  /** A node tells of a job for a while after it was told to end it. */
  readonly #graceMs: number;
  readonly #strays = new Map<Address, Map<string, Stray>>();

  constructor(
    components: Pick<BalancerComponents, "hub" | "clock" | "logger">,
    parts: { readonly jobs: JobBook; readonly tasks: TaskGroup },
    graceMs: number,
  ) {
    this.#components = components;
    this.#parts = parts;
    this.#graceMs = graceMs;
  }

  heard({ node, heartbeat }: NodePresence): void {
    const strays = (heartbeat?.jobs ?? []).filter((entry) => this.#isStray(node, entry));
    if (strays.length === 0) {
      this.#strays.delete(node);
      return;
    }
    const nowMs = this.#components.clock.nowMs();
    const before = this.#strays.get(node);
    const known = new Map<string, Stray>();
    for (const { job, attempt } of strays) {
      const key = `${job} ${attempt}`;
      const stray = before?.get(key) ?? { dueMs: nowMs + this.#graceMs, pauseMs: this.#graceMs };
      known.set(key, stray);
      if (nowMs < stray.dueMs) continue;
      stray.pauseMs = Math.min(Math.max(stray.pauseMs * 2, 1_000), LONGEST_PAUSE_MS);
      stray.dueMs = nowMs + stray.pauseMs;
      this.#end(node, job, attempt);
    }
    this.#strays.set(node, known);
  }

  left(node: Address): void {
    this.#strays.delete(node);
  }

  /** An origin ends its own job, when its last segment is out. */
  #isStray(node: Address, { job, attempt, primitive }: RunningJob): boolean {
    if (primitive === "ingest") return false;
    const live = this.#parts.jobs.find(job);
    return live === undefined || !isRunning(live) || live.attempt.attempt !== attempt || live.attempt.node !== node;
  }

  #end(node: Address, job: Hex, attempt: number): void {
    const { tasks, jobs } = this.#parts;
    const { hub, logger } = this.#components;
    if (tasks.signal.aborted) return;
    const code = jobs.find(job) === undefined ? "STREAM_ENDED" : "JOB_REPLACED";
    logger.info("End job that nobody wants any more", { jobId: job, attempt, node, code });
    tasks.run(() =>
      hub.call(node, "job.end", { job, attempt, code }).catch((error) => {
        logger.debug("Tell end of job failed", { jobId: job, error });
      }),
    );
  }
}
