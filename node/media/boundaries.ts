import type { Boundary, Frame } from "@leat/sdk/protocol/frame.ts";
import { VIDEO_TIMESCALE } from "@leat/sdk/protocol/frame.ts";

/** No IDR before this age of a segment ends it. */
export const SHORTEST_SEGMENT_TICKS = 2 * VIDEO_TIMESCALE;
/** An IDR up to this age ends it; after it, the next frame that can does. */
export const LONGEST_SEGMENT_TICKS = 4 * VIDEO_TIMESCALE;
/** EXT-X-TARGETDURATION, fixed for the stream's life: every EXTINF rounds to at most this. */
export const TARGET_DURATION_S = 4;

export interface BoundaryStart {
  /** Number of the first segment. */
  readonly sequence?: number;
  /** Number of the first frame. */
  readonly firstFrame?: number;
  /** Whether the first segment breaks with what other nodes published before it. */
  readonly discontinuity?: boolean;
}

/** Source frames of a segment that will never grow again. */
export interface CompletedSegment {
  readonly sequence: number;
  readonly epoch: number;
  /** Where it starts, and one past where its last frame ends, in ticks of its epoch. */
  readonly startPts: number;
  readonly endPts: number;
  readonly firstFrame: number;
  readonly frames: number;
}

export interface BoundaryStep {
  /** The segment of the pushed frame; undefined when the frame stands before the first key frame and is dropped. */
  readonly sequence: number | undefined;
  /** A segment that starts here: to be announced before the pushed frame. */
  readonly boundary: Boundary | undefined;
  /** Segments that got their last frame before the pushed one, oldest first. */
  readonly completed: readonly CompletedSegment[];
}

interface OpenSegment {
  readonly boundary: Boundary;
  readonly configVersion: number;
  frames: number;
  /** One past the display time of its last frame. */
  endPts: number;
}

/**
 * Sets a stream's segment boundaries from its source video frames in decode order: the first IDR at least 2 s after the
 * last boundary; with none at or before 4 s, a forced boundary at the first later frame that shows after all before it.
 * A frame that stays on screen so long that EXTINF would round above TARGETDURATION starts a segment of its own, and so
 * do a new epoch and a new configuration.
 *
 * A frame belongs to a segment by its pts. Since pts >= dts, a segment is complete once dts has reached the next one's
 * start. Where frames show later than they decode, a forced boundary stands one tick behind all that was seen, so that
 * the B-frames that follow in decode order and show before the pushed frame fall behind it too: `firstFrame` is then
 * known when the boundary is announced. (Below about 1 frame a second *and* with B-frames, a segment may still come out
 * longer than TARGETDURATION: the reordering hides more than 4 s.)
 */
export class BoundaryMaker {
  #nextSequence: number;
  #nextFrame: number;
  #discontinuity: boolean;
  #open: OpenSegment[] = [];
  #epoch: number | undefined;
  #highestPts = 0;
  #awaitsKey = true;
  #dropped = 0;

  constructor(start: BoundaryStart = {}) {
    this.#nextSequence = start.sequence ?? 0;
    this.#nextFrame = start.firstFrame ?? 0;
    this.#discontinuity = start.discontinuity ?? false;
  }

  /** Frames that could not be shown: before the first key frame, or behind a boundary already complete. */
  get dropped(): number {
    return this.#dropped;
  }

  /** The number that the next segment will get. */
  get nextSequence(): number {
    return this.#nextSequence;
  }

  /** Frames counted since the stream began. */
  get nextFrame(): number {
    return this.#nextFrame;
  }

  /** The greatest pts seen in the open epoch: no boundary will ever stand at or before it. */
  get highestPts(): number {
    return this.#highestPts;
  }

  /** The publisher reconnected: nothing before its next key frame can be decoded. */
  restart(): void {
    this.#awaitsKey = true;
  }

  push(frame: Frame): BoundaryStep {
    if (this.#awaitsKey && !frame.key) return this.#drop([]);
    const isNewEpoch = frame.epoch !== this.#epoch;
    const completed = isNewEpoch ? this.finish() : this.#completeUntil(frame.dts);
    if (isNewEpoch) this.#highestPts = -1;
    const boundary = this.#place(frame, isNewEpoch);
    this.#awaitsKey = false;
    this.#epoch = frame.epoch;
    this.#highestPts = Math.max(this.#highestPts, frame.pts);
    const segment = this.#open.findLast((item) => item.boundary.pts <= frame.pts);
    if (segment === undefined) return { ...this.#drop(completed), boundary };
    segment.frames += 1;
    segment.endPts = Math.max(segment.endPts, frame.pts + frame.duration);
    this.#nextFrame += 1;
    return { sequence: segment.boundary.sequence, boundary, completed };
  }

  /** The stream or its epoch is over: all open segments are complete. */
  finish(): CompletedSegment[] {
    const completed = this.cut();
    this.#epoch = undefined;
    return completed;
  }

  /** All open segments are complete; the next frame begins another of the same epoch. */
  cut(): CompletedSegment[] {
    const completed = this.#open.map((segment) => describe(segment));
    this.#open = [];
    return completed;
  }

  #drop(completed: CompletedSegment[]): BoundaryStep {
    this.#dropped += 1;
    return { sequence: undefined, boundary: undefined, completed };
  }

  #completeUntil(dts: number): CompletedSegment[] {
    const completed: CompletedSegment[] = [];
    while (this.#open.length > 1 && this.#open[1]!.boundary.pts <= dts) completed.push(describe(this.#open.shift()!));
    return completed;
  }

  #place(frame: Frame, isNewEpoch: boolean): Boundary | undefined {
    const last = this.#open.at(-1);
    // After a cut: what shows later than all before it, whether or not the sender kept its word about the key frame.
    if (!isNewEpoch && last === undefined) {
      return this.#announce(frame, frame.key ? frame.pts : Math.max(this.#highestPts + 1, frame.dts));
    }
    if (isNewEpoch || last === undefined) {
      // All frames of the epoch show at or after the first one's dts; nothing shows before an IDR that comes first.
      return this.#announce(frame, frame.key ? frame.pts : frame.dts);
    }
    if (frame.pts <= this.#highestPts) return undefined;
    const age = frame.pts - last.boundary.pts;
    if (frame.configVersion !== last.configVersion && frame.key) return this.#announce(frame, frame.pts);
    if (frame.key && age >= SHORTEST_SEGMENT_TICKS) return this.#announce(frame, frame.pts);
    const isTooLong = age + frame.duration >= (TARGET_DURATION_S + 0.5) * VIDEO_TIMESCALE;
    if (age <= LONGEST_SEGMENT_TICKS && !isTooLong) return undefined;
    return this.#announce(frame, frame.key ? frame.pts : Math.max(this.#highestPts + 1, frame.dts));
  }

  #announce(frame: Frame, pts: number): Boundary {
    const isFirst = this.#epoch === undefined && this.#open.length === 0;
    const boundary: Boundary = {
      sequence: this.#nextSequence,
      epoch: frame.epoch,
      pts,
      forced: !frame.key,
      discontinuity: isFirst && this.#discontinuity,
      firstFrame: this.#nextFrame,
    };
    this.#discontinuity = true;
    this.#nextSequence += 1;
    this.#open.push({ boundary, configVersion: frame.configVersion, frames: 0, endPts: pts });
    return boundary;
  }
}

function describe({ boundary, frames, endPts }: OpenSegment): CompletedSegment {
  const { sequence, epoch, firstFrame } = boundary;
  return { sequence, epoch, startPts: boundary.pts, endPts, firstFrame, frames };
}
