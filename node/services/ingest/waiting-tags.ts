import { type Frame, type TimedTag, VIDEO_TIMESCALE } from "@leat/sdk/protocol/frame.ts";
import { MAX_FRAME_TAGS, MAX_TAG_BYTES } from "@leat/sdk/protocol/limits.ts";

/** A tag of the publisher on the stream's clock, at 90 kHz. */
export interface PlacedTag {
  readonly epoch: number;
  readonly pts: number;
  readonly tag: Uint8Array;
}

/** What waits for its frame: ahead of the track, or where there is none. The oldest go. */
const MAX_WAITING = 32;
/** A tag that comes so much too late is of no use to players, which are as near to the end as that. */
const LATEST_S = 2;

interface WaitingTag extends TimedTag {
  readonly epoch: number;
}

/**
 * Timed metadata on its way into a track. Each tag goes with the frame in which it happens, or with the next one that is
 * published where that has gone: its own time says when it is.
 */
export class WaitingTags {
  readonly #timescale: number;
  #waiting: WaitingTag[] = [];
  #newest = { epoch: -1, pts: -1 };

  /** @param timescale Of the track's frames, ticks a second. */
  constructor(timescale: number) {
    this.#timescale = timescale;
  }

  /** One that is too long to be handed on goes, and one that was over before the stream began. */
  add({ epoch, pts, tag }: PlacedTag): void {
    if (tag.length === 0 || tag.length > MAX_TAG_BYTES || pts < -LATEST_S * VIDEO_TIMESCALE) return;
    let at = Math.max(0, Math.round((pts * this.#timescale) / VIDEO_TIMESCALE));
    // Players tell events apart by their times.
    const isTaken = (time: number) => this.#waiting.some((other) => other.epoch === epoch && other.pts === time);
    while (isTaken(at) || (epoch === this.#newest.epoch && at === this.#newest.pts)) at += 1;
    this.#waiting = [...this.#waiting, { epoch, pts: at, tag: Uint8Array.from(tag) }].slice(-MAX_WAITING);
  }

  /** The frame, with what happens until it ends. */
  attach(frame: Frame): Frame {
    if (this.#waiting.length === 0) return frame;
    const until = frame.pts + frame.duration;
    const from = frame.pts - LATEST_S * this.#timescale;
    const isOver = ({ epoch, pts }: WaitingTag) => epoch < frame.epoch || (epoch === frame.epoch && pts < from);
    const left = this.#waiting.filter((tag) => !isOver(tag));
    const due = left.filter(({ epoch, pts }) => epoch === frame.epoch && pts < until).slice(0, MAX_FRAME_TAGS);
    this.#waiting = left.filter((tag) => !due.includes(tag));
    if (due.length === 0) return frame;
    const tags = due.map(({ pts, tag }) => ({ pts, tag })).sort((first, second) => first.pts - second.pts);
    this.#newest = { epoch: frame.epoch, pts: tags.at(-1)!.pts };
    return { ...frame, tags };
  }
}
