import { concatBytes } from "@leat/sdk/base/bytes.ts";
import { CodedError } from "@leat/sdk/base/errors.ts";
import { isShown, readCaptions } from "@leat/sdk/protocol/bitstream/captions.ts";
import type { Frame, SourceConfig } from "@leat/sdk/protocol/frame.ts";
import { writeTags } from "./mp4/event-message.ts";
import { fragment, type Sample } from "./mp4/fragment.ts";

export class PackagerError extends CodedError<
  | { code: "PACKAGER_FRAME_KIND"; wanted: string; found: string }
  | { code: "PACKAGER_FRAME_TIME"; dts: number; previous: number }
  | { code: "PACKAGER_FRAME_EPOCH"; wanted: number; found: number }
  | { code: "PACKAGER_PARTS_EXCEEDED"; limit: number }
  | { code: "PACKAGER_SEGMENT_CLOSED" }
> {}

/** A quarter of a second: four requests a second for a low-latency viewer, and at least five frames a part at 24 fps. */
export const PART_TARGET_MS = 250;
/** A part may be this much shorter than the target (low-latency HLS), unless it is independent or the last. */
export const SHORTEST_PART_RATIO = 0.85;
/** The fragment number holds segment and part in 32 bits; a 4 s segment of 250 ms parts has 16. */
export const MAX_PARTS = 4_096;
/**
 * What edges take of one part: frames that last no time fill none. The longest part of pictures has 60, at 240 a second;
 * sound of 2.5 ms for as long as a picture that lasts a second has 400.
 */
export const MAX_PART_FRAMES = { video: 250, audio: 1_000 };

/** Durations and composition offsets are 32-bit fields, the offset signed. */
const LONGEST_TICKS = 2 ** 31 - 1;

/** One `moof` and `mdat`, and `emsg` before them: the smallest thing that is hashed, paid and served. */
export interface Part {
  readonly index: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Pictures, or audio packets. */
  readonly frames: number;
  /** Frames times width times height; 0 for audio. */
  readonly pixels: number;
  readonly durationTicks: number;
  /** When its earliest frame shows. */
  readonly startTicks: number;
  /** Starts with a key frame. */
  readonly independent: boolean;
  /** Bytes up to the end of its first frame: with a key frame there, a picture can be shown of them alone. */
  readonly headSizeBytes: number;
  /** A picture of it says something in captions of CEA-608. */
  readonly hasCaptions?: boolean;
}

/** What a segment came to, once closed. */
export interface SegmentTotals {
  readonly parts: number;
  readonly frames: number;
  readonly durationTicks: number;
  readonly sizeBytes: number;
  /** Whether every part obeys PART-TARGET; where false, only plain HLS may be served. */
  readonly partsFit: boolean;
}

export function partTargetTicks(timescale: number, partTargetMs: number = PART_TARGET_MS): number {
  return Math.floor((timescale * partTargetMs) / 1000);
}

/**
 * Packs the frames of one segment of one rung, given in decode order. A segment is exactly its parts in order. The cut
 * depends on the frames and the target alone: a part is closed by the frame that would make it longer than the target.
 */
export class SegmentPackager {
  readonly #config: SourceConfig;
  readonly #sequence: number;
  readonly #targetTicks: number;
  readonly #firstPart: number;
  readonly #findsCaptions: boolean;
  #pending: Frame[] = [];
  #pendingTicks = 0;
  #epoch: number | undefined;
  #lastDts = -1;
  /** Of the newest frame that is in a whole part. */
  #cutDts = -1;
  #parts: number;
  #frames = 0;
  #durationTicks = 0;
  #sizeBytes = 0;
  #partsFit = true;
  #closed = false;

  /**
   * `firstPart`: the number of its first part, where it packs the rest of a segment that another began.
   * `findsCaptions`: its parts say whether they have some, for who serves them.
   */
  constructor(options: {
    config: SourceConfig;
    sequence: number;
    partTargetTicks?: number;
    firstPart?: number;
    findsCaptions?: boolean;
  }) {
    this.#config = options.config;
    this.#findsCaptions = options.findsCaptions === true;
    this.#parts = options.firstPart ?? 0;
    this.#firstPart = this.#parts;
    this.#sequence = options.sequence;
    this.#targetTicks = options.partTargetTicks ?? partTargetTicks(options.config.timescale);
  }

  /** Takes the next frame in decode order; gives the part that it closes, if it closes one. */
  push(frame: Frame): Part | undefined {
    this.#check(frame);
    const isFull = this.#pending.length > 0 && this.#pendingTicks + frame.duration > this.#targetTicks;
    const part = isFull ? this.#cut(frame.dts, false) : undefined;
    this.#pending.push(frame);
    this.#pendingTicks += frame.duration;
    this.#lastDts = frame.dts;
    return part;
  }

  /** Forgets the frames of the part that is not whole yet, and says how many those were. */
  dropOpen(): number {
    const dropped = this.#pending.length;
    this.#pending = [];
    this.#pendingTicks = 0;
    this.#lastDts = this.#cutDts;
    return dropped;
  }

  /** Closes the segment; gives the last part, unless no frame came at all. */
  finish(): Part | undefined {
    if (this.#closed) throw new PackagerError({ code: "PACKAGER_SEGMENT_CLOSED" });
    this.#closed = true;
    return this.#pending.length === 0 ? undefined : this.#cut(undefined, true);
  }

  get totals(): SegmentTotals {
    return {
      parts: this.#parts - this.#firstPart,
      frames: this.#frames,
      durationTicks: this.#durationTicks,
      sizeBytes: this.#sizeBytes,
      partsFit: this.#partsFit,
    };
  }

  #check(frame: Frame): void {
    if (this.#closed) throw new PackagerError({ code: "PACKAGER_SEGMENT_CLOSED" });
    if (frame.kind !== this.#config.kind) {
      throw new PackagerError({ code: "PACKAGER_FRAME_KIND", wanted: this.#config.kind, found: frame.kind });
    }
    const follows = this.#lastDts < 0 || (frame.dts > this.#lastDts && frame.dts - this.#lastDts <= LONGEST_TICKS);
    if (!follows || !isTime(frame.dts) || !isTime(frame.pts) || Math.abs(frame.pts - frame.dts) > LONGEST_TICKS) {
      throw new PackagerError({ code: "PACKAGER_FRAME_TIME", dts: frame.dts, previous: this.#lastDts });
    }
    if (!isTime(frame.duration) || frame.duration > LONGEST_TICKS) {
      throw new PackagerError({ code: "PACKAGER_FRAME_TIME", dts: frame.dts, previous: this.#lastDts });
    }
    this.#epoch ??= frame.epoch;
    if (frame.epoch !== this.#epoch) {
      throw new PackagerError({ code: "PACKAGER_FRAME_EPOCH", wanted: this.#epoch, found: frame.epoch });
    }
  }

  #isCaptioned({ data }: Frame): boolean {
    if (!this.#findsCaptions || this.#config.kind !== "video") return false;
    return readCaptions(this.#config.codec, data).some(isShown);
  }

  #cut(nextDts: number | undefined, isLast: boolean): Part {
    if (this.#parts >= MAX_PARTS) throw new PackagerError({ code: "PACKAGER_PARTS_EXCEEDED", limit: MAX_PARTS });
    const frames = this.#pending;
    // Distances of decode times, not the frames' own durations, so that no decode time drifts within a part.
    let durationTicks = 0;
    let startTicks = Number.POSITIVE_INFINITY;
    let dataBytes = 0;
    const samples = frames.map((frame, index): Sample => {
      const end = frames[index + 1]?.dts ?? nextDts ?? frame.dts + frame.duration;
      durationTicks += end - frame.dts;
      startTicks = Math.min(startTicks, frame.pts);
      dataBytes += frame.data.length;
      return {
        durationTicks: end - frame.dts,
        compositionTicks: frame.pts - frame.dts,
        key: frame.key || frame.kind === "audio",
        data: frame.data,
      };
    });
    const first = frames[0]!;
    const media = fragment(((this.#sequence % 2 ** 20) * MAX_PARTS + this.#parts + 1) % 2 ** 32, first.dts, samples);
    const tags = frames.flatMap((frame) => frame.tags ?? []);
    const bytes = tags.length === 0 ? media : concatBytes([writeTags(tags, this.#config.timescale), media]);
    const independent = first.key || first.kind === "audio";
    const isShort = durationTicks < this.#targetTicks * SHORTEST_PART_RATIO && !independent && !isLast;
    if (isShort || durationTicks > this.#targetTicks) this.#partsFit = false;
    const part: Part = {
      index: this.#parts,
      bytes,
      frames: frames.length,
      pixels: this.#config.kind === "video" ? frames.length * this.#config.width * this.#config.height : 0,
      durationTicks,
      startTicks,
      independent,
      headSizeBytes: bytes.length - dataBytes + first.data.length,
      ...(frames.some((frame) => this.#isCaptioned(frame)) ? { hasCaptions: true } : {}),
    };
    this.#parts += 1;
    this.#frames += frames.length;
    this.#durationTicks += durationTicks;
    this.#sizeBytes += bytes.length;
    this.#pending = [];
    this.#pendingTicks = 0;
    this.#cutDts = frames.at(-1)!.dts;
    return part;
  }
}

function isTime(ticks: number): boolean {
  return Number.isSafeInteger(ticks) && ticks >= 0;
}
