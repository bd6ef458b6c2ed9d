import { type Boundary, type Frame, VIDEO_TIMESCALE } from "@leat/sdk/protocol/frame.ts";

/** Audio this much behind the video is given up: a silent track must not hold the picture back. */
const LONGEST_LAG_TICKS = 2 * VIDEO_TIMESCALE;
/** Audio that outlives the last picture of an epoch by more than this is dropped. */
const LONGEST_TAIL_TICKS = VIDEO_TIMESCALE;
/** About 40 s of packets: audio that runs ahead of any video. */
const MAX_PENDING = 2_048;

export type AudioStep =
  | { readonly type: "frame"; readonly sequence: number; readonly frame: Frame }
  /** The segment gets no more packets, and one may have got none. `endPts`: where it ends, as far as was shown, at 90 kHz. */
  | { readonly type: "close"; readonly sequence: number; readonly endPts: number };

interface Slot {
  readonly boundary: Boundary;
  closed: boolean;
}

/**
 * Sorts audio packets into the video's segments: a segment of an audio rung holds the packets whose time falls in
 * [start, next start) of the video segment with the same number. A packet waits until the video has shown that no
 * boundary will come before it.
 */
export class AudioCutter {
  readonly #timescale: number;
  /** Segments that may still get packets, and the last one before them. */
  #slots: Slot[] = [];
  #pending: Frame[] = [];
  #epoch = -1;
  #shownPts = -1;
  /** By epoch that is over: the last time that was shown. */
  #ends = new Map<number, number>();
  #dropped = 0;
  /** No more video comes. */
  #isOver = false;

  /** `timescale`: that of the audio packets. */
  constructor(timescale: number) {
    this.#timescale = timescale;
  }

  /** Packets before the first boundary, behind the video by more than the allowed lag, or after the last picture. */
  get dropped(): number {
    return this.#dropped;
  }

  /** A new video segment. */
  boundary(boundary: Boundary): AudioStep[] {
    this.#slots.push({ boundary, closed: false });
    if (boundary.epoch !== this.#epoch) {
      if (this.#epoch >= 0) this.#ends.set(this.#epoch, this.#shownPts);
      this.#epoch = boundary.epoch;
      this.#shownPts = boundary.pts - 1;
    }
    return this.#drain();
  }

  /** The video has shown `pts`: no boundary of this epoch will ever stand at or before it. */
  advance(epoch: number, pts: number): AudioStep[] {
    if (epoch !== this.#epoch || pts <= this.#shownPts) return [];
    this.#shownPts = pts;
    return this.#drain();
  }

  push(frame: Frame): AudioStep[] {
    if (this.#pending.length >= MAX_PENDING) {
      this.#pending.shift();
      this.#dropped += 1;
    }
    this.#pending.push(frame);
    return this.#drain();
  }

  /** No more video and no more audio: hands out what waits and closes every segment. */
  finish(): AudioStep[] {
    const steps = this.#drain();
    this.#isOver = true;
    steps.push(...this.#drain());
    this.#dropped += this.#pending.length;
    this.#pending = [];
    for (const slot of this.#slots) this.#close(slot, steps);
    this.#slots = [];
    return steps;
  }

  #drain(): AudioStep[] {
    const steps: AudioStep[] = [];
    let taken = 0;
    for (const frame of this.#pending) {
      const place = this.#placeOf(frame);
      if (place === "wait") break;
      taken += 1;
      if (place === "drop") {
        this.#dropped += 1;
        continue;
      }
      this.#closeBefore(place.boundary.sequence, steps);
      steps.push({ type: "frame", sequence: place.boundary.sequence, frame });
    }
    if (taken > 0) this.#pending.splice(0, taken);
    this.#closeLagging(steps);
    return steps;
  }

  #placeOf(frame: Frame): Slot | "wait" | "drop" {
    if (frame.epoch > this.#epoch) return "wait";
    const ticks = Math.floor((frame.pts / this.#timescale) * VIDEO_TIMESCALE);
    let newest: Slot | undefined;
    let slot: Slot | undefined;
    for (let at = this.#slots.length - 1; at >= 0 && slot === undefined; at -= 1) {
      const { epoch, pts } = this.#slots[at]!.boundary;
      if (epoch !== frame.epoch) continue;
      newest ??= this.#slots[at];
      if (pts <= ticks) slot = this.#slots[at];
    }
    if (slot === undefined || slot.closed) return "drop";
    if (slot !== newest) return slot;
    if (frame.epoch < this.#epoch) {
      return ticks <= (this.#ends.get(frame.epoch) ?? -1) + LONGEST_TAIL_TICKS ? slot : "drop";
    }
    return ticks <= this.#shownPts + (this.#isOver ? LONGEST_TAIL_TICKS : 0) ? slot : "wait";
  }

  #closeBefore(sequence: number, steps: AudioStep[]): void {
    for (const slot of this.#slots) {
      if (slot.boundary.sequence >= sequence) break;
      this.#close(slot, steps);
    }
    this.#forget();
  }

  /** Closes the segments whose successor began so long ago that their packets will not come. */
  #closeLagging(steps: AudioStep[]): void {
    for (let index = 0; index + 1 < this.#slots.length; index += 1) {
      const slot = this.#slots[index]!;
      const next = this.#slots[index + 1]!.boundary;
      const reference = next.epoch === this.#epoch ? next.pts : this.#slots.at(-1)!.boundary.pts;
      if (this.#shownPts - reference < LONGEST_LAG_TICKS) break;
      this.#close(slot, steps);
    }
    this.#forget();
  }

  #close(slot: Slot, steps: AudioStep[]): void {
    if (!slot.closed) steps.push({ type: "close", sequence: slot.boundary.sequence, endPts: this.#endOf(slot) });
    slot.closed = true;
  }

  #endOf({ boundary: { sequence, epoch } }: Slot): number {
    const next = this.#slots.find(({ boundary }) => boundary.sequence > sequence && boundary.epoch === epoch);
    return next?.boundary.pts ?? this.#ends.get(epoch) ?? this.#shownPts;
  }

  #forget(): void {
    while (this.#slots.length > 1 && this.#slots[0]!.closed && this.#slots[1]!.closed) this.#slots.shift();
    if (this.#ends.size === 0) return;
    for (const epoch of this.#ends.keys()) {
      if (!this.#slots.some((slot) => slot.boundary.epoch === epoch)) this.#ends.delete(epoch);
    }
  }
}
