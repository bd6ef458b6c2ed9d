import type { IncomingMessage } from "node:http";
import { PullError } from "./errors.ts";
import { pullFault } from "./outbound.ts";
import type { Throttle } from "./pacing.ts";

export interface BodyLimits {
  readonly idleMs: number;
  readonly throttle: Throttle;
  readonly signal: AbortSignal;
}

/**
 * The pieces of an answer as they come. Only the time in which we wait for one counts as silence: a source that is
 * slowed down is not silent. The answer is let go of when its reader leaves.
 * @throws PULL_IDLE, PULL_SOURCE_LOST
 */
export async function* readBody(response: IncomingMessage, { idleMs, throttle, signal }: BodyLimits) {
  const pieces = (response as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  const silence = () => response.destroy(new PullError({ code: "PULL_IDLE", timeoutMs: idleMs }));
  try {
    for (;;) {
      const timer = setTimeout(silence, idleMs);
      const { done, value } = await pieces.next().finally(() => clearTimeout(timer));
      if (done === true) return;
      await throttle.take(value.length, signal);
      yield value as Uint8Array;
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof PullError) throw error;
    throw new PullError({ code: "PULL_SOURCE_LOST" }, { cause: pullFault(error) });
  } finally {
    response.destroy();
  }
}
