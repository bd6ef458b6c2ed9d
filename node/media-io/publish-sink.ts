import type { Frame, SourceConfig, SourceVideoCodec, VideoCodec, VideoConfig } from "@leat/sdk/protocol/frame.ts";
import type {
  DemuxedItem,
  PublishedAudio,
  PublishedCue,
  PublishedTag,
  PublishedVideo,
} from "@leat/sdk/protocol/published.ts";

/**
 * Where one publisher's media goes. Calls come one after the other and each is awaited, so a slow sink slows the
 * publisher's socket. `end` comes exactly once, whatever happened. A sink that throws a CodedError ends the publish
 * with that code.
 */
export interface PublishSink {
  config(kind: "video" | "audio", config: SourceConfig): Promise<void> | void;
  video(sample: PublishedVideo): Promise<void> | void;
  audio(sample: PublishedAudio): Promise<void> | void;
  /** Absent where nobody would hear of it. */
  cue?(cue: PublishedCue): Promise<void> | void;
  /** The same. */
  tag?(tag: PublishedTag): Promise<void> | void;
  /** Nobody would see it sooner by more than half a second for being taken at once. Absent: it is taken at once. */
  readonly mayWait?: boolean;
  /**
   * The publisher was told to begin anew over another connection: for so long, the next one with the same key and
   * protocol takes its place, whether or not this one still sends. Absent where nobody would hear of it.
   */
  offerPlace?(forMs: number): void;
  end(how: PublishEnd): Promise<void> | void;
}

export interface PublishEnd {
  /** The publisher said goodbye; otherwise its connection was lost, and it may come back. */
  readonly clean: boolean;
  /** Why what it sent was not taken, in a public code: its stream's owner may know how to mend it. */
  readonly code?: string;
}

/** A segment of a rendition as it goes to edges, in decode order. */
export interface MadeSegment {
  readonly config: VideoConfig;
  readonly frames: readonly Frame[];
}

/** What a rung of a stream's ladder is for its source. */
export interface RungShape {
  readonly name: string;
  readonly codec: VideoCodec;
  readonly width: number;
  readonly height: number;
}

/** What one rung of a stream's ladder made of what was published. */
export interface MadeRendition extends RungShape {
  readonly segments: readonly MadeSegment[];
}

export type PictureSize = Pick<RungShape, "width" | "height">;

/** Where the media of a publisher goes that sends whole segments. */
export interface SegmentSink extends PublishSink {
  /**
   * What the next segment would be made into, of these codecs, if its pictures are so large; none where nobody knows
   * yet. May name more rungs than are made then, and never fewer.
   */
  foresee(picture: PictureSize, codecs: readonly VideoCodec[]): readonly RungShape[];
  /**
   * What came since the last call, which lasts so long and came all in one turn, is whole: its renditions are made
   * without waiting for what follows, which begins with a key frame. Resolves with those of these codecs, the same
   * in every call, in the ladder's order; rejects with a CodedError where one will never be whole.
   */
  endSegment(durationMs: number, codecs: readonly VideoCodec[]): Promise<readonly MadeRendition[]>;
}

/** Hands items on, one after the other. */
export async function passItems(sink: PublishSink, items: Iterable<DemuxedItem>): Promise<void> {
  for (const item of items) {
    if (item.type === "video") await sink.video(item.sample);
    else if (item.type === "audio") await sink.audio(item.sample);
    else if (item.type === "cue") await sink.cue?.(item.cue);
    else if (item.type === "tag") await sink.tag?.(item.tag);
    else await sink.config(item.config.kind, item.config);
  }
}

/** What is known of who publishes. The signal aborts when the publisher is gone: an answer would reach nobody. */
export interface PublishInfo {
  readonly protocol: "rtmp" | "rtmps" | "whip" | "srt" | "push";
  /** Where the publisher's connection comes from. */
  readonly address: string;
  readonly signal: AbortSignal;
  /** What its pictures will come in, where that is known before they do. */
  readonly videoCodec?: SourceVideoCodec;
}
