import type { SegmentEndMessage } from "@leat/node/wire/media/message.ts";

/** What a mark or an end is signed over, along with its stream. */
export interface HashPlace {
  readonly rung: number;
  readonly sequence: number;
  /** Of an end: how many parts there are. */
  readonly part: number;
  readonly runningHash: Uint8Array;
}

/** A segment's end within the process of its origin. Its signature is made for other nodes, when the first reads it. */
export class OwnSegmentEnd implements SegmentEndMessage {
  readonly type = "segmentEnd";
  readonly rung: number;
  readonly sequence: number;
  readonly frames: number;
  readonly durationTicks: number;
  readonly #place: HashPlace;
  #signed: Promise<SegmentEndMessage> | undefined;

  constructor(place: HashPlace, { frames, durationTicks }: Pick<SegmentEndMessage, "frames" | "durationTicks">) {
    this.rung = place.rung;
    this.sequence = place.sequence;
    this.frames = frames;
    this.durationTicks = durationTicks;
    this.#place = place;
  }

  /** As other nodes get it. `sign` is called once, whatever comes of it. */
  signed(sign: (place: HashPlace) => Promise<Uint8Array>): Promise<SegmentEndMessage> {
    this.#signed ??= sign(this.#place).then((signature) => {
      const { type, rung, sequence, frames, durationTicks } = this;
      return { type, rung, sequence, frames, durationTicks, signature };
    });
    return this.#signed;
  }
}
