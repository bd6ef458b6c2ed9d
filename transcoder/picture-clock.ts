import { VIDEO_TIMESCALE } from "@leat/sdk/protocol/frame.ts";

/** A step further than this, forward or back, is a broken clock and not a pause. */
const JUMP_LIMIT_TICKS = 10 * VIDEO_TIMESCALE;

/**
 * Gives each picture that a decoder shows a time that rises from 0: missing times are filled, times that do not rise
 * are pushed on by a tick, and jumps of a broken clock are taken out.
 *
 * Times 90000, none, 96000 with 3000 a picture: 0, 3000, 6000.
 */
export class PictureClock {
  readonly #usualDuration: number;
  #offset: number | undefined;
  #last = -1;
  #lastDuration = 0;

  constructor(usualDuration: number) {
    this.#usualDuration = Math.max(1, Math.round(usualDuration));
  }

  place(ticks: number | undefined, duration: number | undefined): { pts: number; duration: number } {
    const expected = this.#last < 0 ? 0 : this.#last + this.#lastDuration;
    if (ticks !== undefined) this.#offset ??= -ticks;
    let pts = ticks === undefined || this.#offset === undefined ? expected : ticks + this.#offset;
    if (Math.abs(pts - expected) > JUMP_LIMIT_TICKS) {
      if (ticks !== undefined) this.#offset = expected - ticks;
      pts = expected;
    }
    pts = Math.max(pts, this.#last + 1);
    this.#last = pts;
    this.#lastDuration = duration && duration > 0 ? duration : this.#usualDuration;
    return { pts, duration: this.#lastDuration };
  }
}
