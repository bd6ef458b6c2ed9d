import type { Frame, TrackConfig } from "@leat/sdk/protocol/frame.ts";

/** A generated source: every picture carries its number as a barcode, above something that moves; a tone sounds. */
export interface PatternOptions {
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  readonly durationS: number;
  readonly videoBitrate?: number;
  /** Pictures that refer to later ones, as most publishers send them. */
  readonly bFrames?: number;
  readonly keyframeEveryS?: number;
  readonly audio?: boolean;
  /** For a tenth of a second so often the picture is white, and the tone sounds then alone. */
  readonly flashEveryS?: number;
  /** Each picture carries one construct of CEA-608, which says its number. */
  readonly captions?: boolean;
  readonly firstNumber?: number;
}

export type MediaInput = string | { readonly pattern: PatternOptions };

/** What a source gives, in decoding order. A configuration comes before the frames that need it. */
export type MediaItem =
  | { readonly type: "config"; readonly config: TrackConfig }
  | { readonly type: "frame"; readonly frame: Frame };
