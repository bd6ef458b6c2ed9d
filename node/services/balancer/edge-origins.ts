import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import type { JobTerms, Origin } from "@leat/sdk/protocol/job.ts";
import type { TaskGroup } from "../../kernel/task-group.ts";
import { isRunning, type JobBook, type LiveJob } from "./job-book.ts";
import { keepTrying } from "./keep-trying.ts";
import type { BalancerComponents } from "./ports.ts";

/**
 * Tells edges at which node their stream comes in: each until it has heard, also one that was away, or was on the way to
 * get its job, while that changed.
 */
export class EdgeOrigins {
  readonly #components: Pick<BalancerComponents, "hub" | "clock" | "logger">;
  readonly #parts: { readonly jobs: Pick<JobBook, "all">; readonly tasks: TaskGroup };
  readonly #pauseMs: number;
  /** What the newest attempt of a job was told; nothing of one that began before this process did. */
  readonly #told = new WeakMap<LiveJob, { readonly attempt: number; readonly origin: Origin }>();
  /** Those that are told again and again until they have heard. */
  readonly #telling = new WeakSet<LiveJob>();

  constructor(
    components: Pick<BalancerComponents, "hub" | "clock" | "logger">,
    parts: { readonly jobs: Pick<JobBook, "all">; readonly tasks: TaskGroup },
    pauseMs: number,
  ) {
    this.#components = components;
    this.#parts = parts;
    this.#pauseMs = pauseMs;
  }

  /** A node took the job by these terms. */
  async taken(live: LiveJob, { spec, assignment }: JobTerms): Promise<void> {
    if (spec.primitive !== "delivery") return;
    this.#told.set(live, { attempt: assignment.value.attempt, origin: spec.origin });
    await this.tell(live);
  }

  async joined(node: Address): Promise<void> {
    const serving = this.#parts.jobs.all().filter((live) => live.attempt?.node === node);
    await Promise.all(serving.map((live) => this.tell(live)));
  }

  /** Nothing where the edge knows. Resolves after the first try: what is left of it goes on by itself. */
  async tell(live: LiveJob): Promise<void> {
    const { clock } = this.#components;
    if (this.#telling.has(live)) return void (await this.#try(live));
    this.#telling.add(live);
    await keepTrying({ clock, tasks: this.#parts.tasks, pauseMs: this.#pauseMs }, async () => {
      const isDone = await this.#try(live);
      if (isDone) this.#telling.delete(live);
      return isDone;
    });
  }

  /** True when the edge knows, or is none any more, or will be told when it comes back. */
  async #try(live: LiveJob): Promise<boolean> {
    const { hub, logger } = this.#components;
    const { spec } = live.row;
    if (spec.primitive !== "delivery" || !isRunning(live)) return true;
    const { job, attempt, node } = live.attempt;
    const { origin, parents = [] } = spec;
    const told = this.#told.get(live);
    if (!hub.nodes.has(node) || (told?.attempt === attempt && isSameOrigin(told.origin, origin))) return true;
    try {
      const update = { job, attempt, origin, ...(parents.length > 0 && { parents: [...parents] }) };
      await hub.call(node, "job.update", update);
      this.#told.set(live, { attempt, origin });
      return true;
    } catch (error) {
      if (!isCodedError(error)) throw error;
      logger.warn("Move edge failed", { jobId: job, node, code: error.code });
      return false;
    }
  }
}

export function isSameOrigin(left: Origin, right: Origin): boolean {
  const { multiaddrs } = right;
  const isSameList =
    left.multiaddrs.length === multiaddrs.length && left.multiaddrs.every((addr, at) => addr === multiaddrs[at]);
  return left.node === right.node && isSameList;
}
