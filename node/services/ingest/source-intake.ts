import { BoundaryMaker } from "@leat/node/media/boundaries.ts";
import { SoundBoundaryMaker, soundTicks } from "@leat/node/media/sound-boundaries.ts";
import { HealthMeter } from "@leat/node/media/source-health.ts";
import { type RawSample, Timeline } from "@leat/node/media/timeline.ts";
import { WallClock } from "@leat/node/media/wall-clock.ts";
import {
  type Boundary,
  type Frame,
  type SourceAudioConfig,
  type SourceConfig,
  type SourceVideoConfig,
  VIDEO_TIMESCALE,
} from "@leat/sdk/protocol/frame.ts";
import type { SourceSummary } from "@leat/sdk/protocol/job.ts";
import type { AudioGroups } from "./audio-groups.ts";
import type { PlacedCue } from "./cue-book.ts";
import type { Passthrough } from "./passthrough.ts";
import type { SourceBuffer } from "./source-buffer.ts";
import type { SourceSegments } from "./source-segments.ts";
import { WaitingTags } from "./waiting-tags.ts";

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
  readonly passthrough: Passthrough;
  /** A segment begins. */
  readonly onBoundary: (boundary: Boundary, wallClockMs: number) => void;
  /** A picture of a segment came. */
  readonly onPicture: (sequence: number, frame: Frame) => void;
  /** The first picture of a stream that has begun as sound alone. */
  readonly onLatePicture: () => void;
  readonly onCue: (cue: PlacedCue) => void;
}

/** Pictures by which a frame's length is known: half a second of most streams. */
const MEASURED_FRAMES = 16;
/** Sound without a picture, and without a word of one, for this long: there will be none. */
const SOUND_ALONE_AFTER_S = 4;

/**
 * One stream's samples, of one publisher after the other, become frames, segments and epochs here. The picture sets the
 * segments; a stream that shows none is cut by its sound, and stays so.
 */
export class SourceIntake {
  readonly health = new HealthMeter();
  readonly #start: SourceStart;
  readonly #parts: SourceIntakeParts;
  readonly #timeline: Timeline;
  readonly #boundaries: BoundaryMaker;
  readonly #wallClock = new WallClock();
  readonly #pictureTags = new WaitingTags(VIDEO_TIMESCALE);
  readonly #videoConfigs = new Map<number, SourceVideoConfig>();
  readonly #audioConfigs = new Map<number, SourceAudioConfig>();
  #video: { readonly version: number; readonly config: SourceVideoConfig } | undefined;
  #audioVersion: number | undefined;
  /** Packets from before it is known whether there is a picture. */
  #early: Frame[] | undefined = [];
  #earlyS = 0;
  #sound: SoundBoundaryMaker | undefined;
  #toldLate = false;
  #lastArrivalMs: number | undefined;
  #lastPictureAtMs: number | undefined;
  #lastSoundAtMs: number | undefined;
  readonly #firstDurations: number[] = [];

  constructor(start: SourceStart, parts: SourceIntakeParts) {
    const { startSequence: sequence, startFrame: firstFrame, startEpoch, discontinuity } = start;
    this.#start = start;
    this.#parts = parts;
    this.#timeline = new Timeline({ startEpoch });
    this.#boundaries = new BoundaryMaker({ sequence, firstFrame, discontinuity });
  }

  /** Frames since the stream began, on whichever node. */
  get frames(): number {
    return this.#boundaries.nextFrame;
  }

  /** When the newest picture or sound came. */
  get lastArrivalMs(): number | undefined {
    return this.#lastArrivalMs;
  }

  /** The same of each, also where nobody gets it. */
  get lastAtMs(): { readonly video: number | undefined; readonly audio: number | undefined } {
    return { video: this.#lastPictureAtMs, audio: this.#lastSoundAtMs };
  }

  /** How long a picture stands, by the first ones; 0 where there is none. */
  get frameTicks(): number {
    const total = this.#firstDurations.reduce((sum, ticks) => sum + ticks, 0);
    return this.#firstDurations.length === 0 ? 0 : total / this.#firstDurations.length;
  }

  /** The newest audio configuration, also before its first packet. */
  get audioConfig(): SourceAudioConfig | undefined {
    return [...this.#audioConfigs.values()].at(-1);
  }

  /** What the balancer chooses renditions by. Call after the first frame. */
  summary(): SourceSummary {
    const { audioConfig } = this;
    return {
      ...(this.#video === undefined ? {} : { video: summarizeVideo(this.#video.config) }),
      ...(audioConfig === undefined ? {} : { audio: summarizeAudio(audioConfig) }),
    };
  }

  /** No sound is known, and somebody gets the pictures as they came in. */
  get #hasTagsInPictures(): boolean {
    return this.#audioConfigs.size === 0 && this.#parts.passthrough.isWanted;
  }

  configure(config: SourceConfig): void {
    const version = this.#timeline.configure(config);
    if (config.kind === "video") this.#videoConfigs.set(version, config);
    else this.#audioConfigs.set(version, config);
  }

  addVideo(sample: RawSample, arrivalMs: number): void {
    this.#lastPictureAtMs = arrivalMs;
    if (this.#sound !== undefined) {
      if (!this.#toldLate) this.#parts.onLatePicture();
      this.#toldLate = true;
      return;
    }
    this.#lastArrivalMs = arrivalMs;
    for (const frame of this.#timeline.video(sample, arrivalMs)) this.#takeVideo(frame);
  }

  addAudio(sample: RawSample, arrivalMs: number): void {
    // A publisher whose pictures alone have stopped is there all the same.
    this.#lastArrivalMs = arrivalMs;
    this.#lastSoundAtMs = arrivalMs;
    for (const frame of this.#timeline.audio(sample, arrivalMs)) this.#takeAudio(frame);
  }

  /** `atMs`: of the publisher's clock; undefined: now. */
  addCue(atMs: number | undefined, command: Uint8Array): void {
    const place = this.#timeline.locate(atMs);
    if (place !== undefined) this.#parts.onCue({ ...place, command });
  }

  /** The same. Sound carries it or, where none is known, the pictures as they came in. */
  addTag(atMs: number | undefined, tag: Uint8Array): void {
    const place = this.#timeline.locate(atMs);
    if (place === undefined) return;
    this.#parts.audio.addTag({ ...place, tag });
    if (this.#hasTagsInPictures) this.#pictureTags.add({ ...place, tag });
  }

  /** Another connection of the publisher: its clock is a new one. */
  reconnect(): void {
    for (const frame of this.#timeline.reconnect()) this.#takeVideo(frame);
    this.#boundaries.restart();
    this.#parts.passthrough.reconnect();
  }

  /** What came so far is whole segments, which wait for nothing that follows: that begins with a key frame. */
  endSegment(): void {
    for (const frame of this.#timeline.flush()) this.#takeVideo(frame);
    const completed = this.#boundaries.cut();
    for (const segment of completed) this.#parts.segments.completeVideo(segment);
    this.#parts.passthrough.endSegment();
    const newest = completed.at(-1);
    if (newest !== undefined) this.#parts.buffer.endSegment(newest);
  }

  /** The source is over: closes what is open. */
  finish(): void {
    for (const frame of this.#timeline.flush()) this.#takeVideo(frame);
    if (this.#early !== undefined && this.#early.length > 0) this.#beginSoundAlone();
    for (const completed of this.#boundaries.finish()) this.#parts.segments.completeVideo(completed);
    this.#parts.segments.finish();
    this.#parts.passthrough.finish();
    this.#parts.buffer.close();
  }

  #takeVideo(frame: Frame): void {
    const { buffer, segments, audio, passthrough, onPicture } = this.#parts;
    if (this.#firstDurations.length < MEASURED_FRAMES) this.#firstDurations.push(frame.duration);
    // A configuration counts from the first frame that names it, not from when it was announced.
    const config = this.#videoConfigs.get(frame.configVersion);
    if (config === undefined) return;
    this.health.video(frame);
    this.#releaseEarly();
    if (this.#video?.version !== frame.configVersion) {
      this.#video = { version: frame.configVersion, config };
      buffer.setConfig(frame.configVersion, config);
    }
    const { boundary, completed, sequence } = this.#boundaries.push(frame);
    for (const segment of completed) segments.completeVideo(segment);
    if (boundary !== undefined) {
      buffer.announce(boundary, frame.arrivalMs);
      this.#begin(boundary, config, frame.arrivalMs);
    }
    if (sequence === undefined) return;
    onPicture(sequence, frame);
    buffer.add(sequence, frame);
    // Not those that transcoders get: what they make, sign and are checked by knows of no tags.
    const told = this.#hasTagsInPictures ? this.#pictureTags.attach(frame) : frame;
    passthrough.addVideo(sequence, told);
    segments.addVideo(sequence, told);
    audio.advance(frame.epoch, this.#boundaries.highestPts);
    segments.advance(frame.epoch, this.#boundaries.highestPts);
  }

  #begin(boundary: Boundary, config: SourceVideoConfig | undefined, arrivalMs: number): void {
    const wallClockMs = this.#wallClock.tell(boundary.epoch, boundary.pts, arrivalMs);
    this.#parts.audio.boundary(boundary, wallClockMs);
    this.#parts.segments.begin(boundary, config, wallClockMs);
    if (config !== undefined) this.#parts.passthrough.begin(boundary, config, wallClockMs);
    this.#parts.onBoundary(boundary, wallClockMs);
  }

  #takeAudio(frame: Frame): void {
    const config = this.#audioConfigs.get(frame.configVersion);
    if (config === undefined) return;
    this.health.audio(frame, config.timescale);
    if (this.#early === undefined) {
      this.#passAudio(frame, config);
      return;
    }
    this.#early.push(frame);
    this.#earlyS += frame.duration / config.timescale;
    if (this.#videoConfigs.size === 0 && this.#earlyS >= SOUND_ALONE_AFTER_S) this.#beginSoundAlone();
    // Its picture is announced and does not come: what was heard meanwhile would be dropped behind it anyway.
    else if (this.#earlyS >= 2 * SOUND_ALONE_AFTER_S) this.#releaseEarly();
  }

  #beginSoundAlone(): void {
    const { startSequence: sequence, startFrame: firstFrame, discontinuity } = this.#start;
    this.#sound = new SoundBoundaryMaker({ sequence, firstFrame, discontinuity });
    this.#releaseEarly();
  }

  #releaseEarly(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const frame of early) this.#passAudio(frame, this.#audioConfigs.get(frame.configVersion)!);
  }

  #passAudio(frame: Frame, config: SourceAudioConfig): void {
    const { segments, audio } = this.#parts;
    if (this.#audioVersion !== frame.configVersion) {
      this.#audioVersion = frame.configVersion;
      segments.setAudio(config);
      audio.setSource(frame.configVersion, config);
    }
    const boundary = this.#sound?.push(frame, config.timescale);
    if (boundary !== undefined) this.#begin(boundary, undefined, frame.arrivalMs);
    audio.addSource(frame);
    segments.addAudio(frame);
    if (this.#sound === undefined) return;
    const shown = soundTicks(frame, config.timescale);
    audio.advance(frame.epoch, shown);
    segments.advance(frame.epoch, shown);
  }
}

function summarizeVideo({ codec, codecString, width, height }: SourceVideoConfig): SourceSummary["video"] {
  return { codec, codecString, width, height };
}

function summarizeAudio({ codec, codecString, sampleRate, channels }: SourceAudioConfig): SourceSummary["audio"] {
  return { codec, codecString, sampleRate, channels };
}
