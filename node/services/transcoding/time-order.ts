import type { Frame } from "@leat/sdk/protocol/frame.ts";

/** H.264 and HEVC hold back at most 16 pictures: no decoder shows one later than that. */
export const REORDER_FRAMES = 16;

/**
 * Gives the frames of one rung's segment rising times. Some sources carry times that their own decoder does not keep
 * to: a picture then comes out before one that should show earlier. Coded pictures cannot change places, so their times
 * do: the first picture gets the earliest time. Where the times rise already, nothing changes.
 *
 * Times 0, 5, 1, 2 as they come out become 0, 1, 2, 5: the second picture shows at 1, and so on.
 */
export class TimeOrder {
  #frames: Frame[] = [];

  /** Gives back the frames that nothing can come before any more. */
  push(frame: Frame): Frame[] {
    this.#frames.push(frame);
    return this.#frames.length > REORDER_FRAMES ? [this.#take()] : [];
  }

  flush(): Frame[] {
    const rest: Frame[] = [];
    while (this.#frames.length > 0) rest.push(this.#take());
    return rest;
  }

  #take(): Frame {
    const first = this.#frames[0]!;
    const earliest = this.#frames.reduce((least, frame) => (frame.pts < least.pts ? frame : least));
    const { dts, pts, duration, arrivalMs } = earliest;
    this.#frames = this.#frames.slice(1);
    // The earliest time is given away: its own picture, which comes later, takes over the first one's.
    if (earliest !== first) {
      this.#frames = this.#frames.map((frame) =>
        frame === earliest
          ? { ...frame, dts: first.dts, pts: first.pts, duration: first.duration, arrivalMs: first.arrivalMs }
          : frame,
      );
    }
    return { ...first, dts, pts, duration, arrivalMs };
  }
}
