import { type Frame, VIDEO_TIMESCALE } from "@leat/sdk/protocol/frame.ts";
import { healthWindowMs, type SourceHealth } from "@leat/sdk/protocol/health.ts";

const BUCKET_MS = 1_000;
const BUCKETS = healthWindowMs / BUCKET_MS;
/** Pictures by which it is known how far apart they are. */
const STEPS = 16;
/** Of them as many must be alike: else pictures come as they please, and none is missing. */
const STEADY_STEPS = 12;
const STEADY = 0.1;
/** From so many usual steps on one picture at least is missing. */
const LONG = 1.5;
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
  videoMs: number;
  audioBytes: number;
  audioMs: number;
  pictures: number;
  missing: number;
  keyIntervalMs: number | undefined;
  epoch: number;
  last: Place;
  /** What came soonest after its own clock: what waited on the way says nothing of the clock. */
  soonest: Place;
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
  /** How far each track of this clock came, by its own times. */
  #untilMs: { video?: number; audio?: number } = {};
  /** How late media came in the first second of its clock. */
  #lateAtFirst: number | undefined;

  /** A picture, with how long it stands known. */
  video(frame: Timed): void {
    const mediaMs = toMs(frame.dts, VIDEO_TIMESCALE);
    const durationMs = toMs(frame.duration, VIDEO_TIMESCALE);
    const bucket = this.#enter("video", frame, mediaMs, durationMs);
    bucket.videoBytes += frame.data.length;
    bucket.videoMs += durationMs;
    bucket.pictures += 1;
    bucket.missing += this.#missingAfter(durationMs);
    if (frame.epoch !== this.#epoch) return;
    if (frame.key) {
      if (this.#lastKeyMs !== undefined) {
        bucket.keyIntervalMs = Math.max(bucket.keyIntervalMs ?? 0, mediaMs - this.#lastKeyMs);
      }
      this.#lastKeyMs = mediaMs;
    }
    this.#lastPicture = { mediaMs, arrivalMs: frame.arrivalMs };
  }

  audio(frame: Timed, timescale: number): void {
    const durationMs = toMs(frame.duration, timescale);
    const bucket = this.#enter("audio", frame, toMs(frame.dts, timescale), durationMs);
    bucket.audioBytes += frame.data.length;
    bucket.audioMs += durationMs;
  }

  /** Undefined before anything came. What becomes of it is not measured here. */
  read(nowMs: number, leftOut: SourceHealth["leftOut"] = null): SourceHealth | undefined {
    if (this.#lastArrivalMs === undefined) return undefined;
    const silentMs = this.#silentMs(this.#lastArrivalMs, nowMs);
    this.#forget(nowMs);
    const sum = (countOf: (bucket: Bucket) => number) =>
      this.#buckets.reduce((total, bucket) => total + countOf(bucket), 0);
    // By the media's own time: segments that come whole would otherwise count as crowds and gaps.
    const [videoMs, audioMs] = [sum((bucket) => bucket.videoMs), sum((bucket) => bucket.audioMs)];
    const bitrate = (bytes: number, ms: number) => (ms === 0 ? 0 : Math.round((bytes * 8_000) / ms));
    return {
      videoBitrate: bitrate(
        sum(({ videoBytes }) => videoBytes),
        videoMs,
      ),
      audioBitrate: bitrate(
        sum(({ audioBytes }) => audioBytes),
        audioMs,
      ),
      frameRate: videoMs === 0 ? 0 : round((sum(({ pictures }) => pictures) * 1_000) / videoMs),
      keyIntervalMs: this.#keyIntervalMs(),
      pace: this.#pace(),
      driftMs: this.#driftMs(),
      missingPictures: sum(({ missing }) => missing),
      silentMs,
      videoBehindMs: this.#behindMs("video"),
      audioBehindMs: this.#behindMs("audio"),
      leftOut,
    };
  }

  #enter(track: "video" | "audio", { epoch, arrivalMs }: Timed, mediaMs: number, durationMs: number): Bucket {
    // A track that comes after the other into a new clock says nothing of the old one any more.
    const isOld = epoch < (this.#epoch ?? epoch);
    if (!isOld && epoch !== this.#epoch) {
      this.#epoch = epoch;
      this.#lateAtFirst = undefined;
      this.#lastKeyMs = undefined;
      this.#steps = [];
      this.#untilMs = {};
    }
    if (!isOld) this.#untilMs[track] = Math.max(this.#untilMs[track] ?? 0, mediaMs + durationMs);
    this.#lastArrivalMs = Math.max(arrivalMs, this.#lastArrivalMs ?? 0);
    const place = { mediaMs, arrivalMs };
    const lateMs = lateOf(place);
    const second = Math.floor(arrivalMs / BUCKET_MS);
    let bucket = this.#buckets.at(-1);
    if (bucket === undefined || second > bucket.second) {
      if (bucket !== undefined && bucket.epoch === this.#epoch) this.#lateAtFirst ??= lateOf(bucket.soonest);
      const counts = { videoBytes: 0, videoMs: 0, audioBytes: 0, audioMs: 0, pictures: 0, missing: 0 };
      const places = { last: place, soonest: place, mostLateMs: lateMs };
      bucket = { second, ...counts, keyIntervalMs: undefined, epoch, ...places };
      this.#buckets.push(bucket);
      this.#forget(arrivalMs);
    }
    if (isOld) return bucket;
    if (bucket.epoch !== epoch) Object.assign(bucket, { epoch, last: place, soonest: place, mostLateMs: lateMs });
    if (mediaMs > bucket.last.mediaMs) bucket.last = place;
    if (lateMs < lateOf(bucket.soonest)) bucket.soonest = place;
    bucket.mostLateMs = Math.max(bucket.mostLateMs, lateMs);
    return bucket;
  }

  #forget(nowMs: number): void {
    const oldest = Math.floor(nowMs / BUCKET_MS) - BUCKETS;
    while (this.#buckets.length > 0 && this.#buckets[0]!.second <= oldest) this.#buckets.shift();
  }

  /** Pictures that would have had their place before the next one. */
  #missingAfter(stepMs: number): number {
    let missing = 0;
    if (this.#steps.length === STEPS && this.#isLong(stepMs)) {
      const usual = [...this.#steps].sort((left, right) => left - right)[STEPS >> 1]!;
      const alike = this.#steps.filter((step) => Math.abs(step - usual) <= usual * STEADY + 1).length;
      if (alike >= STEADY_STEPS) missing = Math.max(0, Math.round(stepMs / usual) - 1);
    }
    this.#steps.push(stepMs);
    if (this.#steps.length > STEPS) this.#steps.shift();
    return missing;
  }

  /** Whether a picture would have had its place behind one that stands so long: mostly none, and this is asked of each. */
  #isLong(stepMs: number): boolean {
    let longer = 0;
    for (const step of this.#steps) if (step * LONG > stepMs) longer += 1;
    return longer < STEPS >> 1;
  }

  /** What comes segment by segment is not over when its last byte came: it came ahead of its time. */
  #silentMs(lastArrivalMs: number, nowMs: number): number {
    const own = this.#own();
    const last = own.at(-1)?.last;
    const mostLateMs = own.reduce((most, bucket) => Math.max(most, bucket.mostLateMs), Number.NEGATIVE_INFINITY);
    const aheadMs = last === undefined ? 0 : Math.max(0, mostLateMs - lateOf(last));
    return Math.max(0, Math.round(nowMs - lastArrivalMs - aheadMs));
  }

  #behindMs(track: "video" | "audio"): number | null {
    const { [track]: untilMs, video = 0, audio = 0 } = this.#untilMs;
    return untilMs === undefined ? null : Math.round(Math.max(video, audio) - untilMs);
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
    const half = (own.at(-1)?.second ?? 0) - BUCKETS / 2;
    const before = soonestOf(own.filter(({ second }) => second <= half));
    const after = soonestOf(own.filter(({ second }) => second > half));
    if (before === undefined || after === undefined) return null;
    const spanMs = after.arrivalMs - before.arrivalMs;
    return spanMs < LEAST_SPAN_MS ? null : round((after.mediaMs - before.mediaMs) / spanMs);
  }

  #driftMs(): number {
    // Of the second before: the newest one may have seen its late frames alone.
    const own = this.#own();
    const known = own.at(-2) ?? own.at(-1);
    if (known === undefined || this.#lateAtFirst === undefined) return 0;
    return Math.round(lateOf(known.soonest) - this.#lateAtFirst);
  }
}

/** How long after its own clock it came. */
function lateOf({ arrivalMs, mediaMs }: Place): number {
  return arrivalMs - mediaMs;
}

function soonestOf(buckets: readonly Bucket[]): Place | undefined {
  let soonest: Place | undefined;
  for (const { soonest: place } of buckets) {
    if (soonest === undefined || lateOf(place) < lateOf(soonest)) soonest = place;
  }
  return soonest;
}

function toMs(ticks: number, timescale: number): number {
  return (ticks * 1_000) / timescale;
}

/** What the schema takes, also of a publisher that sends what nobody would. */
function round(value: number): number {
  return Math.min(10_000, Math.max(0, Math.round(value * 100) / 100));
}
