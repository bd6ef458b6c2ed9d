import type { Boundary, Frame } from "@leat/sdk/protocol/frame.ts";

/** A picture that is due in the output: its times are those of the input frame that asked for it. */
export interface DuePicture {
  readonly epoch: number;
  readonly pts: number;
  readonly duration: number;
  readonly arrivalMs: number;
  /** The segment that it belongs to; none before the first boundary, whose frames only feed the decoder. */
  readonly sequence: number | undefined;
  /** The decoder gave no picture for this frame: the one before is shown again. */
  readonly concealed: boolean;
}

interface Waiting {
  readonly id: number;
  readonly frame: Frame;
}

/**
 * Says which pictures are due when a decoder shows one, so that every input frame has exactly one output frame.
 * Pictures come out in presentation order: what should have come before the one that came is concealed.
 */
export class LiveTimeline {
  #nextId = 0;
  #waiting: Waiting[] = [];
  #boundaries: Boundary[] = [];

  announce(boundary: Boundary): void {
    this.#boundaries.push(boundary);
  }

  /** Takes a frame in decoding order; the id is what the decoder must carry through. */
  accept(frame: Frame): number {
    const id = this.#nextId;
    this.#nextId += 1;
    let at = this.#waiting.length;
    while (at > 0 && isBefore(frame, this.#waiting[at - 1]!.frame)) at -= 1;
    this.#waiting.splice(at, 0, { id, frame });
    return id;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** The decoder showed frame `id`. Empty if it came after it had been concealed. */
  show(id: number): DuePicture[] {
    const at = this.#waiting.findIndex((entry) => entry.id === id);
    if (at < 0) return [];
    return this.#waiting.splice(0, at + 1).map((entry) => this.#due(entry, entry.id !== id));
  }

  /** Gives up on all but the newest `keep` frames. */
  conceal(keep: number): DuePicture[] {
    return this.#waiting.splice(0, Math.max(0, this.#waiting.length - keep)).map((entry) => this.#due(entry, true));
  }

  #due({ frame }: Waiting, concealed: boolean): DuePicture {
    const { epoch, pts, duration, arrivalMs } = frame;
    return { epoch, pts, duration, arrivalMs, sequence: this.#sequenceOf(frame), concealed };
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
