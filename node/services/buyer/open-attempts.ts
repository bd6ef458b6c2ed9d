import type { Hex } from "@leat/sdk/protocol/hex.ts";

export interface OpenAttempt {
  readonly job: Hex;
  readonly attempt: number;
}

/** Attempts of a stream whose work may still come: its edges and renditions. The one that was quiet longest gives way. */
const MAX_ATTEMPTS = 256;
const MAX_STREAMS = 1_000;

/**
 * Which attempts are under way, as far as reports tell. Nobody tells an agent that one is over: it is when another one
 * goes on with its job, when no edge serves its stream any more, or when too many others are newer.
 */
export class OpenAttempts {
  readonly #maxAttempts: number;
  readonly #maxStreams: number;
  readonly #streams = new Map<Hex, Map<string, OpenAttempt>>();
  /** Those whose last receipts still come: edges sign them as segments leave their windows. */
  readonly #ended = new Set<Hex>();

  constructor({ maxAttempts = MAX_ATTEMPTS, maxStreams = MAX_STREAMS } = {}) {
    this.#maxAttempts = maxAttempts;
    this.#maxStreams = maxStreams;
  }

  /** Work of an attempt came. Answers those that are over by it. `isShared`: other attempts at the job go on beside it. */
  note(stream: Hex, attempt: OpenAttempt, isShared: boolean): OpenAttempt[] {
    if (this.#ended.has(stream)) return [attempt];
    const attempts = this.#streams.get(stream) ?? new Map<string, OpenAttempt>();
    this.#streams.delete(stream);
    this.#streams.set(stream, attempts);
    const others = isShared ? [] : [...attempts.values()].filter(({ job }) => job === attempt.job);
    // Late work of one that is over opens nothing again.
    if (others.some((other) => other.attempt > attempt.attempt)) return [attempt];
    const over = others.filter((other) => other.attempt < attempt.attempt);
    for (const one of over) attempts.delete(attemptKey(one));
    attempts.delete(attemptKey(attempt));
    attempts.set(attemptKey(attempt), attempt);
    if (attempts.size > this.#maxAttempts) over.push(takeOldest(attempts));
    if (this.#streams.size > this.#maxStreams) over.push(...takeOldest(this.#streams).values());
    return over;
  }

  /** No edge serves the stream: it is over, or nobody watches it. */
  hasEnded(stream: Hex): boolean {
    return this.#ended.has(stream);
  }

  /** Edges serve the stream. */
  begin(stream: Hex): void {
    this.#ended.delete(stream);
  }

  /** No edge serves it any more. Its attempts are over, and so is whatever work of them comes late. */
  end(stream: Hex): OpenAttempt[] {
    this.#ended.delete(stream);
    this.#ended.add(stream);
    if (this.#ended.size > this.#maxStreams) this.#ended.delete(this.#ended.values().next().value!);
    const attempts = this.#streams.get(stream);
    this.#streams.delete(stream);
    return [...(attempts?.values() ?? [])];
  }
}

function takeOldest<T>(map: Map<unknown, T>): T {
  const [key, value] = map.entries().next().value!;
  map.delete(key);
  return value;
}

/** One name for it. */
export function attemptKey({ job, attempt }: OpenAttempt): string {
  return `${job}/${attempt}`;
}
