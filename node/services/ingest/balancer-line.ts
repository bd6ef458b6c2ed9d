import type { Clock } from "@leat/node/kernel/clock.ts";
import { RemoteError, WireError } from "@leat/node/wire/errors.ts";
import type { NodeMethod, NodeRequest, NodeResponse } from "@leat/node/wire/session/messages.ts";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { JobSession } from "../jobs/ports.ts";

export interface BalancerLineComponents {
  readonly session: Pick<JobSession, "call">;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A balancer that just started may refuse what it will know in a moment. */
const refusalsTaken = 5;

/** What an origin says to its balancer. The stream goes on while there is no answer. */
export class BalancerLine {
  readonly #components: BalancerLineComponents;
  readonly #retryMs: number;
  #telling: Promise<void> = Promise.resolve();
  #isAway = false;

  constructor(components: BalancerLineComponents, retryMs: number) {
    this.#components = components;
    this.#retryMs = retryMs;
  }

  /** What was said last was not answered. */
  get isAway(): boolean {
    return this.#isAway;
  }

  /** Asks until there is an answer. Undefined when it stays a refusal. */
  async ask<M extends NodeMethod>(
    method: M,
    body: NodeRequest<M>,
    signal: AbortSignal,
  ): Promise<NodeResponse<M> | undefined> {
    const { clock, logger } = this.#components;
    for (let refusals = 0; ; ) {
      try {
        return await this.#call(method, body);
      } catch (error) {
        if (!isCodedError(error)) throw error;
        logger.debug("Ask balancer failed", { method, code: error.code });
        if (error instanceof RemoteError) refusals += 1;
        if (refusals === refusalsTaken) return undefined;
        await clock.sleep(this.#retryMs, signal);
      }
    }
  }

  /** Tells once, in the order of the calls: whoever missed it learns it from the next one. */
  tell<M extends NodeMethod>(method: M, body: NodeRequest<M>): void {
    const { logger } = this.#components;
    this.#telling = this.#telling.then(async () => {
      try {
        await this.#call(method, body);
      } catch (error) {
        logger.debug("Tell balancer failed", { method, error });
      }
    });
  }

  /** Resolves when all that was told is answered or lost. */
  async told(): Promise<void> {
    await this.#telling;
  }

  /** The code by which the balancer took the lease away, if it did. Anything else is no reason to stop a stream. */
  async renew(body: NodeRequest<"publish.renew">): Promise<string | undefined> {
    try {
      await this.#call("publish.renew", body);
    } catch (error) {
      if (error instanceof RemoteError && /^(PUBLISH|STREAM)_/.test(error.code)) return error.code;
      // Our own fault, and no reason to go on unheard and unpaid: who reads the log must see it.
      if (isUnsendable(error)) this.#components.logger.error("Renew publish lease failed", { error });
    }
    return undefined;
  }

  /** A refusal is an answer too. */
  async #call<M extends NodeMethod>(method: M, body: NodeRequest<M>): Promise<NodeResponse<M>> {
    try {
      const answer = await this.#components.session.call(method, body);
      this.#isAway = false;
      return answer;
    } catch (error) {
      this.#isAway = !(error instanceof RemoteError || isUnsendable(error));
      throw error;
    }
  }
}

function isUnsendable(error: unknown): boolean {
  return error instanceof WireError && error.code === "WIRE_MESSAGE_UNSENDABLE";
}
