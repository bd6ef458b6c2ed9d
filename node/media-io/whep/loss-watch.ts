/** What a viewer reported so far of the packets that it was sent. */
export interface Reception {
  /** Those that are missing; what came twice counts against it, so it may fall and be below zero. */
  readonly lost: number;
  /** The greatest number that came, which rises over the wrap of 16 bits, within 32. */
  readonly highest: number;
}

/** Of this much lost the viewer's network cannot carry what it is sent. */
const HEAVY_LOSS = 0.3;
/** Packets that overtake each other look lost in one report and are there in the next: several are taken together. */
const WINDOW_MS = 3_000;
/** Of fewer nothing can be said. */
const LEAST_PACKETS = 20;

/** Tells when most of what a viewer is sent is in vain. */
export class LossWatch {
  #from: (Reception & { readonly atMs: number }) | undefined;

  /** Whether so much was lost since a few seconds that the viewer should get nothing up to the next key frame. */
  hear({ lost, highest }: Reception, nowMs: number): boolean {
    const from = this.#from;
    if (from !== undefined && nowMs - from.atMs < WINDOW_MS) return false;
    this.#from = { lost, highest, atMs: nowMs };
    if (from === undefined) return false;
    const due = (highest - from.highest) >>> 0;
    return due >= LEAST_PACKETS && lost - from.lost >= HEAVY_LOSS * due;
  }
}
