import type {
  AudioConfig,
  Boundary,
  Frame,
  SourceAudioConfig,
  SourceVideoConfig,
  VideoCodec,
  VideoConfig,
} from "@leat/sdk/protocol/frame.ts";
import type { AudioGroup, DroppedRung, Ladder, ResolvedRung } from "./ladder.ts";

/** Engines that transcode files too. */
export type StoredEngineName = "node-av" | "ffmpeg";
export type EngineName = StoredEngineName | "livepeer";

/** How long a gateway may take for a segment: what go-livepeer itself gives a pushed one. */
export const GATEWAY_TIMEOUT_MS = 8_000;

/** A go-livepeer gateway that takes pushed segments: `http://HOST:9935`, and how long it may take for one. */
export interface GatewaySettings {
  readonly url: string;
  readonly timeoutMs: number;
}

/** One stream in, the rungs of one ladder or family out. */
export interface LiveSpec {
  readonly source: SourceVideoConfig;
  readonly rungs: readonly ResolvedRung[];
  readonly engine?: EngineName;
  /** Of the engine that needs one. */
  readonly gateway?: GatewaySettings;
  /** Who encodes a codec; software where none is named, or where the named one does not open. */
  readonly encoders?: Readonly<Partial<Record<VideoCodec, string>>>;
}

export type LiveInput =
  | { readonly type: "frame"; readonly frame: Frame }
  | { readonly type: "config"; readonly version: number; readonly config: SourceVideoConfig }
  | { readonly type: "boundary"; readonly boundary: Boundary }
  /** What came so far is all of its segments: it comes out before anything follows, which begins with a key frame. */
  | { readonly type: "segmentEnd" };

export interface SegmentSummary {
  readonly frames: number;
  /** Of these, how many repeat the picture before, since the source's own could not be decoded. */
  readonly concealed: number;
}

/** What comes out of a live transcode, in order for each rung: a configuration, its frames, the segment's end. */
export interface LiveSink {
  config(rungIndex: number, version: number, config: VideoConfig): void;
  frame(rungIndex: number, sequence: number, frame: Frame): void;
  segmentEnd(rungIndex: number, sequence: number, summary: SegmentSummary): void;
  /** The chip's encoder did not open for this rung, all its sessions may be taken: software does its work. */
  fallback?(rungIndex: number, encoder: string, reason: string): void;
}

/** Runs inside a worker. `push` resolves when the input was taken; `end` when everything came out. */
export interface LiveVideo {
  push(input: LiveInput): void | Promise<void>;
  end(): void | Promise<void>;
  close(): void;
}

export interface AudioSpec {
  readonly source: SourceAudioConfig;
  /** Of every group, however many the source has, now or later. */
  readonly channels: 1 | 2;
  readonly groups: readonly AudioGroup[];
}

export type AudioInput =
  | { readonly type: "frame"; readonly frame: Frame }
  | { readonly type: "config"; readonly version: number; readonly config: SourceAudioConfig }
  /** The source is silent from one place of the epoch's clock to the other, counted at 48 kHz. */
  | {
      readonly type: "silence";
      readonly epoch: number;
      readonly from: number;
      readonly until: number;
      readonly arrivalMs: number;
    };

export interface AudioSink {
  config(groupIndex: number, version: number, config: AudioConfig): void;
  frame(groupIndex: number, frame: Frame): void;
}

export interface LiveAudio {
  push(input: AudioInput): void | Promise<void>;
  end(): void | Promise<void>;
  close(): void;
}

export interface StoredSpec {
  readonly input: string;
  readonly ladder: Ladder;
  readonly outDir: string;
  readonly engine?: StoredEngineName;
}

export interface StoredRendition {
  readonly name: string;
  readonly codec: string;
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  readonly durationMs: number;
  readonly bytes: number;
  readonly file: string;
}

export interface StoredResult {
  readonly source: { codec: string; width: number; height: number; frames: number; durationMs: number };
  readonly renditions: readonly StoredRendition[];
  readonly dropped: readonly DroppedRung[];
}

/** Codecs behind one interface; every engine passes test/suites/engine.ts. Engines run in forked workers only. */
export interface LiveEngine {
  readonly name: EngineName;
  openVideo(spec: LiveSpec, sink: LiveSink): LiveVideo | Promise<LiveVideo>;
}

export interface Engine extends LiveEngine {
  readonly name: StoredEngineName;
  /** `onProgress` is called often enough for a watchdog. */
  runStored(spec: StoredSpec, onProgress: () => void): Promise<StoredResult>;
}

/** Sound is encoded by the bindings alone: it costs little, and a program would hold a second of it back. */
export interface AudioEngine {
  openAudio(spec: AudioSpec, sink: AudioSink): LiveAudio;
}
