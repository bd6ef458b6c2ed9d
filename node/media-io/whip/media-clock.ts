import { Unwrapper } from "../webrtc/rtp.ts";

interface Track {
  readonly rate: number;
  readonly unwrapper: Unwrapper;
  /** Milliseconds of the session at media time 0. */
  offsetMs: number | undefined;
  /** The sender's wall clock at media time 0, where it reported it. */
  senderMs: number | undefined;
  /** The latest time that was told. */
  lastMs: number;
}

/** Sound this near to where it belongs stays where it is: a report's own times are no better. */
const TOLERATED_MS = 25;
/** A report that puts the two further apart is not believed. */
const LONGEST_SHIFT_MS = 10_000;

/**
 * One clock for a publisher's two tracks, whose own clocks begin anywhere. A track begins where its first packet came;
 * once both were reported by their sender, the sound is moved to where the sender saw it. It is moved forward at once,
 * and back by leaving packets out: times of a track never go back.
 */
export class MediaClock {
  readonly #tracks;
  /** How far the sound is still to be moved back. */
  #surplusMs = 0;

  /** Ticks a second of either. */
  constructor({ video, audio } = { video: 90_000, audio: 48_000 }) {
    this.#tracks = { video: newTrack(video), audio: newTrack(audio) };
  }

  /** A picture's time, milliseconds of the session. */
  video(timestamp: number, nowMs: number): number {
    return this.#tell(this.#tracks.video, timestamp, nowMs);
  }

  /** A packet's time; undefined for one that is left out. `durationMs`: how much it holds. */
  audio(timestamp: number, durationMs: number, nowMs: number): number | undefined {
    const atMs = this.#tell(this.#tracks.audio, timestamp, nowMs);
    if (this.#surplusMs < durationMs) return atMs;
    this.#surplusMs -= durationMs;
    this.#tracks.audio.offsetMs! -= durationMs;
    return undefined;
  }

  /** Another source takes the place of the one before, with a clock of its own: it goes on where its next packet comes. */
  restart(kind: "video" | "audio"): void {
    const track = this.#tracks[kind];
    this.#tracks[kind] = { ...newTrack(track.rate), lastMs: track.lastMs };
    this.#surplusMs = 0;
  }

  /** The sender says that its `kind` was at `timestamp` when its wall clock was at `ntpMs`. */
  report(kind: "video" | "audio", ntpMs: number, timestamp: number): void {
    const track = this.#tracks[kind];
    // Before its first packet the count of wraps is anybody's guess.
    if (track.offsetMs === undefined) return;
    track.senderMs = ntpMs - mediaMs(track, track.unwrapper.peek(timestamp));
    this.#align();
  }

  #align(): void {
    const { video, audio } = this.#tracks;
    if (video.offsetMs === undefined || audio.offsetMs === undefined) return;
    if (video.senderMs === undefined || audio.senderMs === undefined) return;
    const wantedMs = video.offsetMs + audio.senderMs - video.senderMs;
    const shiftMs = wantedMs - audio.offsetMs;
    this.#surplusMs = 0;
    if (Math.abs(shiftMs) <= TOLERATED_MS || Math.abs(shiftMs) > LONGEST_SHIFT_MS) return;
    if (shiftMs > 0) audio.offsetMs = wantedMs;
    else this.#surplusMs = -shiftMs;
  }

  #tell(track: Track, timestamp: number, nowMs: number): number {
    const atMs = mediaMs(track, track.unwrapper.unwrap(timestamp));
    track.offsetMs ??= Math.max(nowMs, track.lastMs + 1) - atMs;
    track.lastMs = Math.max(track.lastMs, track.offsetMs + atMs);
    return track.offsetMs + atMs;
  }
}

function newTrack(rate: number): Track {
  return {
    rate,
    unwrapper: new Unwrapper(32),
    offsetMs: undefined,
    senderMs: undefined,
    lastMs: Number.NEGATIVE_INFINITY,
  };
}

function mediaMs({ rate }: Track, ticks: number): number {
  return (ticks * 1000) / rate;
}
