import { AudioCutter, type AudioStep } from "@leat/node/media/audio-cutter.ts";
import {
  type AudioConfig,
  type Boundary,
  type Frame,
  type SourceAudioConfig,
  VIDEO_TIMESCALE,
} from "@leat/sdk/protocol/frame.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import { describeAudio, toFrame } from "@leat/transcoder/audio-packet.ts";
import { AUDIO_SAMPLE_RATE } from "@leat/transcoder/presets.ts";
import type { PackedPart } from "../jobs/packed-segment.ts";
import { canPass, mayBeSound, PassingGroup, silentPackets } from "./passing-sound.ts";
import type { PublishedLog } from "./published-log.ts";
import { type PlacedTag, WaitingTags } from "./waiting-tags.ts";

export interface SoundGroupOptions {
  /** Where packets go at once. */
  readonly log: Pick<PublishedLog, "open" | "push" | "end">;
  /** A segment is whole. */
  readonly onSegment: (rung: number, sequence: number) => void;
}

/** Segments whose parts are kept until they are asked for. */
const MOST_PASSED = 8;

export interface BegunSegment {
  readonly boundary: Boundary;
  readonly wallClockMs: number;
}

/** A stream's sound in one codec: passed on as it comes where that will do, or what an encoder gives; cut as the video is. */
export class SoundGroup {
  readonly codec: "aac" | "opus";
  readonly rung: number;
  readonly #options: SoundGroupOptions;
  readonly #cutter = new AudioCutter(AUDIO_SAMPLE_RATE);
  readonly #segments = new Map<number, BegunSegment>();
  #bitrate = 0;
  #channels: 1 | 2 | undefined;
  #passing: PassingGroup | undefined;
  #config: AudioConfig | undefined;
  /** The segment that its packets go to. */
  #open: number | undefined;
  /** The newest that had sound. */
  #heard: number | undefined;
  /** By segment: what went out of it while packets are passed on, until it is asked for. */
  readonly #passed = new Map<number, { readonly frames: Frame[]; readonly parts: PackedPart[] }>();
  readonly #tags = new WaitingTags(AUDIO_SAMPLE_RATE);
  /** Up to where its packets reach that came, and those that went out. */
  #end = { epoch: -1, pts: 0 };
  #shown = { epoch: -1, pts: 0 };

  constructor(rung: number, codec: "aac" | "opus", options: SoundGroupOptions) {
    this.rung = rung;
    this.codec = codec;
    this.#options = options;
  }

  get bitrate(): number {
    return this.#bitrate;
  }

  /** Those of the first source, for good: what plays it was set up for them. */
  get channels(): 1 | 2 {
    return this.#channels ?? 2;
  }

  /** Its packets are the source's: it needs no encoder. */
  get isPassing(): boolean {
    return this.#passing !== undefined;
  }

  describe({ bitrate }: RenditionInfo): void {
    this.#bitrate = bitrate;
  }

  /** Call when it is described. What does not fit a decoder that was set up is encoded from then on, for good. */
  setSource(config: SourceAudioConfig): void {
    const fits = canPass(this.codec, config);
    if (this.#channels !== undefined) {
      if (!fits || config.channels !== this.#channels) this.#passing = undefined;
      return;
    }
    this.#channels = config.channels === 1 ? 1 : 2;
    if (!fits) return;
    this.#config = describeAudio(this.codec, this.#channels, config.description);
    this.#passing = new PassingGroup({ codec: this.codec, bitrate: this.#bitrate }, this.#channels);
  }

  /** A packet of the source. What can be none leaves a hole. */
  pass(frame: Frame): void {
    const passing = this.#passing;
    if (passing === undefined || !mayBeSound(this.codec, frame.data)) return;
    for (const packet of passing.push(frame)) {
      // Mostly it goes out as it came.
      const isSame = packet.pts === frame.pts && packet.data === frame.data;
      this.push(isSame ? frame : toFrame(packet, frame.arrivalMs));
    }
    if (passing.isUnfit) this.#passing = undefined;
  }

  /** The segment's parts, where it is whole and exactly these packets went out. Gives them once. */
  takePassed(sequence: number, frames: readonly Frame[]): readonly PackedPart[] | undefined {
    const passed = this.#passed.get(sequence);
    this.#passed.delete(sequence);
    if (passed === undefined || this.#open === sequence || passed.frames.length !== frames.length) return undefined;
    return passed.frames.every((frame, at) => frame === frames[at]) ? passed.parts : undefined;
  }

  passSilence(epoch: number, from: number, until: number, arrivalMs: number): void {
    for (const packet of this.#passing?.silence(epoch, from, until) ?? []) this.push(toFrame(packet, arrivalMs));
  }

  /** What its encoder's packets need. Those that were passed on before have set decoders up for both. */
  setConfig(config: AudioConfig): void {
    this.#config ??= config;
  }

  /** Its next packet. An encoder that begins behind others warms up before its first sample, and repeats a little. */
  push(frame: Frame): void {
    const { epoch, pts, duration } = frame;
    if (epoch === this.#end.epoch && pts < this.#end.pts) return;
    this.#end = { epoch, pts: pts + duration };
    this.#takeSteps(this.#cutter.push(frame));
  }

  addTag(tag: PlacedTag): void {
    this.#tags.add(tag);
  }

  begin(segment: BegunSegment): void {
    this.#segments.set(segment.boundary.sequence, segment);
    this.#takeSteps(this.#cutter.boundary(segment.boundary));
  }

  /** The video of the open epoch has shown `pts`. */
  advance(epoch: number, pts: number): void {
    this.#takeSteps(this.#cutter.advance(epoch, pts));
  }

  finish(): void {
    this.#takeSteps(this.#cutter.finish());
    this.#passed.clear();
  }

  #takeSteps(steps: readonly AudioStep[]): void {
    for (const step of steps) {
      if (step.type === "frame") {
        this.#heard = step.sequence;
        this.#publish(step.sequence, step.frame);
      } else {
        this.#fill(step.sequence, step.endPts);
        this.#close(step.sequence);
      }
    }
  }

  #publish(sequence: number, frame: Frame): void {
    const segment = this.#segments.get(sequence);
    if (segment === undefined || this.#config === undefined || frame.epoch !== segment.boundary.epoch) return;
    const { log } = this.#options;
    const { rung } = this;
    if (this.#open !== sequence) {
      const { epoch, firstFrame, discontinuity } = segment.boundary;
      const { wallClockMs } = segment;
      log.open({ rung, sequence, epoch, firstFrame, discontinuity, wallClockMs, config: this.#config });
      this.#open = sequence;
      if (this.isPassing) this.#passed.set(sequence, { frames: [], parts: [] });
      for (const old of this.#passed.keys()) if (old <= sequence - MOST_PASSED) this.#passed.delete(old);
    }
    const published = this.#tags.attach(frame);
    const part = log.push(rung, published);
    this.#passed.get(sequence)?.frames.push(published);
    this.#keep(sequence, part);
    this.#shown = { epoch: frame.epoch, pts: frame.pts + frame.duration };
  }

  /**
   * A segment behind one with sound that got none, as where a publisher is cut off a moment after a key frame, is silent.
   * Not all players know what a gap is.
   */
  #fill(sequence: number, endPts: number): void {
    const segment = this.#segments.get(sequence);
    if (segment === undefined || this.#heard !== sequence - 1) return;
    const { epoch, pts: startPts } = segment.boundary;
    const [from, until] = [startPts, endPts].map((pts) => Math.round((pts * AUDIO_SAMPLE_RATE) / VIDEO_TIMESCALE));
    const { duration, data } = silentPackets[this.codec](this.channels);
    let pts = epoch === this.#shown.epoch ? Math.max(from!, this.#shown.pts) : from!;
    do {
      this.#publish(sequence, toFrame({ epoch, pts, duration, data }, segment.wallClockMs));
      pts += duration;
    } while (pts < until!);
  }

  #close(sequence: number): void {
    this.#segments.delete(sequence);
    if (this.#open !== sequence) return;
    this.#open = undefined;
    this.#keep(sequence, this.#options.log.end(this.rung));
    this.#options.onSegment(this.rung, sequence);
  }

  #keep(sequence: number, part: PackedPart | undefined): void {
    if (part !== undefined) this.#passed.get(sequence)?.parts.push(part);
  }
}
