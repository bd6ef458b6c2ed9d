import type { MediaMessage, SegmentEndMessage, SegmentStartMessage } from "@leat/node/wire/media/message.ts";
import { isTrackConfig, type TrackConfig } from "@leat/sdk/protocol/frame.ts";
import { OwnPartMark } from "../jobs/own-part-mark.ts";
import type { PackedPart } from "../jobs/packed-segment.ts";
import type { EdgeStream, ServedSegment } from "./edge-stream.ts";
import { DeliveryError } from "./errors.ts";

export interface OwnIntakeParts {
  readonly stream: EdgeStream;
  readonly onServed: (segments: readonly ServedSegment[]) => void;
  readonly onSegment: () => void;
}

interface OwnSegment {
  readonly start: SegmentStartMessage;
  readonly config: TrackConfig;
  /** It is served along with its segment's end: a playlist between them would hint at a part that never comes. */
  last: PackedPart | undefined;
}

/**
 * What an origin publishes that is this node itself: parts, as they were packed and hashed a moment ago in this process.
 * Nothing of it is made, checked or kept a second time, and its frames are followed where they are.
 */
export class OwnIntake {
  readonly #parts: OwnIntakeParts;
  /** By rung, as it was told last. */
  readonly #configs = new Map<number, TrackConfig>();
  readonly #open = new Map<number, OwnSegment>();

  constructor(parts: OwnIntakeParts) {
    this.#parts = parts;
  }

  /** @throws DELIVERY_ORIGIN_REFUSED */
  take(message: MediaMessage): void {
    switch (message.type) {
      case "refused":
        throw new DeliveryError({ code: "DELIVERY_ORIGIN_REFUSED", reason: message.code });
      case "config":
        if (isTrackConfig(message.config)) this.#configs.set(message.rung, message.config);
        return;
      case "segmentStart":
        this.#begin(message);
        return;
      case "partMark":
        if (message instanceof OwnPartMark) this.#take(message);
        return;
      case "segmentEnd":
        this.#end(message);
        return;
      default:
        return;
    }
  }

  #begin(start: SegmentStartMessage): void {
    const { rung, sequence } = start;
    const config = this.#configs.get(rung)!;
    if (this.#parts.stream.hasPassed(rung, sequence)) this.#open.delete(rung);
    else this.#open.set(rung, { start, config, last: undefined });
  }

  #take({ rung, packed, isLast }: OwnPartMark): void {
    const { stream, onServed } = this.#parts;
    const segment = this.#open.get(rung);
    if (segment === undefined) return;
    if (isLast) segment.last = packed;
    else onServed(stream.addPart(segment.start, packed, segment.config));
  }

  #end({ rung }: SegmentEndMessage): void {
    const { stream, onServed, onSegment } = this.#parts;
    const segment = this.#open.get(rung);
    if (segment === undefined) return;
    this.#open.delete(rung);
    const { start, config, last } = segment;
    onServed(stream.add({ start, parts: last === undefined ? [] : [last] }, config));
    onSegment();
  }
}
