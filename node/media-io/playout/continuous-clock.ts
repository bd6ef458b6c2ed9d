import { type Frame, VIDEO_TIMESCALE } from "@leat/sdk/protocol/frame.ts";

/** Ticks of 90 kHz since the first frame of all. */
export interface PlacedTime {
  readonly dts: number;
  readonly pts: number;
}

/** Epochs whose place is remembered: tracks of one stream are never further apart. */
const MAX_EPOCHS = 4;

/**
 * One clock for a program's tracks, which never goes back and never stops at an epoch's end: the next epoch goes on
 * where the furthest track is, so that receivers that know no discontinuity play on. What comes a second time, because
 * its first making was taken back, is pressed together behind what went out, until it is where it belongs.
 */
export class ContinuousClock {
  readonly #offsets = new Map<number, number>();
  readonly #last = { video: -1, audio: -1 };
  #end = 0;

  /** Undefined for what was before the first frame of all. `timescale`: ticks a second of the frame's track. */
  place({ kind, epoch, dts, pts, duration }: Omit<Frame, "data">, timescale: number): PlacedTime | undefined {
    const toTicks = (time: number) => Math.round((time * VIDEO_TIMESCALE) / timescale);
    const start = toTicks(dts);
    const offset = this.#offsets.get(epoch) ?? this.#end - start;
    this.#remember(epoch, offset);
    if (start + offset < 0) return undefined;
    const placed = Math.max(start + offset, this.#last[kind] + 1);
    this.#last[kind] = placed;
    this.#end = Math.max(this.#end, placed + toTicks(duration));
    return { dts: placed, pts: Math.max(toTicks(pts) + offset, placed) };
  }

  #remember(epoch: number, offset: number): void {
    this.#offsets.set(epoch, offset);
    if (this.#offsets.size > MAX_EPOCHS) this.#offsets.delete(this.#offsets.keys().next().value!);
  }
}
