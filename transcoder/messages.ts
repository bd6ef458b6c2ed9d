import type { AudioConfig, Frame, VideoConfig } from "@leat/sdk/protocol/frame.ts";
import type { AudioInput, AudioSpec, LiveInput, LiveSpec, SegmentSummary, StoredResult, StoredSpec } from "./engine.ts";
import type { TranscodeErrorDetail } from "./errors.ts";
import type { EncoderReport, ProbeSpec } from "./probe.ts";

export type JobMessage =
  | { readonly type: "start"; readonly job: "video"; readonly spec: LiveSpec }
  | { readonly type: "start"; readonly job: "audio"; readonly spec: AudioSpec }
  | { readonly type: "start"; readonly job: "stored"; readonly spec: StoredSpec }
  | { readonly type: "start"; readonly job: "probe"; readonly spec: ProbeSpec };

export type ToWorker = JobMessage | LiveInput | AudioInput | { readonly type: "end" };

export type FromWorker =
  /** So many more inputs were worked off; the worker's own CPU so far. */
  | { readonly type: "taken"; readonly inputs: number; readonly cpuMs: number }
  | {
      readonly type: "config";
      readonly index: number;
      readonly version: number;
      readonly config: VideoConfig | AudioConfig;
    }
  | { readonly type: "frame"; readonly index: number; readonly sequence: number; readonly frame: Frame }
  | {
      readonly type: "segmentEnd";
      readonly index: number;
      readonly sequence: number;
      readonly summary: SegmentSummary;
    }
  | { readonly type: "error"; readonly detail: TranscodeErrorDetail; readonly message: string }
  | { readonly type: "stored"; readonly result: StoredResult }
  | { readonly type: "probed"; readonly report: EncoderReport }
  | { readonly type: "fallback"; readonly index: number; readonly encoder: string; readonly reason: string }
  | { readonly type: "finished"; readonly cpuMs: number };
