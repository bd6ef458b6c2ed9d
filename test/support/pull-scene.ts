import { systemClock } from "@leat/node/kernel/clock.ts";
import { type PullOptions, pullOptions } from "@leat/node/media-io/pull/options.ts";
import { Outbound } from "@leat/node/media-io/pull/outbound.ts";
import { Pull, type PullParts } from "@leat/node/services/pulling/pull.ts";
import { defaultsOf } from "./defaults.ts";
import { noteInto } from "./noting-logger.ts";
import { RecorderSink } from "./recorder-sink.ts";

export interface SceneOptions extends Partial<PullOptions> {
  readonly resolve?: ConstructorParameters<typeof Outbound>[1];
  readonly srt?: PullParts["srt"];
}

/** One source that is pulled on this machine, and what a test sees of it. */
export class PullScene {
  readonly states: (string | null)[] = [];
  /** One for each time that something came. */
  readonly sinks: RecorderSink[] = [];
  readonly said: string[] = [];
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #heard: () => void = () => {};

  /** Resolves when the source is over for good. */
  pull(url: string, { resolve, srt, ...options }: SceneOptions = {}): Promise<void> {
    const usual = { allow: ["127.0.0.1"], retryMinMs: 20, retryMaxMs: 100 };
    const settled = defaultsOf(pullOptions, { ...usual, ...options });
    const made = new Pull({
      url,
      outbound: new Outbound(settled, resolve),
      srt,
      options: settled,
      clock: systemClock,
      logger: noteInto(this.said),
      authorize: async () => {
        const sink = new RecorderSink();
        this.sinks.push(sink);
        this.#heard();
        return sink;
      },
      requirePlace: () => {},
      onState: (code) => {
        this.states.push(code);
        this.#heard();
      },
    });
    this.#running = made.run(this.#stopping.signal);
    this.#running.catch(() => {});
    return this.#running;
  }

  /** Resolves when the source has been in this state, and tells all that it was in. */
  async state(code: string | null): Promise<(string | null)[]> {
    while (!this.states.includes(code)) await this.#change();
    return this.states;
  }

  /** Resolves with the sink of the nth time that something came. */
  async sink(index = 0): Promise<RecorderSink> {
    while (this.sinks.length <= index) await this.#change();
    return this.sinks[index]!;
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#running.catch(() => {});
  }

  #change(): Promise<void> {
    return new Promise((resolve) => (this.#heard = resolve));
  }
}
