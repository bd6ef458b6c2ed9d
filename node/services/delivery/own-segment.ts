import type { PartMarkMessage, SegmentEndMessage, SegmentStartMessage } from "@leat/node/wire/media/message.ts";
import type { TrackConfig } from "@leat/sdk/protocol/frame.ts";
import { OwnPartMark } from "../jobs/own-part-mark.ts";
import type { PackedPart } from "../jobs/packed-segment.ts";
import { DeliveryError } from "./errors.ts";
import type { IncomingSegment, VerifiedSegment } from "./segment-verifier.ts";

/**
 * A segment whose origin is this node itself: each part comes with its mark, as it was packed and hashed a moment ago in
 * this process, and neither is done again.
 */
export class OwnSegment implements IncomingSegment {
  readonly start: SegmentStartMessage;
  readonly config: TrackConfig;
  readonly #parts: PackedPart[] = [];
  /** Marked, and not given yet: whether it is the segment's last is known from what comes behind it. */
  #marked: PackedPart | undefined;
  #openFrames = 0;

  constructor(start: SegmentStartMessage, config: TrackConfig) {
    this.start = start;
    this.config = config;
  }

  push(): PackedPart | undefined {
    const part = this.#take();
    this.#openFrames += 1;
    return part;
  }

  mark(message: PartMarkMessage): void {
    const { rung, sequence } = this.start;
    const isNext = this.#marked === undefined && message.part === this.#parts.length;
    if (!isNext || !(message instanceof OwnPartMark)) {
      throw new DeliveryError({ code: "DELIVERY_PART_ALTERED", rung, sequence, part: message.part });
    }
    this.#marked = message.packed;
    this.#openFrames = 0;
  }

  restartPart(): number {
    const dropped = this.#openFrames;
    this.#openFrames = 0;
    return dropped;
  }

  finish(end: SegmentEndMessage): VerifiedSegment {
    this.#take();
    const sum = (amount: (part: PackedPart) => number) => this.#parts.reduce((total, part) => total + amount(part), 0);
    const frames = sum((part) => part.frames);
    if (frames !== end.frames) {
      const { rung, sequence } = this.start;
      throw new DeliveryError({ code: "DELIVERY_PART_UNMARKED", rung, sequence, part: this.#parts.length });
    }
    const durationTicks = sum((part) => part.durationTicks);
    return {
      start: this.start,
      parts: this.#parts,
      frames,
      durationTicks,
      sizeBytes: sum(({ bytes }) => bytes.length),
    };
  }

  #take(): PackedPart | undefined {
    const part = this.#marked;
    this.#marked = undefined;
    if (part !== undefined) this.#parts.push(part);
    return part;
  }
}
