import { VIDEO_TIMESCALE } from "@leat/sdk/protocol/frame.ts";

/** How fast it follows: a stall of three seconds moves a boundary by less than a tenth, a wrong start is mended in time. */
const FOLLOW = 0.02;
const TICKS_PER_MS = VIDEO_TIMESCALE / 1000;

/**
 * When what a publisher sends was taken in, for all to tell by: arrival, without the jitter of networks. Within an epoch
 * it goes with the media's own clock and follows arrivals slowly.
 *
 * A picture 2 s after the last boundary arrives after 5 s, the one after that 2.1 s later: told are 2.04 s and then
 * 2.04 s again, where arrival would have said 5 s and 2.1 s.
 */
export class WallClock {
  #epoch: number | undefined;
  #pts = 0;
  #toldMs = Number.NEGATIVE_INFINITY;

  /** Of a boundary; they come in order. Whole milliseconds since 1970. */
  tell(epoch: number, pts: number, arrivalMs: number): number {
    const elapsedMs = (pts - this.#pts) / TICKS_PER_MS;
    const expectedMs = this.#toldMs + elapsedMs;
    const most = FOLLOW * Math.max(0, elapsedMs);
    const isNew = epoch !== this.#epoch;
    // An epoch is told as it arrives, never before what was told.
    const toldMs = isNew
      ? Math.max(arrivalMs, this.#toldMs)
      : expectedMs + Math.min(Math.max(arrivalMs - expectedMs, -most), most);
    this.#epoch = epoch;
    this.#pts = pts;
    this.#toldMs = toldMs;
    return Math.round(toldMs);
  }
}
