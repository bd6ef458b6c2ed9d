import { type PublishSink, passItems } from "@leat/node/media-io/publish-sink.ts";
import { PullError } from "@leat/node/media-io/pull/errors.ts";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import { openSource, type SourceTools } from "./open-source.ts";

export interface PullParts extends Omit<SourceTools, "signal"> {
  readonly url: string;
  /** Asks for the right to publish; throws a CodedError where there is none now. */
  readonly authorize: (signal: AbortSignal) => Promise<PublishSink>;
  /** Why nothing comes; null once something does. */
  readonly onState: (code: string | null) => void;
}

/** Each new configuration starts a segment and an encoder. */
const MAX_CONFIG_CHANGES = 1_000;
/** After these there is nothing to try again: the stream is over, or another node pulls it. */
const finalCodes = new Set(["STREAM_ENDED", "STREAM_UNKNOWN", "PULL_NOT_YOURS", "INGEST_STREAM_ENDED"]);

/** One stream's source, fetched again and again until it is over or nobody wants it any more. */
export class Pull {
  readonly #parts: PullParts;
  #code: string | null | undefined;

  constructor(parts: PullParts) {
    this.#parts = parts;
  }

  /** Why nothing comes; null where something does, undefined before anything is known. */
  get code(): string | null | undefined {
    return this.#code;
  }

  /** Resolves when the source is over for good. */
  async run(signal: AbortSignal): Promise<void> {
    const { options, clock, logger } = this.#parts;
    let pauseMs = options.retryMinMs;
    for (;;) {
      const attempt = new AbortController();
      try {
        return await this.#fetch(AbortSignal.any([signal, attempt.signal]));
      } catch (error) {
        signal.throwIfAborted();
        const code = isCodedError(error) ? error.code : "PULL_SOURCE_LOST";
        if (isCodedError(error)) logger.info("Lose pulled source", { ...error.detail });
        else logger.error("Pull source failed", { error });
        // It was there: what follows is another loss.
        if (this.#code === null) pauseMs = options.retryMinMs;
        this.#tell(code);
        if (finalCodes.has(code)) return;
      } finally {
        attempt.abort();
      }
      await clock.sleep(pauseMs, signal);
      pauseMs = Math.min(pauseMs * 2, options.retryMaxMs);
    }
  }

  async #fetch(signal: AbortSignal): Promise<void> {
    const { url, authorize, options, clock } = this.#parts;
    const { media, pacer } = await openSource(url, { ...this.#parts, signal });
    let sink: PublishSink | undefined;
    let isOver = false;
    let mediaAtMs = clock.nowMs();
    let configs = 0;
    try {
      for await (const items of media) {
        if (items.length > 0) mediaAtMs = clock.nowMs();
        // It sends something, and nothing of it is media.
        else if (clock.nowMs() - mediaAtMs > 2 * options.idleMs) {
          throw new PullError({ code: "PULL_IDLE", timeoutMs: 2 * options.idleMs });
        }
        for (const item of items) {
          sink ??= await authorize(signal);
          if (item.type === "video" || item.type === "audio") await pacer.wait(item.sample.dtsMs, signal);
          else if (item.type === "config" && ++configs > MAX_CONFIG_CHANGES) {
            throw new PullError({ code: "PULL_CONFIG_CHANGES_EXCEEDED", limit: MAX_CONFIG_CHANGES });
          }
          await passItems(sink, [item]);
          if (item.type !== "config") this.#tell(null);
        }
        if (items.length > 0) mediaAtMs = clock.nowMs();
      }
      if (sink === undefined) throw new PullError({ code: "PULL_SOURCE_EMPTY" });
      isOver = true;
    } finally {
      await sink?.end({ clean: isOver });
    }
  }

  #tell(code: string | null): void {
    if (this.#code === code) return;
    this.#code = code;
    this.#parts.onState(code);
  }
}
