import type { Clock } from "@leat/node/kernel/clock.ts";
import { findOffered } from "@leat/node/media/playable.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import { type Boundary, type Frame, type SourceAudioConfig, VIDEO_TIMESCALE } from "@leat/sdk/protocol/frame.ts";
import { AAC_RUNG, OPUS_RUNG, type RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import type { AudioInput } from "@leat/transcoder/engine.ts";
import { AUDIO_SAMPLE_RATE } from "@leat/transcoder/presets.ts";
import type { PackedPart } from "../jobs/packed-segment.ts";
import { type BegunSegment, SoundGroup, type SoundGroupOptions } from "./sound-group.ts";
import { SoundWorkers, type StartAudio } from "./sound-workers.ts";
import type { PlacedTag } from "./waiting-tags.ts";

export interface AudioGroupsOptions extends SoundGroupOptions {
  readonly startAudio: StartAudio;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What the video did, told to a group's cutter once the audio that came before it is encoded. */
interface VideoStep {
  readonly begun?: BegunSegment;
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
/**
 * Audio so far behind the picture has stopped, and players would stop with it: they hear silence instead. Less than
 * what the cutters wait, so that the silence is still in time.
 */
const silentAfterS = 1.75;
/** Silence ends so far behind the picture: sound that returns is heard from its beginning. */
const silenceBehindS = 1.5;
/** A group that nobody wishes for any more is encoded for so long: viewers come back. */
const lingerMs = 30_000;

/**
 * The stream's AAC and Opus groups, made once, here at the origin, cut as the video is. A group of the source's own codec
 * is passed on; one that manifests name is encoded in a forked worker, and one that they do not name only while somebody
 * wishes for it.
 */
export class AudioGroups {
  readonly #options: AudioGroupsOptions;
  readonly #groups: readonly SoundGroup[];
  readonly #workers: SoundWorkers;
  #source: { version: number; config: SourceAudioConfig } | undefined;
  #wanted: readonly SoundGroup[] | undefined;
  #offered: ReadonlySet<number> = new Set();
  #wished: ReadonlySet<number> = new Set();
  /** By rung: when the last wish for it ended. */
  readonly #wishedUntil = new Map<number, number>();
  #waiting: Frame[] = [];
  /** Packets that came, and stretches of silence. */
  #fed = 0;
  /** What each group's cutter has not been told yet. */
  readonly #steps = new Map<SoundGroup, VideoStep[]>();
  /** How far the source's sound has come, and the picture; seconds of the epoch. */
  #heard = { epoch: -1, untilS: 0 };
  #shown = { epoch: -1, atS: 0 };
  #closed = false;

  constructor(options: AudioGroupsOptions) {
    this.#options = options;
    const { log, onSegment } = options;
    this.#groups = [
      new SoundGroup(AAC_RUNG, "aac", { log, onSegment }),
      new SoundGroup(OPUS_RUNG, "opus", { log, onSegment }),
    ];
    for (const group of this.#groups) this.#steps.set(group, []);
    const { startAudio, clock, logger } = options;
    this.#workers = new SoundWorkers({ startAudio, clock, logger, onPacket: () => this.#release() });
  }

  /** The groups that the stream has; none: audio is not delivered. */
  setRenditions(renditions: readonly RenditionInfo[]): void {
    this.#offered = new Set(findOffered(renditions).map(({ rung }) => rung));
    this.#wanted = this.#groups.filter((group) => {
      const info = renditions.find(({ rung }) => rung === group.rung);
      if (info !== undefined) group.describe(info);
      return info !== undefined;
    });
    if (this.#source !== undefined) for (const group of this.#wanted) group.setSource(this.#source.config);
    for (const frame of this.#waiting.splice(0)) this.#take({ type: "frame", frame });
    this.#release();
  }

  /** Rungs that some viewer follows now, of those that are not made without one. */
  wish(rungs: ReadonlySet<number>): void {
    const nowMs = this.#options.clock.nowMs();
    for (const rung of this.#wished) if (!rungs.has(rung)) this.#wishedUntil.set(rung, nowMs + lingerMs);
    this.#wished = rungs;
  }

  setSource(version: number, config: SourceAudioConfig): void {
    this.#source = { version, config };
    for (const group of this.#wanted ?? []) group.setSource(config);
    this.#workers.configure(version, config);
  }

  addSource(frame: Frame): void {
    if (this.#closed) return;
    const timescale = this.#source?.config.timescale ?? AUDIO_SAMPLE_RATE;
    const untilS = (frame.pts + frame.duration) / timescale;
    if (frame.epoch > this.#heard.epoch) this.#heard = { epoch: frame.epoch, untilS };
    else if (frame.epoch === this.#heard.epoch) this.#heard.untilS = Math.max(this.#heard.untilS, untilS);
    if (this.#wanted === undefined && this.#waiting.length >= maxWaiting) return;
    this.#fed += 1;
    if (this.#wanted !== undefined) this.#take({ type: "frame", frame });
    else this.#waiting.push(frame);
  }

  /** Every group carries it: a player plays one of them. */
  addTag(tag: PlacedTag): void {
    for (const group of this.#groups) group.addTag(tag);
  }

  boundary(boundary: Boundary, wallClockMs: number): void {
    if (boundary.epoch > this.#heard.epoch) {
      this.#heard = { epoch: boundary.epoch, untilS: boundary.pts / VIDEO_TIMESCALE };
    }
    this.#step({ begun: { boundary, wallClockMs } });
  }

  /** The video of the open epoch has shown `pts`. */
  advance(epoch: number, pts: number): void {
    this.#shown = { epoch, atS: pts / VIDEO_TIMESCALE };
    this.#fillSilence(silentAfterS, silenceBehindS);
    this.#step({ shown: { epoch, pts } });
  }

  /** The segment's parts, where a group passed on exactly these packets of the source. Gives them once. */
  takePassed(sequence: number, frames: readonly Frame[]): readonly PackedPart[] | undefined {
    // Each forgets it.
    const passed = this.#groups.map((group) => group.takePassed(sequence, frames));
    return passed.find((parts) => parts !== undefined);
  }

  /** The source is over: resolves when the last segments are out. */
  async finish(): Promise<void> {
    if (this.#closed) return;
    this.#fillSilence(0, 0);
    this.#closed = true;
    await this.#workers.end();
    this.#waiting = [];
    this.#release();
    for (const group of this.#groups) group.finish();
  }

  kill(): void {
    this.#closed = true;
    this.#workers.kill();
  }

  #step(what: Pick<VideoStep, "begun" | "shown">): void {
    const step = { ...what, fed: this.#fed, atMs: this.#options.clock.nowMs() };
    for (const steps of this.#steps.values()) steps.push(step);
    this.#release();
  }

  /** Tells the cutters what the video did, each as far as its group's audio before it is encoded: none waits for another. */
  #release(): void {
    const lateMs = this.#options.clock.nowMs() - longestHoldMs;
    for (const [group, steps] of this.#steps) {
      const encoded = this.#fed - this.#waiting.length - this.#workers.queuedFor(group);
      let ready = 0;
      while (ready < steps.length) {
        const { fed, atMs } = steps[ready]!;
        if (fed > encoded && atMs > lateMs) break;
        ready += 1;
      }
      for (const { begun, shown } of steps.splice(0, ready)) {
        if (begun !== undefined) group.begin(begun);
        if (shown !== undefined) group.advance(shown.epoch, shown.pts);
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
    this.#fed += 1;
    this.#take({ type: "silence", epoch, from, until, arrivalMs });
  }

  /** Hands on to every group. What no encoder takes waits for none. */
  #take(input: Exclude<AudioInput, { type: "config" }>): void {
    for (const group of this.#wanted ?? []) {
      if (input.type === "frame") group.pass(input.frame);
      else group.passSilence(input.epoch, input.from, input.until, input.arrivalMs);
    }
    if (this.#source === undefined) return;
    this.#workers.arrange(this.#findEncoded(), this.#source.config);
    this.#workers.push(input);
  }

  #findEncoded(): SoundGroup[] {
    const nowMs = this.#options.clock.nowMs();
    return (this.#wanted ?? []).filter(({ isPassing, rung }) => {
      const isWished = this.#wished.has(rung) || (this.#wishedUntil.get(rung) ?? 0) > nowMs;
      return !isPassing && (isWished || this.#offered.has(rung));
    });
  }
}
