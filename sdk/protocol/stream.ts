import type { AudioCodec, VideoCodec } from "./frame.ts";

/** The rung number of the source video as it came in, delivered where the buyer wants it. Ladder rungs are 1 to 99, in the ladder's order. */
export const SOURCE_RUNG = 0;
/** How that rung is called in addresses. */
export const SOURCE_NAME = "source";
export const AAC_RUNG = 100;
export const OPUS_RUNG = 101;
/** The source's audio as it came in: part of the ingest receipt, never delivered. */
export const SOURCE_AUDIO_RUNG = 102;

/** Source pictures of a segment that is delivered without some of them: part of the ingest receipt alone. */
export const SOURCE_WITHHELD_RUNG = 103;

/** A codec family: the rungs a player can switch between, and the audio group that goes with them. */
export type Family = VideoCodec;

/** The audio group that plays beside a video family. */
export function audioCodecOf(family: Family): AudioCodec {
  return family === "vp9" || family === "av1" ? "opus" : "aac";
}

/** One thing a viewer can fetch: a video rung or an audio group. */
export interface RenditionInfo {
  readonly rung: number;
  /** Unique in the stream and safe in a path: `480p`, `360p-vp9`, `audio-aac`. */
  readonly name: string;
  readonly kind: "video" | "audio";
  readonly codec: VideoCodec | AudioCodec;
  /** Absent for audio. */
  readonly family?: Family;
  readonly width?: number;
  readonly height?: number;
  /** Target, bits per second. */
  readonly bitrate: number;
}
