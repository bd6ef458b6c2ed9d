import type { Clock } from "@leat/node/kernel/clock.ts";
import { RemoteError, WireError } from "@leat/node/wire/errors.ts";
import type { CallOptions } from "@leat/node/wire/rpc.ts";
import type { NodeMethod, NodeRequest, NodeResponse } from "@leat/node/wire/session/messages.ts";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { AAC_RUNG, SOURCE_RUNG } from "@leat/sdk/protocol/stream.ts";
import type { JobSession } from "../jobs/ports.ts";

export interface BalancerLineComponents {
  readonly session: Pick<JobSession, "call">;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A balancer that just started may refuse what it will know in a moment. */
const refusalsTaken = 5;

/** What one stream's origin says to its balancer. The stream goes on while there is no answer. */
export class BalancerLine {
  readonly #components: BalancerLineComponents;
  readonly #retryMs: number;
  /** Of what came in, and of what was made of it: by that the balancer knows how far an attempt came, at once. */
  readonly #own: Telling;
  readonly #made: Telling;
  #said = 0;
  /** The newest of what was said that came to an end, well or not. */
  #ended = 0;
  #isAway = false;

  constructor(stream: Hex, components: BalancerLineComponents, retryMs: number) {
    this.#components = components;
    this.#retryMs = retryMs;
    const { logger } = components;
    const tell = (isUrgent: boolean) =>
      new Telling((told) => this.#call("segment.published", { stream, ...told }, { isUrgent }), logger);
    this.#own = tell(false);
    this.#made = tell(true);
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

  tellPublished(rungs: readonly number[], sequence: number): void {
    const made = rungs.filter((rung) => rung !== SOURCE_RUNG && rung < AAC_RUNG);
    const own = rungs.filter((rung) => !made.includes(rung));
    this.#made.tell(made, sequence);
    this.#own.tell(own, sequence);
  }

  /** Resolves when all that was told is answered or lost. */
  async told(): Promise<void> {
    await Promise.all([this.#made.told(), this.#own.told()]);
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
  async #call<M extends NodeMethod>(
    method: M,
    body: NodeRequest<M>,
    options?: Pick<CallOptions, "isUrgent">,
  ): Promise<NodeResponse<M>> {
    this.#said += 1;
    const said = this.#said;
    try {
      const answer = await this.#components.session.call(method, body, options);
      this.#hear(said, false);
      return answer;
    } catch (error) {
      this.#hear(said, !(error instanceof RemoteError || isUnsendable(error)));
      throw error;
    }
  }

  /** What was given up at last says nothing where something that was said later is answered. */
  #hear(said: number, isAway: boolean): void {
    if (said < this.#ended) return;
    this.#ended = said;
    this.#isAway = isAway;
  }
}

/**
 * Tells of each segment once, one after the other. Of those that come while an answer is waited for, the newest of each
 * rung: it says the others too, and so does the next one, or a renewal, where it is lost.
 */
class Telling {
  readonly #call: (told: { readonly rungs: number[]; readonly sequence: number }) => Promise<unknown>;
  readonly #logger: Logger;
  /** By rung: the newest segment of which the balancer was not told yet. */
  readonly #untold = new Map<number, number>();
  #telling: Promise<void> | undefined;

  constructor(
    call: (told: { readonly rungs: number[]; readonly sequence: number }) => Promise<unknown>,
    logger: Logger,
  ) {
    this.#call = call;
    this.#logger = logger;
  }

  tell(rungs: readonly number[], sequence: number): void {
    for (const rung of rungs) this.#untold.set(rung, Math.max(this.#untold.get(rung) ?? 0, sequence));
    if (this.#untold.size > 0) this.#telling ??= this.#tellAll();
  }

  async told(): Promise<void> {
    await this.#telling;
  }

  async #tellAll(): Promise<void> {
    // The rung that waits longest comes first, so that one which others are behind is told of too.
    for (const sequence of this.#untold.values()) {
      const rungs = [...this.#untold].filter(([, newest]) => newest === sequence).map(([rung]) => rung);
      for (const rung of rungs) this.#untold.delete(rung);
      try {
        await this.#call({ rungs, sequence });
      } catch (error) {
        this.#logger.debug("Tell balancer failed", { method: "segment.published", error });
      }
    }
    this.#telling = undefined;
  }
}

function isUnsendable(error: unknown): boolean {
  return error instanceof WireError && error.code === "WIRE_MESSAGE_UNSENDABLE";
}
