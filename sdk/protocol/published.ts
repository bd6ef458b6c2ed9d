import type { SourceConfig } from "./frame.ts";

/** One coded picture as it was published. Times are the publisher's own clock: they may jump, wrap or go back. */
export interface PublishedVideo {
  readonly dtsMs: number;
  /** Presentation minus decode time; may be negative. */
  readonly ctsMs: number;
  /**
   * Decoding can begin here. H.264: a true IDR, a recovery point is none. HEVC: IDR, CRA, BLA. VP8, VP9 and AV1: a key
   * frame that is shown.
   */
  readonly key: boolean;
  /** As in `Frame.data`. */
  readonly data: Uint8Array;
}

export interface PublishedAudio {
  readonly dtsMs: number;
  readonly data: Uint8Array;
}

/** A splice command of the publisher (SCTE-35): the whole section. */
export interface PublishedCue {
  /** When it is to happen, on the clock of the pictures; undefined: at once. */
  readonly atMs?: number;
  readonly command: Uint8Array;
}

/** Timed metadata of the publisher: a whole ID3 tag. */
export interface PublishedTag {
  /** On the clock of the pictures; undefined: now. */
  readonly atMs?: number;
  readonly tag: Uint8Array;
}

/** What a publisher's media become, in the order in which a sink takes it. */
export type PublishItem =
  | { readonly type: "config"; readonly config: SourceConfig }
  | { readonly type: "video"; readonly sample: PublishedVideo }
  | { readonly type: "audio"; readonly sample: PublishedAudio };

/** What a demuxer gives: what is neither seen nor heard too. */
export type DemuxedItem = PublishItem | MarkItem;

export type MarkItem =
  | { readonly type: "cue"; readonly cue: PublishedCue }
  | { readonly type: "tag"; readonly tag: PublishedTag };

/** Of one publisher's connection: each new configuration starts a segment and an encoder. */
export const MAX_CONFIG_CHANGES = 1_000;
/** Cues and tags of one segment that comes as a file: a few a second are many. Those beyond go. */
export const MAX_SEGMENT_MARKS = 256;

/** Whether it is something to be seen or heard. */
export function isSample({ type }: DemuxedItem): boolean {
  return type === "video" || type === "audio";
}
