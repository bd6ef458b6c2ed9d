import { CodedError } from "@leat/sdk/base/errors.ts";
import { type Logger, silentLogger } from "@leat/sdk/base/logger.ts";

/** A part with a life. `start` resolves when it is usable; `stop` works twice, before start, and waits for all its work. */
export interface Startable {
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface NamedPart {
  readonly name: string;
  readonly part: Startable;
}

export class LifecycleError extends CodedError<
  { code: "KERNEL_START_TWICE" } | { code: "KERNEL_STOPPED_WHILE_STARTING"; before: string }
> {}

/** Starts parts in list order and stops them in reverse. A failed start stops what was already up, then throws its error. */
export class Lifecycle implements Startable {
  readonly #parts: readonly NamedPart[];
  readonly #logger: Logger;
  readonly #up: NamedPart[] = [];
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  constructor(parts: readonly NamedPart[], logger: Logger = silentLogger) {
    this.#parts = parts;
    this.#logger = logger;
  }

  start(): Promise<void> {
    if (this.#starting !== undefined) return Promise.reject(new LifecycleError({ code: "KERNEL_START_TWICE" }));
    this.#starting = this.#startAll();
    return this.#starting;
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stopAll();
    return this.#stopping;
  }

  async #startAll(): Promise<void> {
    try {
      for (const named of this.#parts) {
        if (this.#stopping !== undefined) {
          throw new LifecycleError({ code: "KERNEL_STOPPED_WHILE_STARTING", before: named.name });
        }
        this.#logger.debug("Start part", { part: named.name });
        // Counted as up before it answers: a part that fails half way is told to stop too.
        this.#up.push(named);
        await named.part.start();
      }
    } catch (error) {
      await this.#stopUp();
      throw error;
    }
  }

  async #stopAll(): Promise<void> {
    // Whoever called start hears its failure; stop only waits for it.
    await this.#starting?.catch(() => {});
    const errors = await this.#stopUp();
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1) throw new AggregateError(errors, "several parts failed to stop");
  }

  async #stopUp(): Promise<unknown[]> {
    const errors: unknown[] = [];
    for (let named = this.#up.pop(); named !== undefined; named = this.#up.pop()) {
      try {
        await named.part.stop();
      } catch (error) {
        this.#logger.error("Stop part failed", { part: named.name, error });
        errors.push(error);
      }
    }
    return errors;
  }
}
