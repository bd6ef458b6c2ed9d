import type { Clock } from "@leat/node/kernel/clock.ts";
import type {
  MadeRendition,
  PictureSize,
  PublishEnd,
  RungShape,
  SegmentSink,
} from "@leat/node/media-io/publish-sink.ts";
import type { SourceConfig, VideoCodec } from "@leat/sdk/protocol/frame.ts";
import type { PublishedAudio, PublishedCue, PublishedTag, PublishedVideo } from "@leat/sdk/protocol/published.ts";
import { SOURCE_RUNG } from "@leat/sdk/protocol/stream.ts";
import { IngestError } from "./errors.ts";
import { MadeSegments } from "./made-segments.ts";
import type { Origin } from "./origin.ts";

export interface PublisherEvents {
  onEnd(): void;
  /** For so long its place may be taken by another connection of the same publisher. */
  onPlace(forMs: number): void;
}

/** One publisher's connection as its origin sees it. */
export class Publisher implements SegmentSink {
  readonly #origin: Origin;
  readonly #clock: Clock;
  readonly #events: PublisherEvents;
  readonly #left = new AbortController();
  /** The first segment that is this publisher's and not ended. */
  #nextSequence: number;
  #made: Promise<MadeSegments> | undefined;
  #replaced = false;
  #ended = false;

  constructor(origin: Origin, clock: Clock, events: PublisherEvents) {
    this.#origin = origin;
    this.#clock = clock;
    this.#events = events;
    this.#nextSequence = (origin.sequence ?? -1) + 1;
  }

  get mayWait(): boolean {
    return !this.#origin.isHurried;
  }

  /** Another connection took this one's place: whatever this one sends ends it. */
  replace(): void {
    this.#replaced = true;
    this.#left.abort(new IngestError({ code: "INGEST_PUBLISHER_REPLACED" }));
  }

  config(_: "video" | "audio", config: SourceConfig): void {
    this.#assertCurrent();
    this.#origin.source.configure(config);
  }

  video({ dtsMs, ctsMs, key, data }: PublishedVideo): void {
    this.#assertCurrent();
    this.#origin.source.addVideo({ dts: dtsMs, cts: ctsMs, key, data }, this.#clock.nowMs());
    const codec = this.#origin.unshownCodec;
    if (codec !== undefined) throw new IngestError({ code: "INGEST_LADDER_MISSING", codec });
  }

  audio({ dtsMs, data }: PublishedAudio): void {
    this.#assertCurrent();
    this.#origin.source.addAudio({ dts: dtsMs, key: true, data }, this.#clock.nowMs());
  }

  cue({ atMs, command }: PublishedCue): void {
    this.#assertCurrent();
    this.#origin.source.addCue(atMs, command);
  }

  tag({ atMs, tag }: PublishedTag): void {
    this.#assertCurrent();
    this.#origin.source.addTag(atMs, tag);
  }

  foresee(picture: PictureSize, codecs: readonly VideoCodec[]): readonly RungShape[] {
    return this.#origin.foresee(picture).filter(({ codec }) => codecs.includes(codec));
  }

  async endSegment(durationMs: number, codecs: readonly VideoCodec[]): Promise<readonly MadeRendition[]> {
    this.#assertCurrent();
    const pictures = this.#origin.endSegment(this.#nextSequence, durationMs);
    this.#nextSequence = (this.#origin.sequence ?? -1) + 1;
    if (pictures.size === 0) return [];
    this.#made ??= this.#gather(codecs);
    return (await this.#made).take(pictures);
  }

  offerPlace(forMs: number): void {
    if (!this.#replaced && !this.#ended) this.#events.onPlace(forMs);
  }

  end(how: PublishEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#left.abort(new IngestError({ code: "STREAM_ENDED" }));
    this.#events.onEnd();
    if (!this.#replaced) this.#origin.left(how);
  }

  /** Of the segments that come from now on, and of the newest, which nobody was given yet. */
  async #gather(codecs: readonly VideoCodec[]): Promise<MadeSegments> {
    const origin = this.#origin;
    const renditions = await origin.renditions();
    // What it sent itself it has.
    const made = renditions.filter(({ kind, rung }) => kind === "video" && rung !== SOURCE_RUNG);
    const wanted = made.filter(({ codec }) => codecs.includes(codec as VideoCodec));
    const segments = new MadeSegments(origin.frames, wanted);
    const over = AbortSignal.any([this.#left.signal, origin.signal]);
    const close = () => {
      const { reason } = this.#left.signal;
      segments.close(origin.stopped ?? reason ?? new IngestError({ code: "STREAM_ENDED" }));
    };
    if (over.aborted) close();
    else over.addEventListener("abort", close, { once: true });
    return segments;
  }

  #assertCurrent(): void {
    if (this.#replaced) throw new IngestError({ code: "INGEST_PUBLISHER_REPLACED" });
    const { stopped } = this.#origin;
    if (stopped !== undefined) throw stopped;
  }
}
