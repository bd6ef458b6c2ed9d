import type { SegmentEndMessage } from "@leat/node/wire/media/message.ts";
import { type HashPlace, type OriginSigning, OwnMessage, signHash } from "./own-message.ts";

/** A segment's end within the process of its origin. */
export class OwnSegmentEnd extends OwnMessage<SegmentEndMessage> implements SegmentEndMessage {
  readonly type = "segmentEnd";
  readonly rung: number;
  readonly sequence: number;
  readonly frames: number;
  readonly durationTicks: number;
  readonly #place: HashPlace;

  constructor(place: HashPlace, { frames, durationTicks }: Pick<SegmentEndMessage, "frames" | "durationTicks">) {
    super();
    this.rung = place.rung;
    this.sequence = place.sequence;
    this.frames = frames;
    this.durationTicks = durationTicks;
    this.#place = place;
  }

  protected sign(signing: OriginSigning) {
    return signHash(signing, this.#place);
  }

  protected withSignature(signature: Uint8Array): SegmentEndMessage {
    const { type, rung, sequence, frames, durationTicks } = this;
    return { type, rung, sequence, frames, durationTicks, signature };
  }
}
