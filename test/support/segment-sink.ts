import { AudioCutter, type AudioStep } from "@leat/node/media/audio-cutter.ts";
import { BoundaryMaker } from "@leat/node/media/boundaries.ts";
import { initSegment } from "@leat/node/media/mp4/init.ts";
import { SegmentPackager } from "@leat/node/media/packager.ts";
import { Timeline } from "@leat/node/media/timeline.ts";
import type { PublishSink } from "@leat/node/media-io/publish-sink.ts";
import { concatBytes } from "@leat/sdk/base/bytes.ts";
import type { Boundary, Frame, TrackConfig } from "@leat/sdk/protocol/frame.ts";
import type { PublishedAudio, PublishedVideo } from "@leat/sdk/protocol/published.ts";

/** From published samples to segments, with nothing but the rules. */
export class SegmentSink implements PublishSink {
  readonly timeline = new Timeline();
  readonly maker = new BoundaryMaker();
  readonly configs = new Map<string, TrackConfig>();
  readonly boundaries: Boundary[] = [];
  readonly segments = new Map<number, Frame[]>();
  readonly heard = new Map<number, Frame[]>();
  readonly ended = Promise.withResolvers<void>();
  cutter: AudioCutter | undefined;

  config(kind: "video" | "audio", config: TrackConfig) {
    this.configs.set(kind, config);
    this.timeline.configure(config);
    if (kind === "audio") this.cutter ??= new AudioCutter(config.timescale);
  }
  video({ dtsMs, ctsMs, key, data }: PublishedVideo) {
    for (const frame of this.timeline.video({ dts: dtsMs, cts: ctsMs, key, data }, 0)) this.#take(frame);
  }
  sort(steps: AudioStep[]) {
    for (const step of steps) {
      if (step.type === "frame") this.heard.set(step.sequence, [...(this.heard.get(step.sequence) ?? []), step.frame]);
    }
  }
  audio({ dtsMs, data }: PublishedAudio) {
    for (const frame of this.timeline.audio({ dts: dtsMs, key: true, data }, 0)) this.sort(this.cutter!.push(frame));
  }
  end() {
    for (const frame of this.timeline.flush()) this.#take(frame);
    this.sort(this.cutter?.finish() ?? []);
    this.ended.resolve();
  }
  #take(frame: Frame) {
    const { boundary, sequence } = this.maker.push(frame);
    if (boundary !== undefined) {
      this.boundaries.push(boundary);
      this.sort(this.cutter?.boundary(boundary) ?? []);
    }
    if (sequence !== undefined) this.segments.set(sequence, [...(this.segments.get(sequence) ?? []), frame]);
    this.sort(this.cutter?.advance(frame.epoch, this.maker.highestPts) ?? []);
  }
}

/** One track's segments as one file. */
export function packSegments(config: TrackConfig, segments: ReadonlyMap<number, Frame[]>): Uint8Array {
  const pieces: Uint8Array[] = [initSegment(config)];
  for (const [sequence, frames] of segments) {
    const packager = new SegmentPackager({ config, sequence });
    for (const frame of frames) pieces.push(packager.push(frame)?.bytes ?? new Uint8Array(0));
    pieces.push(packager.finish()?.bytes ?? new Uint8Array(0));
  }
  return concatBytes(pieces);
}
