import type { Clock } from "@leat/node/kernel/clock.ts";
import { AudioCutter, type AudioStep } from "@leat/node/media/audio-cutter.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import { type AudioConfig, type Boundary, type Frame, VIDEO_TIMESCALE } from "@leat/sdk/protocol/frame.ts";
import { AAC_RUNG, OPUS_RUNG, type RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import type { AudioInput, AudioSpec } from "@leat/transcoder/engine.ts";
import { AUDIO_SAMPLE_RATE } from "@leat/transcoder/presets.ts";
import type { AudioEncode, AudioEncodeEvents } from "@leat/transcoder/supervisor.ts";
import type { PublishedLog } from "./published-log.ts";

export type StartAudio = (spec: AudioSpec, events: AudioEncodeEvents) => AudioEncode;

export interface AudioGroupsOptions {
  readonly startAudio: StartAudio;
  /** Where packets go at once. */
  readonly log: Pick<PublishedLog, "open" | "push" | "end">;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A group's segment is whole. */
  readonly onSegment: (rung: number, sequence: number) => void;
}

interface Group {
  readonly info: RenditionInfo;
  readonly cutter: AudioCutter;
  readonly segments: Map<number, { boundary: Boundary; wallClockMs: number }>;
  config: AudioConfig | undefined;
  /** The segment that its packets go to. */
  open: number | undefined;
  lastDts: number;
}

/** What the video did, told to the cutters once the audio that came before it is encoded. */
interface VideoStep {
  readonly boundary?: { readonly boundary: Boundary; readonly wallClockMs: number };
  readonly shown?: { readonly epoch: number; readonly pts: number };
  /** Packets that came before it. */
  readonly fed: number;
  readonly atMs: number;
}

/**
 * Encoding starts late (the balancer is asked first, a process starts), and the cutters would take that for audio that
 * has stopped. Beyond this they may.
 */
const longestHoldMs = 10_000;
/** About 20 s of packets before the balancer has said which groups there are. */
const maxWaiting = 1_024;
/** Packets that the encoder may be behind: beyond it the machine cannot keep up, and audio gaps are the least harm. */
const maxQueued = 512;
const restartPauseMs = 1_000;
/**
 * Audio so far behind the picture has stopped, and players would stop with it: they hear silence instead. Less than
 * what the cutters wait, so that the silence is still in time.
 */
const silentAfterS = 1.75;
/** Silence ends so far behind the picture: sound that returns is heard from its beginning. */
const silenceBehindS = 1.5;

/** The stream's AAC and Opus groups: encoded once, here at the origin, in one forked worker, cut as the video is. */
export class AudioGroups {
  readonly #options: AudioGroupsOptions;
  readonly #groups: Group[];
  #source: { version: number; config: AudioConfig } | undefined;
  #worker: AudioEncode | undefined;
  #wanted: readonly Group[] | undefined;
  #waiting: Frame[] = [];
  #notBefore = 0;
  #fed = 0;
  #steps: VideoStep[] = [];
  /** How far the source's sound has come, and the picture; seconds of the epoch. */
  #heard = { epoch: -1, untilS: 0 };
  #shown = { epoch: -1, atS: 0 };
  #closed = false;
  #killed = false;

  constructor(options: AudioGroupsOptions) {
    this.#options = options;
    this.#groups = (
      [
        [AAC_RUNG, "aac"],
        [OPUS_RUNG, "opus"],
      ] as const
    ).map(([rung, codec]) => ({
      info: { rung, name: codec, kind: "audio", codec, bitrate: 0 },
      cutter: new AudioCutter(AUDIO_SAMPLE_RATE),
      segments: new Map(),
      config: undefined,
      open: undefined,
      lastDts: -1,
    }));
  }

  /** The groups that the stream has; none: audio is not delivered. */
  setRenditions(renditions: readonly RenditionInfo[]): void {
    this.#wanted = this.#groups.flatMap((group) => {
      const info = renditions.find((rendition) => rendition.rung === group.info.rung);
      return info === undefined ? [] : [Object.assign(group, { info })];
    });
    for (const frame of this.#waiting.splice(0)) if (!this.#encode({ type: "frame", frame })) this.#fed -= 1;
    this.#release();
  }

  setSource(version: number, config: AudioConfig): void {
    this.#source = { version, config };
    if (this.#worker !== undefined) this.#guard(this.#worker.push({ type: "config", version, config }));
  }

  addSource(frame: Frame): void {
    if (this.#closed) return;
    const timescale = this.#source?.config.timescale ?? AUDIO_SAMPLE_RATE;
    const untilS = (frame.pts + frame.duration) / timescale;
    if (frame.epoch > this.#heard.epoch) this.#heard = { epoch: frame.epoch, untilS };
    else if (frame.epoch === this.#heard.epoch) this.#heard.untilS = Math.max(this.#heard.untilS, untilS);
    if (this.#wanted !== undefined) this.#fed += this.#encode({ type: "frame", frame }) ? 1 : 0;
    else if (this.#waiting.length < maxWaiting) {
      this.#waiting.push(frame);
      this.#fed += 1;
    }
  }

  boundary(boundary: Boundary, wallClockMs: number): void {
    if (boundary.epoch > this.#heard.epoch) {
      this.#heard = { epoch: boundary.epoch, untilS: boundary.pts / VIDEO_TIMESCALE };
    }
    this.#steps.push({ boundary: { boundary, wallClockMs }, fed: this.#fed, atMs: this.#options.clock.nowMs() });
    this.#release();
  }

  /** The video of the open epoch has shown `pts`. */
  advance(epoch: number, pts: number): void {
    this.#shown = { epoch, atS: pts / VIDEO_TIMESCALE };
    this.#fillSilence(silentAfterS, silenceBehindS);
    this.#steps.push({ shown: { epoch, pts }, fed: this.#fed, atMs: this.#options.clock.nowMs() });
    this.#release();
  }

  /** The source is over: resolves when the last segments are out. */
  async finish(): Promise<void> {
    if (this.#closed) return;
    this.#fillSilence(0, 0);
    this.#closed = true;
    await this.#worker?.end().catch(() => {});
    this.#worker = undefined;
    this.#waiting = [];
    this.#release();
    for (const group of this.#groups) this.#takeSteps(group, group.cutter.finish());
  }

  kill(): void {
    this.#closed = true;
    this.#killed = true;
    this.#worker?.kill();
  }

  /** Tells the cutters what the video did, as far as the audio before it is encoded. */
  #release(): void {
    const encoded = this.#fed - this.#waiting.length - (this.#worker?.queued() ?? 0);
    const lateMs = this.#options.clock.nowMs() - longestHoldMs;
    let ready = 0;
    while (ready < this.#steps.length) {
      const { fed, atMs } = this.#steps[ready]!;
      if (fed > encoded && atMs > lateMs) break;
      ready += 1;
    }
    for (const { boundary, shown } of this.#steps.splice(0, ready)) {
      for (const group of this.#groups) {
        if (boundary !== undefined) {
          group.segments.set(boundary.boundary.sequence, boundary);
          this.#takeSteps(group, group.cutter.boundary(boundary.boundary));
        }
        if (shown !== undefined) this.#takeSteps(group, group.cutter.advance(shown.epoch, shown.pts));
      }
    }
  }

  /** Where the sound is behind the picture by more than `afterS`, it is silent up to `behindS` behind it. */
  #fillSilence(afterS: number, behindS: number): void {
    const { epoch, atS } = this.#shown;
    if (this.#source === undefined || this.#heard.epoch !== epoch || atS - this.#heard.untilS <= afterS) return;
    const from = Math.round(this.#heard.untilS * AUDIO_SAMPLE_RATE);
    this.#heard.untilS = atS - behindS;
    const until = Math.round(this.#heard.untilS * AUDIO_SAMPLE_RATE);
    const arrivalMs = this.#options.clock.nowMs();
    if (this.#encode({ type: "silence", epoch, from, until, arrivalMs })) this.#fed += 1;
  }

  /** False for a packet that is given up: there is no encoder, or it cannot keep up. */
  #encode(input: AudioInput): boolean {
    const wanted = this.#wanted ?? [];
    if (wanted.length === 0) return false;
    this.#worker ??= this.#startWorker(wanted);
    if (this.#worker === undefined || this.#worker.queued() > maxQueued) return false;
    this.#guard(this.#worker.push(input));
    return true;
  }

  #startWorker(wanted: readonly Group[]): AudioEncode | undefined {
    const { startAudio, clock, logger } = this.#options;
    if (this.#source === undefined || clock.nowMs() < this.#notBefore) return undefined;
    const groups = wanted.map(({ info }) => ({ codec: info.codec as "aac" | "opus", bitrate: info.bitrate }));
    return startAudio(
      { source: this.#source.config, groups },
      {
        config: (index, _, config) => {
          wanted[index]!.config = config;
        },
        frame: (index, frame) => {
          if (this.#killed) return;
          const group = wanted[index]!;
          this.#takeSteps(group, group.cutter.push(frame));
          this.#release();
        },
        error: (error) => logger.warn("Encode audio failed", { error }),
        exit: (error) => {
          if (error === undefined || this.#closed) return;
          this.#worker = undefined;
          this.#notBefore = clock.nowMs() + restartPauseMs;
        },
      },
    );
  }

  #takeSteps(group: Group, steps: readonly AudioStep[]): void {
    for (const step of steps) {
      if (step.type === "frame") this.#publish(group, step.sequence, step.frame);
      else this.#close(group, step.sequence);
    }
  }

  #publish(group: Group, sequence: number, frame: Frame): void {
    const segment = group.segments.get(sequence);
    if (segment === undefined || group.config === undefined) return;
    const { log } = this.#options;
    const { rung } = group.info;
    if (group.open !== sequence) {
      const { epoch, firstFrame, discontinuity } = segment.boundary;
      const { wallClockMs } = segment;
      log.open({ rung, sequence, epoch, firstFrame, discontinuity, wallClockMs, config: group.config });
      group.open = sequence;
      group.lastDts = -1;
    }
    // A worker that was started anew may say a little again of what the one before it had said.
    if (frame.dts <= group.lastDts || frame.epoch !== segment.boundary.epoch) return;
    group.lastDts = frame.dts;
    log.push(rung, frame);
  }

  #close(group: Group, sequence: number): void {
    group.segments.delete(sequence);
    if (group.open !== sequence) return;
    group.open = undefined;
    this.#options.log.end(group.info.rung);
    this.#options.onSegment(group.info.rung, sequence);
  }

  /** A lost worker is told by its exit. */
  #guard(pushed: Promise<void>): void {
    pushed.catch(() => {});
  }
}
