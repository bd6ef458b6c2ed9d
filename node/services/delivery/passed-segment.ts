import type {
  FrameMessage,
  MediaMessage,
  PartMarkMessage,
  SegmentEndMessage,
  SegmentStartMessage,
} from "@leat/node/wire/media/message.ts";
import { frameSize } from "@leat/sdk/protocol/frame.ts";
import { DeliveryError } from "./errors.ts";

/** What a segment consists of between its start and the next one. */
export type InnerMessage =
  | FrameMessage
  | PartMarkMessage
  | SegmentEndMessage
  | Extract<MediaMessage, { type: "partRestart" }>;

/**
 * A segment that this edge served already, and gets since another rung still lacks it: nothing of it is looked at, so
 * that old segments cost no hash and no signature's check.
 */
export class PassedSegment {
  readonly start: SegmentStartMessage;
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(start: SegmentStartMessage, maxBytes: number) {
    this.start = start;
    this.#maxBytes = maxBytes;
  }

  /** @throws DELIVERY_SEGMENT_TOO_LARGE */
  pass(message: InnerMessage): void {
    if (message.type === "frame") this.#bytes += frameSize(message.frame);
    if (this.#bytes <= this.#maxBytes) return;
    throw new DeliveryError({
      code: "DELIVERY_SEGMENT_TOO_LARGE",
      sizeBytes: this.#bytes,
      maxBytes: this.#maxBytes,
    });
  }
}
