import { opusPacketSamples } from "@leat/sdk/protocol/bitstream/opus.ts";
import type { Frame, SourceAudioConfig, SourceConfig } from "@leat/sdk/protocol/frame.ts";
import { isSameConfig, VIDEO_TIMESCALE } from "@leat/sdk/protocol/frame.ts";

/** As a publisher sends it: a clock that may wrap, jump, stand still or go back. */
export interface RawSample {
  /** Ticks of the publisher's clock. */
  readonly dts: number;
  /** Presentation minus decode time; missing means 0. */
  readonly cts?: number;
  readonly key: boolean;
  readonly data: Uint8Array;
}

export interface TimelineOptions {
  readonly startEpoch?: number;
  /** Ticks a second of raw times; RTMP's milliseconds by default. */
  readonly rawTimescale?: number;
  /** Bits after which raw times wrap; RTMP's 32 by default. */
  readonly rawBits?: number;
}

/**
 * Where the first epoch's clock starts, in seconds. Not 0, so that an encoder's negative decode times (reordering) and
 * an audio codec's priming still have room above 0.
 */
export const EPOCH_START_S = 1;
/** A longer step between two pictures opens a new epoch: no segment of one clock could hold it (TARGETDURATION is 4). */
const LONGEST_STEP_S = 4;
/** A step back up to this is jitter and is smoothed; more opens a new epoch. */
const LONGEST_BACK_S = 0.1;
/** Packets of a track that did not jump yet stay in the old epoch for at most this long after another track jumped. */
export const LONGEST_LAG_S = 2;
/** Audio packets this near to where the last one ended are put exactly there: publishers round to milliseconds. */
const SNAP_S = 0.03;
/** A composition offset beyond this is garbage, not reordering. */
const LONGEST_CTS_S = 10;
/** Display times are unique among the last this many frames; reordering never reaches further. */
const RECENT_PTS = 64;
const AAC_SAMPLES = 1_024;
/** 20 ms, as nearly all send it: for a packet that does not say. */
const USUAL_OPUS_SAMPLES = 960;

interface Clock {
  readonly epoch: number;
  /** Where it starts. Whole, so that it is the same in every timescale. */
  readonly startS: number;
  /** Raw time, unwrapped, that is `startS` in the epoch. */
  readonly origin: number;
}

interface Track {
  config: SourceConfig | undefined;
  version: number;
  clock: Clock | undefined;
  /** Unwrapped raw dts of the last sample. */
  lastRaw: number | undefined;
  lastDts: number;
  lastDuration: number;
  /** Configuration of the last sample. */
  lastVersion: number | undefined;
  /** How far decode times are set back because the publisher's presentation times precede them. */
  setBack: number;
  recentPts: number[];
  /** Raw time spent in an epoch that another track has left. */
  lagSince: number | undefined;
}

/**
 * Turns one publisher's samples into frames as `sdk/protocol/frame.ts` wants them: strictly rising dts, unique pts,
 * durations, epochs. Audio and video share an epoch's origin, so they stay as far apart as they were sent. Clocks of
 * later epochs go on behind those before, as much later as the frames came: players that read each track by itself
 * (FFmpeg's and GStreamer's, which know a discontinuity by its times alone) would lose sight of how the tracks belong
 * together where times went back.
 *
 * A video frame's duration is the distance to the next, so each is held back until the next one comes: one frame of
 * latency. Audio packets have their codec's length and pass at once.
 */
export class Timeline {
  readonly #rawTimescale: number;
  readonly #rawRange: number;
  #nextEpoch: number;
  #newest: Clock | undefined;
  #newestRaw = 0;
  /** Where the last frame of all epochs ends, in seconds; undefined before the first. */
  #endS: number | undefined;
  #lastArrivalMs = 0;
  /** Whose duration is not known yet. */
  #held: (Frame & { duration: number }) | undefined;
  readonly #video = newTrack();
  readonly #audio = newTrack();

  constructor({ startEpoch = 0, rawTimescale = 1000, rawBits = 32 }: TimelineOptions = {}) {
    this.#rawTimescale = rawTimescale;
    this.#rawRange = 2 ** rawBits;
    this.#nextEpoch = startEpoch;
  }

  /** The epoch of the newest sample, -1 before the first. */
  get epoch(): number {
    return this.#newest?.epoch ?? -1;
  }

  /** A track's configuration; gives its version, which rises when it differs from the last. */
  configure(config: SourceConfig): number {
    const track = config.kind === "video" ? this.#video : this.#audio;
    if (track.config !== undefined && !isSameConfig(track.config, config)) track.version += 1;
    track.config = config;
    return track.version;
  }

  /** A new connection: the next sample opens an epoch. Gives the frame that was held back. */
  reconnect(): Frame[] {
    const flushed = this.flush();
    this.#newest = undefined;
    for (const track of [this.#video, this.#audio]) forgetClock(track);
    return flushed;
  }

  /** Gives the frame that was held back, with the duration of the one before it. */
  flush(): Frame[] {
    return this.#release(undefined);
  }

  /**
   * Where a time of the publisher's clock stands in the newest epoch, at 90 kHz; without one, where the newest sample
   * stands. Undefined before the first.
   */
  locate(raw: number = this.#newestRaw): { readonly epoch: number; readonly pts: number } | undefined {
    const newest = this.#newest;
    if (newest === undefined) return undefined;
    const unwrapped = this.#newestRaw + this.#signed(raw - this.#newestRaw);
    return { epoch: newest.epoch, pts: this.#toTicks(newest, unwrapped, VIDEO_TIMESCALE) };
  }

  /** Gives the previous frame, now that its duration is known. */
  video(sample: RawSample, arrivalMs: number): Frame[] {
    const track = this.#video;
    const before = track.clock;
    const raw = this.#enter(track, sample.dts, LONGEST_STEP_S, arrivalMs);
    const limit = LONGEST_CTS_S * this.#rawTimescale;
    const cts = sample.cts !== undefined && Math.abs(sample.cts) <= limit ? sample.cts : 0;
    const ctsTicks = Math.round((cts / this.#rawTimescale) * VIDEO_TIMESCALE);
    if (track.clock === before && this.#overlaps(track, raw, ctsTicks)) track.clock = this.#open(raw, arrivalMs);
    const isFirst = track.clock !== before;
    const flushed = isFirst ? this.flush() : [];
    if (isFirst) forgetTimes(track);
    track.lastVersion = track.version;
    const ideal = this.#toTicks(track.clock!, raw, VIDEO_TIMESCALE);
    let pts = ideal + ctsTicks;
    if (pts < ideal) track.setBack = Math.max(track.setBack, ideal - pts);
    const dts = Math.max(ideal - track.setBack, track.lastDts + 1, 0);
    // A decode time pushed forward by a duplicate carries its display time along.
    if (ideal - track.setBack < dts) pts = Math.max(pts, dts);
    pts = Math.max(pts, 0);
    while (track.recentPts.includes(pts)) pts += 1;
    track.recentPts.push(pts);
    if (track.recentPts.length > RECENT_PTS) track.recentPts.shift();
    const released = this.#release(isFirst ? undefined : dts);
    track.lastDts = dts;
    this.#note(pts / VIDEO_TIMESCALE, arrivalMs);
    const { key, data } = sample;
    this.#held = {
      kind: "video",
      epoch: track.clock!.epoch,
      dts,
      pts,
      duration: 0,
      key,
      configVersion: track.version,
      arrivalMs,
      data,
    };
    return isFirst ? flushed : released;
  }

  audio(sample: RawSample, arrivalMs: number): Frame[] {
    const track = this.#audio;
    const config = track.config as SourceAudioConfig | undefined;
    if (config === undefined) return [];
    const before = track.clock;
    const raw = this.#enter(track, sample.dts, Number.POSITIVE_INFINITY, arrivalMs);
    if (track.clock !== before) forgetTimes(track);
    const ideal = this.#toTicks(track.clock!, raw, config.timescale);
    const end = track.lastDts + track.lastDuration;
    const isNear = track.lastDts >= 0 && Math.abs(ideal - end) <= SNAP_S * config.timescale;
    const dts = isNear ? end : Math.max(ideal, track.lastDts + 1, 0);
    track.lastDts = dts;
    track.lastDuration = packetTicks(config, sample.data);
    const duration = track.lastDuration;
    this.#note((dts + duration) / config.timescale, arrivalMs);
    const { data } = sample;
    const { epoch } = track.clock!;
    return [
      { kind: "audio", epoch, dts, pts: dts, duration, key: true, configVersion: track.version, arrivalMs, data },
    ];
  }

  /**
   * Whether a new configuration begins before the old one's last pictures show, as it does where an encoder that
   * reorders is followed by one that does not: no segment could part them.
   */
  #overlaps(track: Track, raw: number, ctsTicks: number): boolean {
    if (track.lastVersion === undefined || track.lastVersion === track.version) return false;
    return this.#toTicks(track.clock!, raw, VIDEO_TIMESCALE) + ctsTicks <= Math.max(...track.recentPts);
  }

  #release(nextDts: number | undefined): Frame[] {
    const held = this.#held;
    if (held === undefined) return [];
    this.#held = undefined;
    const track = this.#video;
    if (nextDts !== undefined) track.lastDuration = nextDts - held.dts;
    held.duration = track.lastDuration || VIDEO_TIMESCALE / 30;
    return [held];
  }

  /** Unwraps the raw time and decides which epoch the sample stands in; opens one where none fits. */
  #enter(track: Track, wrapped: number, longestStepS: number, arrivalMs: number): number {
    const reference = track.lastRaw ?? this.#newestRaw;
    const raw = this.#newest === undefined ? wrapped : reference + this.#signed(wrapped - reference);
    const step = track.lastRaw === undefined ? 0 : raw - track.lastRaw;
    const goesBack = step < -LONGEST_BACK_S * this.#rawTimescale;
    const fitsNewest = this.#fits(raw);
    const isSteady = !goesBack && step <= longestStepS * this.#rawTimescale;
    if (track.clock !== undefined && track.clock.epoch === this.#newest?.epoch) {
      if (!isSteady || !(fitsNewest || step <= LONGEST_STEP_S * this.#rawTimescale))
        track.clock = this.#open(raw, arrivalMs);
    } else if (this.#newest === undefined) {
      track.clock = this.#open(raw, arrivalMs);
    } else if (fitsNewest) {
      track.clock = this.#newest;
      track.lagSince = undefined;
    } else if (track.clock === undefined || !isSteady) {
      track.clock = this.#open(raw, arrivalMs);
    } else {
      track.lagSince ??= raw;
      // The other track jumped and this one never will: from here on it counts from where the other one is.
      if (raw - track.lagSince > LONGEST_LAG_S * this.#rawTimescale) {
        track.clock = { ...this.#newest, origin: this.#newest.origin + raw - this.#newestRaw };
        track.lagSince = undefined;
      }
    }
    track.lastRaw = raw;
    if (track.clock === this.#newest) this.#newestRaw = Math.max(this.#newestRaw, raw);
    return raw;
  }

  /** Whether a raw time can be of the newest epoch: after its start and near to where it has come. */
  #fits(raw: number): boolean {
    const newest = this.#newest;
    if (newest === undefined) return false;
    const early = newest.origin - LONGEST_BACK_S * this.#rawTimescale;
    return raw >= early && Math.abs(raw - this.#newestRaw) <= LONGEST_STEP_S * this.#rawTimescale;
  }

  #open(raw: number, arrivalMs: number): Clock {
    // What the other track still sends of the epoch before stands before this one too.
    const gapS = Math.max(LONGEST_LAG_S, (arrivalMs - this.#lastArrivalMs) / 1_000);
    const startS = this.#endS === undefined ? EPOCH_START_S : Math.ceil(this.#endS + gapS);
    this.#newest = { epoch: this.#nextEpoch, startS, origin: raw };
    this.#newestRaw = raw;
    this.#nextEpoch += 1;
    return this.#newest;
  }

  #note(endS: number, arrivalMs: number): void {
    this.#endS = Math.max(this.#endS ?? 0, endS);
    this.#lastArrivalMs = arrivalMs;
  }

  #signed(difference: number): number {
    const range = this.#rawRange;
    const positive = ((difference % range) + range) % range;
    return positive >= range / 2 ? positive - range : positive;
  }

  #toTicks(clock: Clock, raw: number, timescale: number): number {
    return clock.startS * timescale + Math.round(((raw - clock.origin) * timescale) / this.#rawTimescale);
  }
}

function newTrack(): Track {
  return {
    config: undefined,
    version: 0,
    clock: undefined,
    lastRaw: undefined,
    lastDts: -1,
    lastDuration: 0,
    lastVersion: undefined,
    setBack: 0,
    recentPts: [],
    lagSince: undefined,
  };
}

function forgetTimes(track: Track): void {
  track.lastDts = -1;
  track.lastVersion = undefined;
  track.setBack = 0;
  track.recentPts = [];
}

function forgetClock(track: Track): void {
  forgetTimes(track);
  track.clock = undefined;
  track.lastRaw = undefined;
  track.lagSince = undefined;
}

/**
 * Samples of a packet: AAC-LC 1,024 (the sample rate is the core's, so also with SBR), Opus what the packet says, G.711 a
 * byte for each channel.
 */
function packetTicks({ codec, channels }: SourceAudioConfig, packet: Uint8Array): number {
  switch (codec) {
    case "aac":
      return AAC_SAMPLES;
    case "opus":
      return opusPacketSamples(packet) ?? USUAL_OPUS_SAMPLES;
    default:
      return Math.max(1, Math.floor(packet.length / channels));
  }
}
