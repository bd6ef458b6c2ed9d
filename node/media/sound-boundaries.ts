import { type Boundary, type Frame, VIDEO_TIMESCALE } from "@leat/sdk/protocol/frame.ts";
import { type BoundaryStart, SHORTEST_SEGMENT_TICKS } from "./boundaries.ts";

/**
 * Sets the segment boundaries of a stream that has no picture: the first packet at least 2 s after the last boundary,
 * and the first of a new epoch or configuration. Every packet is a place to begin, so none is forced.
 */
export class SoundBoundaryMaker {
  #sequence: number;
  readonly #firstFrame: number;
  #discontinuity: boolean;
  #last: Boundary | undefined;
  #configVersion = -1;

  constructor(start: BoundaryStart = {}) {
    this.#sequence = start.sequence ?? 0;
    this.#firstFrame = start.firstFrame ?? 0;
    this.#discontinuity = start.discontinuity ?? false;
  }

  /** The segment that begins with this packet, if one does. */
  push(frame: Frame, timescale: number): Boundary | undefined {
    const { epoch, configVersion } = frame;
    const pts = soundTicks(frame, timescale);
    const last = this.#last;
    const goesOn = last?.epoch === epoch && this.#configVersion === configVersion;
    if (goesOn && pts - last.pts < SHORTEST_SEGMENT_TICKS) return undefined;
    this.#configVersion = configVersion;
    this.#last = {
      sequence: this.#sequence,
      epoch,
      pts,
      forced: false,
      discontinuity: last === undefined ? this.#discontinuity : last.epoch !== epoch,
      firstFrame: this.#firstFrame,
    };
    this.#sequence += 1;
    return this.#last;
  }
}

/** Where a packet stands on the clock that boundaries are counted on. */
export function soundTicks({ pts }: Frame, timescale: number): number {
  return Math.floor((pts / timescale) * VIDEO_TIMESCALE);
}
