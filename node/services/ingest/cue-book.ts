import { SAME_CUE_MS } from "@leat/node/media/cue-list.ts";
import type { Cue } from "@leat/sdk/protocol/cue.ts";
import { type Boundary, VIDEO_TIMESCALE } from "@leat/sdk/protocol/frame.ts";
import { MAX_CUE_BYTES, MAX_CUES } from "@leat/sdk/protocol/limits.ts";

/** A command of the publisher on the stream's clock, at 90 kHz. */
export interface PlacedCue {
  readonly epoch: number;
  readonly pts: number;
  readonly command: Uint8Array;
}

const TICKS_PER_MS = VIDEO_TIMESCALE / 1000;

/** The newest cues of a stream by the wall clock, as its segments name them. Publishers repeat theirs within seconds: the first counts. */
export class CueBook {
  #anchor: { readonly epoch: number; readonly pts: number; readonly wallClockMs: number } | undefined;
  #cues: readonly Cue[] = [];

  get newest(): readonly Cue[] {
    return this.#cues;
  }

  boundary({ epoch, pts }: Boundary, wallClockMs: number): void {
    this.#anchor = { epoch, pts, wallClockMs };
  }

  /** One that comes before its epoch's first segment has no time, and goes; so does one that is too long to be shown. */
  add({ epoch, pts, command }: PlacedCue): void {
    const anchor = this.#anchor;
    if (anchor?.epoch !== epoch || command.length > MAX_CUE_BYTES) return;
    const atMs = Math.max(0, Math.round(anchor.wallClockMs + (pts - anchor.pts) / TICKS_PER_MS));
    // One that names no time is the same, byte for byte, at the next break.
    const isAgain = (cue: Cue) => Math.abs(cue.atMs - atMs) < SAME_CUE_MS && Buffer.compare(cue.command, command) === 0;
    if (this.#cues.some(isAgain)) return;
    this.#cues = [...this.#cues, { atMs, command: Uint8Array.from(command) }].slice(-MAX_CUES);
  }
}
