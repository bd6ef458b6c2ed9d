import { BoundaryMaker } from "@leat/node/media/boundaries.ts";
import { type RawSample, Timeline } from "@leat/node/media/timeline.ts";
import type { AudioConfig, Frame, TrackConfig, VideoConfig } from "@leat/sdk/protocol/frame.ts";
import type { SourceSummary } from "@leat/sdk/protocol/job.ts";
import type { AudioGroups } from "./audio-groups.ts";
import type { SourceBuffer } from "./source-buffer.ts";
import type { SourceSegments } from "./source-segments.ts";

export interface SourceStart {
  readonly startSequence: number;
  readonly startFrame: number;
  readonly startEpoch: number;
  readonly discontinuity: boolean;
}

export interface SourceIntakeParts {
  readonly buffer: SourceBuffer;
  readonly segments: SourceSegments;
  readonly audio: AudioGroups;
  /** A segment begins. */
  readonly onBoundary: (sequence: number) => void;
}

/** One stream's samples, of one publisher after the other, become frames, segments and epochs here. */
export class SourceIntake {
  readonly #parts: SourceIntakeParts;
  readonly #timeline: Timeline;
  readonly #boundaries: BoundaryMaker;
  readonly #videoConfigs = new Map<number, VideoConfig>();
  readonly #audioConfigs = new Map<number, AudioConfig>();
  #video: { readonly version: number; readonly config: VideoConfig } | undefined;
  #audioVersion: number | undefined;
  #lastArrivalMs: number | undefined;

  constructor(start: SourceStart, parts: SourceIntakeParts) {
    const { startSequence: sequence, startFrame: firstFrame, startEpoch, discontinuity } = start;
    this.#parts = parts;
    this.#timeline = new Timeline({ startEpoch });
    this.#boundaries = new BoundaryMaker({ sequence, firstFrame, discontinuity });
  }

  /** Frames since the stream began, on whichever node. */
  get frames(): number {
    return this.#boundaries.nextFrame;
  }

  get nextSequence(): number {
    return this.#boundaries.nextSequence;
  }

  get lastArrivalMs(): number | undefined {
    return this.#lastArrivalMs;
  }

  /** The newest audio configuration, also before its first packet. */
  get audioConfig(): AudioConfig | undefined {
    return [...this.#audioConfigs.values()].at(-1);
  }

  /** What the balancer chooses renditions by. Call after the first frame. */
  summary(): SourceSummary {
    const video = this.#video!.config;
    const { codec, codecString, width, height } = video;
    const audio = this.audioConfig;
    if (audio === undefined) return { video: { codec, codecString, width, height } };
    const { sampleRate, channels } = audio;
    return {
      video: { codec, codecString, width, height },
      audio: { codec: audio.codec, codecString: audio.codecString, sampleRate, channels },
    };
  }

  configure(config: TrackConfig): void {
    const version = this.#timeline.configure(config);
    if (config.kind === "video") this.#videoConfigs.set(version, config);
    else this.#audioConfigs.set(version, config);
  }

  addVideo(sample: RawSample, arrivalMs: number): void {
    this.#lastArrivalMs = arrivalMs;
    for (const frame of this.#timeline.video(sample, arrivalMs)) this.#takeVideo(frame);
  }

  addAudio(sample: RawSample, arrivalMs: number): void {
    for (const frame of this.#timeline.audio(sample, arrivalMs)) this.#takeAudio(frame);
  }

  /** Another connection of the publisher: its clock is a new one. */
  reconnect(): void {
    for (const frame of this.#timeline.reconnect()) this.#takeVideo(frame);
    this.#boundaries.restart();
  }

  /** The source is over: closes what is open. */
  finish(): void {
    for (const frame of this.#timeline.flush()) this.#takeVideo(frame);
    for (const completed of this.#boundaries.finish()) this.#parts.segments.completeVideo(completed);
    this.#parts.segments.finish();
    this.#parts.buffer.close();
  }

  #takeVideo(frame: Frame): void {
    const { buffer, segments, audio, onBoundary } = this.#parts;
    // A configuration counts from the first frame that names it, not from when it was announced.
    const config = this.#videoConfigs.get(frame.configVersion);
    if (config === undefined) return;
    if (this.#video?.version !== frame.configVersion) {
      this.#video = { version: frame.configVersion, config };
      buffer.setConfig(frame.configVersion, config);
    }
    const { boundary, completed, sequence } = this.#boundaries.push(frame);
    for (const segment of completed) segments.completeVideo(segment);
    if (boundary !== undefined) {
      buffer.announce(boundary, frame.arrivalMs);
      segments.begin(boundary, config, frame.arrivalMs);
      audio.boundary(boundary, frame.arrivalMs);
      onBoundary(boundary.sequence);
    }
    if (sequence === undefined) return;
    buffer.add(sequence, frame);
    segments.addVideo(sequence, frame);
    segments.advance(frame.epoch, this.#boundaries.highestPts);
    audio.advance(frame.epoch, this.#boundaries.highestPts);
  }

  #takeAudio(frame: Frame): void {
    const { segments, audio } = this.#parts;
    const config = this.#audioConfigs.get(frame.configVersion);
    if (config === undefined) return;
    if (this.#audioVersion !== frame.configVersion) {
      this.#audioVersion = frame.configVersion;
      segments.setAudio(config);
      audio.setSource(frame.configVersion, config);
    }
    segments.addAudio(frame);
    audio.addSource(frame);
  }
}
