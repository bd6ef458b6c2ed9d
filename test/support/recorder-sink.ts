import type { MadeRendition, RungShape, SegmentSink } from "@leat/node/media-io/publish-sink.ts";
import type { SourceConfig } from "@leat/sdk/protocol/frame.ts";
import type { PublishedAudio, PublishedTag, PublishedVideo } from "@leat/sdk/protocol/published.ts";

/** Keeps all that a publisher sent. */
export class RecorderSink implements SegmentSink {
  readonly configs: SourceConfig[] = [];
  readonly videos: PublishedVideo[] = [];
  readonly audios: PublishedAudio[] = [];
  readonly tags: PublishedTag[] = [];
  readonly ended = Promise.withResolvers<{ clean: boolean }>();
  readonly firstVideo = Promise.withResolvers<void>();
  ends = 0;
  /** How long the segments were that ended, and what is made of the next. */
  readonly segmentsMs: number[] = [];
  make: () => Promise<readonly MadeRendition[]> = async () => [];
  readonly #waiting = new Map<() => boolean, () => void>();

  /** Resolves as soon as what came meets the condition. */
  until(condition: () => boolean): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.set(condition, resolve);
    this.#tell();
    return promise;
  }

  #tell(): void {
    for (const [condition, resolve] of this.#waiting) {
      if (!condition()) continue;
      this.#waiting.delete(condition);
      resolve();
    }
  }

  config(_kind: string, config: SourceConfig) {
    this.configs.push(config);
    this.#tell();
  }
  video(sample: PublishedVideo) {
    this.videos.push(sample);
    this.firstVideo.resolve();
    this.#tell();
  }
  audio(sample: PublishedAudio) {
    this.audios.push(sample);
    this.#tell();
  }
  tag(tag: PublishedTag) {
    this.tags.push(tag);
    this.#tell();
  }
  /** What it says that is made. */
  foreseen: readonly RungShape[] = [];
  foresee() {
    return this.foreseen;
  }
  endSegment(durationMs: number) {
    this.segmentsMs.push(durationMs);
    return this.make();
  }
  end(how: { clean: boolean }) {
    this.ends += 1;
    this.ended.resolve(how);
  }
}
