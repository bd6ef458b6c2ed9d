import type { Boundary, Frame } from "@leat/sdk/protocol/frame.ts";

/** H.264 and HEVC hold back at most 16 pictures: one that still waits behind more decoded ones will not be decoded. */
export const REORDER_LIMIT = 16;

/** A picture that is due in the output: its times are those of the input frame that asked for it. */
export interface DuePicture<Picture = unknown> {
  readonly epoch: number;
  readonly pts: number;
  readonly duration: number;
  readonly arrivalMs: number;
  /** The segment that it belongs to; none before the first boundary, whose frames only feed the decoder. */
  readonly sequence: number | undefined;
  /** Undefined where the decoder gave none for this frame: the one before is shown again. */
  readonly picture: Picture | undefined;
  /** What the input frame carried of captions. */
  readonly captions: readonly Uint8Array[];
}

interface Waiting<Picture> {
  readonly id: number;
  readonly frame: Frame;
  readonly captions: readonly Uint8Array[];
  picture: Picture | undefined;
}

/**
 * Says which pictures are due when a decoder shows one, so that every input frame has exactly one output frame, in the
 * order of their times. A decoder's own order is not enough: in some sources it contradicts the times. So a decoded
 * picture waits until decoding has reached its time, when none can come before it any more.
 */
export class LiveTimeline<Picture> {
  #nextId = 0;
  #waiting: Waiting<Picture>[] = [];
  #held = 0;
  #boundaries: Boundary[] = [];
  #newest: Frame | undefined;

  announce(boundary: Boundary): void {
    this.#boundaries.push(boundary);
  }

  /** Takes a frame in decoding order; the id is what the decoder must carry through. */
  accept(frame: Frame, captions: readonly Uint8Array[] = []): number {
    const id = this.#nextId;
    this.#nextId += 1;
    let at = this.#waiting.length;
    while (at > 0 && isBefore(frame, this.#waiting[at - 1]!.frame)) at -= 1;
    this.#waiting.splice(at, 0, { id, frame, captions, picture: undefined });
    this.#newest = frame;
    return id;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Whether the frame's picture is still wanted: not once it was given up. */
  awaits(id: number): boolean {
    return this.#waiting.some((entry) => entry.id === id && entry.picture === undefined);
  }

  /** The decoder showed frame `id`, which must be awaited. */
  show(id: number, picture: Picture): DuePicture<Picture>[] {
    const entry = this.#waiting.find((one) => one.id === id);
    if (entry === undefined) return [];
    entry.picture = picture;
    this.#held += 1;
    return this.due();
  }

  /** What is due now: also after a frame was accepted, whose decode time may release others. */
  due(): DuePicture<Picture>[] {
    const due: DuePicture<Picture>[] = [];
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const isNext = first.picture !== undefined && this.#isReached(first.frame);
      if (!isNext && this.#held <= REORDER_LIMIT) break;
      due.push(this.#take());
    }
    return due;
  }

  /** Gives out all but the newest `keep` frames, whatever is decoded of them. */
  flush(keep: number): DuePicture<Picture>[] {
    const due: DuePicture<Picture>[] = [];
    while (this.#waiting.length > keep) due.push(this.#take());
    return due;
  }

  /** Frames come in decoding order and show no earlier than they are decoded. */
  #isReached({ epoch, pts }: Frame): boolean {
    const newest = this.#newest!;
    return newest.epoch !== epoch || pts <= newest.dts;
  }

  #take(): DuePicture<Picture> {
    const { frame, captions, picture } = this.#waiting.shift()!;
    if (picture !== undefined) this.#held -= 1;
    const { epoch, pts, duration, arrivalMs } = frame;
    return { epoch, pts, duration, arrivalMs, sequence: this.#sequenceOf(frame), picture, captions };
  }

  #sequenceOf(frame: Frame): number | undefined {
    let found = -1;
    for (const [index, boundary] of this.#boundaries.entries()) {
      if (boundary.epoch === frame.epoch && boundary.pts <= frame.pts) found = index;
    }
    if (found < 0) return undefined;
    const sequence = this.#boundaries[found]!.sequence;
    // Pictures are due in presentation order, so nothing before this boundary can be due again.
    this.#boundaries.splice(0, found);
    return sequence;
  }
}

function isBefore(left: Frame, right: Frame): boolean {
  return left.epoch === right.epoch ? left.pts < right.pts : left.epoch < right.epoch;
}
