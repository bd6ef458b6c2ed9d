import { isCodedError } from "@leat/sdk/base/errors.ts";
import { isBadWork } from "@leat/sdk/protocol/bad-work.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import { Mutex } from "../../kernel/mutex.ts";
import type { TaskGroup } from "../../kernel/task-group.ts";
import { freeBytes, grantLeft, raiseGrant } from "../../metering/delivery-grants.ts";
import type { StreamRow } from "../../store/sql/stream-store.ts";
import { isRunning, type JobBook, type LiveJob } from "./job-book.ts";
import type { BalancerComponents } from "./ports.ts";
import type { StreamBook } from "./stream-book.ts";

/** An edge's bytes that are to be paid for. */
export interface Served {
  readonly job: Hex;
  readonly attempt: number;
  readonly bytes: bigint;
}

/** What may be paid of them, and what all edges of the stream were paid before. */
export interface Payable {
  readonly mostBytes: bigint;
  readonly paidBytes: bigint;
}

type BudgetedStream = Pick<StreamRow, "id" | "unsignedBudgetBytes">;

export interface DeliveryBudgetParts {
  readonly jobs: Pick<JobBook, "all" | "find" | "grant">;
  readonly streams: Pick<StreamBook, "find">;
  readonly tasks: TaskGroup;
}

/** Divides what a stream's buyer pays for viewers that cannot sign among its edges; no byte of it is granted twice. */
export class DeliveryBudget {
  readonly #components: Pick<BalancerComponents, "hub" | "jobStore" | "clock" | "logger">;
  readonly #parts: DeliveryBudgetParts;
  /** What is free is granted, or paid, by one at a time. */
  readonly #mutex = new Mutex();
  /** What the edge of a job was told last that it is granted. */
  readonly #told = new WeakMap<LiveJob, { readonly attempt: number; readonly granted: bigint }>();
  readonly #telling = new WeakSet<LiveJob>();

  constructor(
    components: Pick<BalancerComponents, "hub" | "jobStore" | "clock" | "logger">,
    parts: DeliveryBudgetParts,
  ) {
    this.#components = components;
    this.#parts = parts;
  }

  /** A new edge's first part of the budget, which is its own once `begin` has it on disk. */
  open(stream: BudgetedStream, begin: (grantedBytes: bigint) => Promise<void>): Promise<void> {
    return this.#mutex.run(async () => {
      const { free } = await this.#read(stream);
      await begin(raiseGrant(0n, 0n, free));
    });
  }

  /** An edge served so much: its grant goes up with it. `pay` puts on disk what is paid. */
  async spend<T>(
    stream: BudgetedStream,
    { job, attempt, bytes }: Served,
    pay: (payable: Payable) => Promise<T>,
  ): Promise<T> {
    const live = this.#parts.jobs.find(job);
    const result = await this.#mutex.run(async () => {
      const { grants, free } = await this.#read(stream);
      const own = grants.find((grant) => grant.job === job && grant.attempt === attempt);
      const { granted, paid } = own ?? { granted: 0n, paid: 0n };
      // Of one that was found lying nothing is paid any more, nor taken from what others serve.
      if (own !== undefined && isBadWork(own.endCode)) return pay({ mostBytes: 0n, paidBytes: sumPaid(grants) });
      // What was paid beyond its grant, as of attempts from before there were grants, is in no free byte.
      const raised = raiseGrant(granted > paid ? granted : paid, paid + bytes, free);
      const isRaised = live !== undefined && raised > granted && (await this.#parts.jobs.grant(live, attempt, raised));
      // One that is over is granted nothing more: what its grant does not cover is paid as far as it is nobody else's.
      const isOver = own === undefined || own.endedAtMs !== null;
      const left = own === undefined ? 0n : grantLeft(own, this.#components.clock.nowMs());
      const most = isRaised ? raised - paid : left + (isOver ? free : 0n);
      return pay({ mostBytes: most > 0n ? most : 0n, paidBytes: sumPaid(grants) });
    });
    if (live !== undefined) this.#tellSoon(live);
    return result;
  }

  /** A node that was away may have missed how much its edges are granted. */
  async joined(node: Address): Promise<void> {
    for (const live of this.#parts.jobs.all()) {
      if (live.row.primitive !== "delivery" || !isRunning(live) || live.attempt.node !== node) continue;
      const stream = await this.#parts.streams.find(live.row.stream);
      if (stream === undefined) continue;
      this.#told.delete(live);
      await this.spend(stream, { ...live.attempt, bytes: 0n }, async () => {});
    }
  }

  async #read(stream: BudgetedStream) {
    const grants = await this.#components.jobStore.grantsOf(stream.id);
    return { grants, free: freeBytes(stream.unsignedBudgetBytes, grants, this.#components.clock.nowMs()) };
  }

  #tellSoon(live: LiveJob): void {
    const { tasks } = this.#parts;
    if (!this.#isUntold(live) || this.#telling.has(live) || tasks.signal.aborted) return;
    this.#telling.add(live);
    tasks.run(() => this.#tell(live).finally(() => this.#telling.delete(live)));
  }

  /** One that does not answer is told with its next receipt, or when it comes back: it is paid all the same. */
  async #tell(live: LiveJob): Promise<void> {
    const { hub, logger } = this.#components;
    while (this.#isUntold(live) && hub.nodes.has(live.attempt!.node)) {
      const { job, attempt, node, grantedBytes: granted } = live.attempt!;
      try {
        await hub.call(node, "job.update", { job, attempt, unsignedBudgetBytes: granted });
      } catch (error) {
        if (!isCodedError(error)) throw error;
        logger.debug("Tell grant failed", { jobId: job, node, code: error.code });
        return;
      }
      this.#told.set(live, { attempt, granted });
    }
  }

  #isUntold(live: LiveJob): boolean {
    if (!isRunning(live)) return false;
    const { spec } = live.row;
    const { attempt, grantedBytes } = live.attempt;
    const told = this.#told.get(live);
    const known = told?.attempt === attempt ? told.granted : spec.primitive === "delivery" && spec.unsignedBudgetBytes;
    return known !== grantedBytes;
  }
}

function sumPaid(grants: readonly { readonly paid: bigint }[]): bigint {
  return grants.reduce((sum, { paid }) => sum + paid, 0n);
}
