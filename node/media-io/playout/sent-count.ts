import { type Frame, VIDEO_TIMESCALE } from "@leat/sdk/protocol/frame.ts";
import type { PlayedStream, StreamAudience } from "./stream.ts";

export interface SentCountParts {
  readonly stream: Pick<PlayedStream, "countFrame">;
  readonly audience: StreamAudience | undefined;
  readonly onSent: (bytes: number) => void;
}

/**
 * Counts what one viewer got, each moment of a rung once: a wish for a key frame brings pictures a second time, and what
 * was taken back is made anew under the same times. Neither may be paid for again.
 */
export class SentCount {
  readonly #parts: SentCountParts;
  readonly #until = new Map<number, { readonly sequence: number; readonly dts: number }>();

  constructor(parts: SentCountParts) {
    this.#parts = parts;
  }

  add(rung: number, frame: Frame, sequence: number): void {
    const until = this.#until.get(rung) ?? { sequence: -1, dts: 0 };
    if (sequence < until.sequence || (sequence === until.sequence && frame.dts <= until.dts)) return;
    this.#until.set(rung, { sequence, dts: frame.dts });
    const { stream, audience, onSent } = this.#parts;
    const seconds = frame.kind === "video" ? frame.duration / VIDEO_TIMESCALE : 0;
    stream.countFrame(rung, sequence, frame);
    audience?.sent(frame.data.length, seconds);
    onSent(frame.data.length);
  }
}
