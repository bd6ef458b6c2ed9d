import { type Frame, VIDEO_TIMESCALE } from "@leat/sdk/protocol/frame.ts";
import type { SourceHealth } from "@leat/sdk/protocol/health.ts";

const BUCKET_MS = 1_000;
const BUCKETS = 10;
/** Pictures by which it is known how far apart they are. */
const STEPS = 16;
/** Of them as many must be alike: else pictures come as they please, and none is missing. */
const STEADY_STEPS = 12;
const STEADY = 0.1;
/** Media of one clock that must have come before its pace says anything, milliseconds. */
const LEAST_SPAN_MS = 3_000;

type Timed = Pick<Frame, "epoch" | "dts" | "duration" | "key" | "arrivalMs" | "data">;

interface Place {
  readonly mediaMs: number;
  readonly arrivalMs: number;
}

/** What came within one second. */
interface Bucket {
  readonly second: number;
  videoBytes: number;
  audioBytes: number;
  pictures: number;
  missing: number;
  keyIntervalMs: number | undefined;
  epoch: number;
  first: Place;
  last: Place;
  /** Least time that media of this second came after its own clock: what waited on the way does not count. */
  leastLateMs: number;
  mostLateMs: number;
}

/** Measures what a publisher sends, as it comes: bounded memory, a few additions for each frame. */
export class HealthMeter {
  #buckets: Bucket[] = [];
  #steps: number[] = [];
  #lastKeyMs: number | undefined;
  #lastPicture: Place | undefined;
  #lastArrivalMs: number | undefined;
  #epoch: number | undefined;
  /** How late media came in the first second of its clock. */
  #lateAtFirst: number | undefined;

  /** A picture, with how long it stands known. */
  video(frame: Timed): void {
    const mediaMs = toMs(frame.dts, VIDEO_TIMESCALE);
    const bucket = this.#enter(frame, mediaMs);
    bucket.videoBytes += frame.data.length;
    bucket.pictures += 1;
    bucket.missing += this.#missingAfter(toMs(frame.duration, VIDEO_TIMESCALE));
    if (frame.key) {
      if (this.#lastKeyMs !== undefined) {
        bucket.keyIntervalMs = Math.max(bucket.keyIntervalMs ?? 0, mediaMs - this.#lastKeyMs);
      }
      this.#lastKeyMs = mediaMs;
    }
    this.#lastPicture = { mediaMs, arrivalMs: frame.arrivalMs };
  }

  audio(frame: Timed, timescale: number): void {
    this.#enter(frame, toMs(frame.dts, timescale)).audioBytes += frame.data.length;
  }

  /** Undefined before anything came. */
  read(nowMs: number): SourceHealth | undefined {
    if (this.#lastArrivalMs === undefined) return undefined;
    const silentMs = this.#silentMs(this.#lastArrivalMs, nowMs);
    this.#forget(nowMs);
    const buckets = this.#buckets;
    // The second that is going on is not whole: what came since the oldest one's start.
    const spanMs = Math.max(BUCKET_MS, nowMs - (buckets[0]?.second ?? 0) * BUCKET_MS);
    const aSecond = (countOf: (bucket: Bucket) => number) =>
      (buckets.reduce((sum, bucket) => sum + countOf(bucket), 0) * 1_000) / spanMs;
    return {
      videoBitrate: Math.round(aSecond(({ videoBytes }) => videoBytes * 8)),
      audioBitrate: Math.round(aSecond(({ audioBytes }) => audioBytes * 8)),
      frameRate: round(aSecond(({ pictures }) => pictures)),
      keyIntervalMs: this.#keyIntervalMs(),
      pace: this.#pace(),
      driftMs: this.#driftMs(),
      missingPictures: buckets.reduce((sum, { missing }) => sum + missing, 0),
      silentMs,
    };
  }

  #enter({ epoch, arrivalMs }: Timed, mediaMs: number): Bucket {
    if (epoch !== this.#epoch) {
      this.#epoch = epoch;
      this.#lateAtFirst = undefined;
      this.#lastKeyMs = undefined;
      this.#steps = [];
    }
    this.#lastArrivalMs = Math.max(arrivalMs, this.#lastArrivalMs ?? 0);
    const place = { mediaMs, arrivalMs };
    const lateMs = arrivalMs - mediaMs;
    const second = Math.floor(arrivalMs / BUCKET_MS);
    let bucket = this.#buckets.at(-1);
    if (bucket === undefined || second > bucket.second) {
      if (bucket !== undefined && bucket.epoch === epoch) this.#lateAtFirst ??= bucket.leastLateMs;
      const empty = { videoBytes: 0, audioBytes: 0, pictures: 0, missing: 0, keyIntervalMs: undefined };
      bucket = { second, ...empty, epoch, first: place, last: place, leastLateMs: lateMs, mostLateMs: lateMs };
      this.#buckets.push(bucket);
      this.#forget(arrivalMs);
    }
    if (bucket.epoch !== epoch) {
      Object.assign(bucket, { epoch, first: place, last: place, leastLateMs: lateMs, mostLateMs: lateMs });
    }
    if (mediaMs > bucket.last.mediaMs) bucket.last = place;
    bucket.leastLateMs = Math.min(bucket.leastLateMs, lateMs);
    bucket.mostLateMs = Math.max(bucket.mostLateMs, lateMs);
    return bucket;
  }

  #forget(nowMs: number): void {
    const oldest = Math.floor(nowMs / BUCKET_MS) - BUCKETS;
    while (this.#buckets.length > 0 && this.#buckets[0]!.second <= oldest) this.#buckets.shift();
  }

  /** Pictures that would have had their place before the next one. */
  #missingAfter(stepMs: number): number {
    const usual = [...this.#steps].sort((left, right) => left - right)[STEPS >> 1];
    let missing = 0;
    if (usual !== undefined && this.#steps.length === STEPS) {
      const alike = this.#steps.filter((step) => Math.abs(step - usual) <= usual * STEADY + 1).length;
      if (alike >= STEADY_STEPS) missing = Math.max(0, Math.round(stepMs / usual) - 1);
    }
    this.#steps.push(stepMs);
    if (this.#steps.length > STEPS) this.#steps.shift();
    return missing;
  }

  /** What comes segment by segment is not over when its last byte came: it came ahead of its time. */
  #silentMs(lastArrivalMs: number, nowMs: number): number {
    const own = this.#own();
    const last = own.at(-1)?.last;
    const mostLateMs = own.reduce((most, bucket) => Math.max(most, bucket.mostLateMs), Number.NEGATIVE_INFINITY);
    const aheadMs = last === undefined ? 0 : Math.max(0, mostLateMs - (last.arrivalMs - last.mediaMs));
    return Math.max(0, Math.round(nowMs - lastArrivalMs - aheadMs));
  }

  /** Of the clock that goes on now. */
  #own(): Bucket[] {
    return this.#buckets.filter(({ epoch }) => epoch === this.#epoch);
  }

  #keyIntervalMs(): number | null {
    if (this.#lastKeyMs === undefined || this.#lastPicture === undefined) return null;
    const open = this.#lastPicture.mediaMs - this.#lastKeyMs;
    return Math.round(this.#buckets.reduce((most, { keyIntervalMs = 0 }) => Math.max(most, keyIntervalMs), open));
  }

  #pace(): number | null {
    const own = this.#own();
    const [first, last] = [own[0]?.first, own.at(-1)?.last];
    if (first === undefined || last === undefined) return null;
    const spanMs = last.arrivalMs - first.arrivalMs;
    return spanMs < LEAST_SPAN_MS ? null : Math.min(10_000, round((last.mediaMs - first.mediaMs) / spanMs));
  }

  #driftMs(): number {
    // Of the second before: the newest one may have seen its late frames alone.
    const own = this.#own();
    const known = own.at(-2) ?? own.at(-1);
    return known === undefined ? 0 : Math.round(known.leastLateMs - (this.#lateAtFirst ?? known.leastLateMs));
  }
}

function toMs(ticks: number, timescale: number): number {
  return (ticks * 1_000) / timescale;
}

function round(value: number): number {
  return Math.max(0, Math.round(value * 100) / 100);
}
