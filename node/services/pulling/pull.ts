import { AddressTurns } from "@leat/node/kernel/net/pinned-address.ts";
import { type PublishSink, passItems } from "@leat/node/media-io/publish-sink.ts";
import { Deadline } from "@leat/node/media-io/pull/deadline.ts";
import { PullError } from "@leat/node/media-io/pull/errors.ts";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import { type DemuxedItem, isSample, MAX_CONFIG_CHANGES } from "@leat/sdk/protocol/published.ts";
import { pullGivenBack } from "@leat/sdk/protocol/pull.ts";
import { type OpenedSource, openSource, type SourceTools } from "./open-source.ts";

export interface PullParts extends Omit<SourceTools, "signal" | "addresses"> {
  readonly url: string;
  /** Asks for the right to publish; throws a CodedError where there is none now. */
  readonly authorize: (signal: AbortSignal) => Promise<PublishSink>;
  /** Asked before a source is tried again that gave its place away. @throws PullError where others have it now */
  readonly requirePlace: () => void;
  /** Why nothing comes; null once something does. */
  readonly onState: (code: string | null) => void;
}

/** Cues that wait for the first picture. */
const MAX_EARLY = 64;
/** A try that brought nothing is followed by so many times its own length. */
const RESTS = 3;

/** One stream's source, fetched again and again until it is over or nobody wants it any more. */
export class Pull {
  readonly #parts: PullParts;
  readonly #addresses = new AddressTurns();
  #code: string | null | undefined;
  #isResting = false;

  constructor(parts: PullParts) {
    this.#parts = parts;
  }

  /** Why nothing comes; null where something does, undefined before anything is known. */
  get code(): string | null | undefined {
    return this.#code;
  }

  /** Nothing came at the last try, and the next one is not yet: others may have its place meanwhile. */
  get isResting(): boolean {
    return this.#isResting;
  }

  /** Resolves when the source is over for good, or given back. */
  async run(signal: AbortSignal): Promise<void> {
    const { options, clock, logger, requirePlace } = this.#parts;
    let pauseMs = options.retryMinMs;
    for (;;) {
      const attempt = new AbortController();
      const beganAtMs = clock.nowMs();
      let hadMedia = false;
      try {
        if (this.#isResting) requirePlace();
        this.#isResting = false;
        return await this.#fetch(AbortSignal.any([signal, attempt.signal]));
      } catch (error) {
        signal.throwIfAborted();
        const code = isCodedError(error) ? error.code : "PULL_SOURCE_LOST";
        if (!isCodedError(error)) logger.error("Pull source failed", { error });
        // A source that is away is tried for as long as its stream is there.
        else logger[code === this.#code ? "debug" : "info"]("Lose pulled source", { ...error.detail });
        hadMedia = this.#code === null;
        // It was there: what follows is another loss.
        if (hadMedia) pauseMs = options.retryMinMs;
        this.#tell(code);
        if (pullGivenBack.has(code)) return;
      } finally {
        attempt.abort();
      }
      this.#isResting = !hadMedia;
      // Also what takes long to show that nothing comes has a place for a part of the time alone.
      const restMs = hadMedia ? 0 : RESTS * (clock.nowMs() - beganAtMs);
      await clock.sleep(Math.max(pauseMs, restMs), signal);
      pauseMs = Math.min(pauseMs * 2, options.retryMaxMs);
    }
  }

  async #fetch(stopping: AbortSignal): Promise<void> {
    const { options } = this.#parts;
    const { timeoutMs, idleMs, fetchMs } = options;
    // Nobody pays for a place before the first picture.
    const deadline = new Deadline(timeoutMs + 2 * idleMs + fetchMs, stopping);
    try {
      const source = await openSource(this.#parts.url, {
        ...this.#parts,
        addresses: this.#addresses,
        signal: deadline.signal,
      });
      await this.#publish(source, deadline);
    } finally {
      deadline.clear();
    }
  }

  async #publish({ media, pacer }: OpenedSource, deadline: Deadline): Promise<void> {
    const { authorize, options, clock } = this.#parts;
    const { signal } = deadline;
    let sink: PublishSink | undefined;
    let early: readonly DemuxedItem[] = [];
    let isOver = false;
    let mediaAtMs = clock.nowMs();
    let configs = 0;
    try {
      for await (const items of media) {
        const hasSamples = items.some(isSample);
        // It sends something, and nothing of it is media.
        if (!hasSamples && clock.nowMs() - mediaAtMs > 2 * options.idleMs) {
          throw new PullError({ code: "PULL_IDLE", timeoutMs: 2 * options.idleMs });
        }
        for (const item of items) {
          if (item.type === "config" && ++configs > MAX_CONFIG_CHANGES) {
            throw new PullError({ code: "PULL_CONFIG_CHANGES_EXCEEDED", limit: MAX_CONFIG_CHANGES });
          }
          if (sink === undefined && !isSample(item)) {
            early = keepEarly(early, item);
            continue;
          }
          if (sink === undefined) {
            deadline.clear();
            sink = await authorize(signal);
            await passItems(sink, early);
          }
          if (item.type === "video" || item.type === "audio") await pacer.wait(item.sample.dtsMs, signal);
          await passItems(sink, [item]);
          if (isSample(item)) this.#noteMedia();
        }
        if (hasSamples) mediaAtMs = clock.nowMs();
      }
      if (sink === undefined) throw new PullError({ code: "PULL_SOURCE_EMPTY" });
      isOver = true;
    } finally {
      await sink?.end({ clean: isOver });
    }
  }

  #noteMedia(): void {
    this.#addresses.worked();
    this.#tell(null);
  }

  #tell(code: string | null): void {
    if (this.#code === code) return;
    this.#code = code;
    this.#parts.onState(code);
  }
}

/** Of what comes before the first picture or sound: the newest configuration of each kind, and the first cues. */
function keepEarly(early: readonly DemuxedItem[], item: DemuxedItem): readonly DemuxedItem[] {
  if (item.type !== "config") return early.length < MAX_EARLY ? [...early, item] : early;
  return [...early.filter((held) => held.type !== "config" || held.config.kind !== item.config.kind), item];
}
