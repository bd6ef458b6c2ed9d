import type { Clock } from "@leat/node/kernel/clock.ts";
import type { Startable } from "@leat/node/kernel/lifecycle.ts";
import { TaskGroup } from "@leat/node/kernel/task-group.ts";
import type { Payee, WaitingWork, WorkKey } from "@leat/node/services/payment/index.ts";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import { MAX_REVIEWED_WORK } from "@leat/sdk/protocol/limits.ts";
import { type Static, Type } from "typebox";
import type { JobDesk } from "./job-desk.ts";
import type { Outbox } from "./outbox.ts";
import type { JobSession } from "./ports.ts";
import { receiptKey } from "./receipt-book.ts";

export const workReviewOptions = Type.Object(
  {
    everyMs: Type.Integer({
      default: 10_000,
      minimum: 1_000,
      maximum: 3_600_000,
      description: "Pause between questions to the balancer what became of work of ended jobs, milliseconds",
    }),
  },
  { default: {}, additionalProperties: false },
);

export interface WorkReviewComponents {
  readonly session: Pick<JobSession, "call" | "welcome">;
  readonly payee: Pick<Payee, "waitingFor" | "writeOff">;
  readonly outbox: Pick<Outbox, "isWaiting">;
  readonly desk: Pick<JobDesk, "runningJobs">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricsRegister;
}

/**
 * Asks the balancer what became of work that no voucher covers though its attempt is over: work that nobody checked, or
 * whose receipt was refused, is never paid, and must not count as unpaid for ever. While an attempt runs nothing of it is
 * written off by the payer's word, so that its credit limit stays one.
 */
export class WorkReview implements Startable {
  readonly #components: WorkReviewComponents;
  readonly #options: Static<typeof workReviewOptions>;
  readonly #tasks: TaskGroup;
  readonly #writtenOff;
  /** What waited one round ago: a last voucher is mostly on its way when a job ends. */
  #seen: ReadonlySet<string> = new Set();

  constructor(components: WorkReviewComponents, options: Static<typeof workReviewOptions>) {
    this.#components = components;
    this.#options = options;
    this.#tasks = new TaskGroup({
      clock: components.clock,
      onError: (error) => components.logger.error("Review work failed", { error }),
    });
    this.#writtenOff = components.metrics.counter({
      name: "leat_jobs_segments_written_off_total",
      help: "Segments of work that the balancer said will never be paid",
    });
  }

  async start(): Promise<void> {
    this.#tasks.every(this.#options.everyMs, () => this.#review());
  }

  async stop(): Promise<void> {
    await this.#tasks.close();
  }

  async #review(): Promise<void> {
    const { session, payee, outbox, desk, logger } = this.#components;
    const payer = session.welcome?.clusterAccount;
    if (payer === undefined) return;
    const waiting = await payee.waitingFor(payer);
    const running = new Set(desk.runningJobs().map(({ job, attempt }) => `${job}/${attempt}`));
    const before = this.#seen;
    const seen = new Set<string>();
    this.#seen = seen;
    const isOpen = (key: WorkKey) => {
      if (running.has(`${key.job}/${key.attempt}`) || outbox.isWaiting(receiptKey(key))) return false;
      seen.add(receiptKey(key));
      return before.has(receiptKey(key));
    };
    try {
      for (const { channel, work } of waiting) await this.#ask({ channel, work: work.filter(isOpen) });
    } catch (error) {
      if (!isCodedError(error)) throw error;
      logger.debug("Ask for review failed", { code: error.code });
    }
  }

  async #ask({ channel, work }: WaitingWork): Promise<void> {
    const { session, payee, logger } = this.#components;
    for (let at = 0; at < work.length; at += MAX_REVIEWED_WORK) {
      const asked = work.slice(at, at + MAX_REVIEWED_WORK);
      const answer = await session.call("work.review", { token: channel.token, work: asked });
      const unpaid = new Set(answer.unpaid.map(receiptKey));
      const lost = asked.filter((key) => unpaid.has(receiptKey(key)));
      if (lost.length === 0) continue;
      const exact = await payee.writeOff(channel, lost);
      this.#writtenOff.add(lost.length);
      logger.info("Write off work that is never paid", { segments: lost.length, exact });
    }
  }
}
