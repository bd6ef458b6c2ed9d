import type { Logger } from "@leat/sdk/base/logger.ts";
import type { Clock } from "../../kernel/clock.ts";
import type { Startable } from "../../kernel/lifecycle.ts";
import { TaskGroup } from "../../kernel/task-group.ts";
import type { PlaybackCode } from "./errors.ts";

/** Viewers of one stream who were turned away since the last report. */
export interface StreamRefusals {
  readonly stream: string;
  readonly refusals: readonly { readonly code: PlaybackCode; readonly count: number }[];
}

/** Streams whose refusals are counted between two reports: others are turned away all the same. */
const MAX_STREAMS = 10_000;
/** An owner is told of a stream so often at most, however many knock. */
export const REFUSALS_EVERY_MS = 60_000;

/** Counts whom a node turns away. Who that was is nobody's business. */
export class RefusalBook {
  #counts = new Map<string, Map<PlaybackCode, number>>();

  note(stream: string, code: PlaybackCode, count = 1): void {
    const counts = this.#counts.get(stream) ?? new Map<PlaybackCode, number>();
    if (counts.size === 0 && this.#counts.size >= MAX_STREAMS) return;
    this.#counts.set(stream, counts);
    counts.set(code, (counts.get(code) ?? 0) + count);
  }

  /** All that was noted since it was taken last. */
  take(): StreamRefusals[] {
    const taken = this.#counts;
    this.#counts = new Map();
    return [...taken].map(([stream, counts]) => ({
      stream,
      refusals: [...counts].map(([code, count]) => ({ code, count })),
    }));
  }
}

export interface RefusalReporterComponents {
  readonly book: RefusalBook;
  /** Rejects where nobody heard it. */
  readonly send: (refusals: StreamRefusals) => Promise<unknown>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Tells once a minute whom a node turned away; what nobody heard, a minute later with what came meanwhile. */
export class RefusalReporter implements Startable {
  readonly #components: RefusalReporterComponents;
  readonly #tasks: TaskGroup;

  constructor(components: RefusalReporterComponents) {
    const { clock, logger } = components;
    this.#components = components;
    this.#tasks = new TaskGroup({ clock, onError: (error) => logger.debug("Report refusals failed", { error }) });
  }

  async start(): Promise<void> {
    const { book, send, logger } = this.#components;
    this.#tasks.every(REFUSALS_EVERY_MS, async () => {
      for (const { stream, refusals } of book.take()) {
        await send({ stream, refusals }).catch((error) => {
          logger.debug("Report refusals failed", { streamId: stream, error });
          for (const { code, count } of refusals) book.note(stream, code, count);
        });
      }
    });
  }

  async stop(): Promise<void> {
    await this.#tasks.close();
  }
}
