import type { Clock } from "@leat/node/kernel/clock.ts";
import type { PublishedAudio, PublishedVideo, PublishSink } from "@leat/node/media-io/publish-sink.ts";
import type { TrackConfig } from "@leat/sdk/protocol/frame.ts";
import { IngestError } from "./errors.ts";
import type { Origin } from "./origin.ts";

/** One publisher's connection as its origin sees it. */
export class Publisher implements PublishSink {
  readonly #origin: Origin;
  readonly #clock: Clock;
  readonly #onEnd: () => void;
  #replaced = false;
  #ended = false;

  constructor(origin: Origin, clock: Clock, onEnd: () => void) {
    this.#origin = origin;
    this.#clock = clock;
    this.#onEnd = onEnd;
  }

  /** Another connection took this one's place: whatever this one sends ends it. */
  replace(): void {
    this.#replaced = true;
  }

  config(_: "video" | "audio", config: TrackConfig): void {
    this.#assertCurrent();
    this.#origin.source.configure(config);
  }

  video({ dtsMs, ctsMs, key, data }: PublishedVideo): void {
    this.#assertCurrent();
    this.#origin.source.addVideo({ dts: dtsMs, cts: ctsMs, key, data }, this.#clock.nowMs());
  }

  audio({ dtsMs, data }: PublishedAudio): void {
    this.#assertCurrent();
    this.#origin.source.addAudio({ dts: dtsMs, key: true, data }, this.#clock.nowMs());
  }

  end({ clean }: { readonly clean: boolean }): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#onEnd();
    if (!this.#replaced) this.#origin.left(clean);
  }

  #assertCurrent(): void {
    if (this.#replaced) throw new IngestError({ code: "INGEST_PUBLISHER_REPLACED" });
    const { stopped } = this.#origin;
    if (stopped !== undefined) throw stopped;
  }
}
