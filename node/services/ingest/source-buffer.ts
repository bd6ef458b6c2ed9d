import type { CompletedSegment } from "@leat/node/media/boundaries.ts";
import type { Boundary, Frame, SourceVideoConfig } from "@leat/sdk/protocol/frame.ts";
import { ReplayLog } from "../jobs/replay-log.ts";

export type SourceEntry =
  | { readonly type: "config"; readonly version: number; readonly config: SourceVideoConfig }
  | {
      readonly type: "boundary";
      readonly boundary: Boundary;
      readonly wallClockMs: number;
      /** Where the rest of a segment begins: the number of its first part. */
      readonly firstPart?: number;
    }
  | { readonly type: "frame"; readonly sequence: number; readonly frame: Frame }
  /** The segment, and all before it, are whole, and the next begins with a key frame. */
  | { readonly type: "segmentEnd"; readonly sequence: number; readonly frames: number; readonly durationTicks: number };

export interface SourceBufferLimits {
  readonly maxBytes: number;
  /** Between the arrival of the oldest and the newest frame. */
  readonly maxMs: number;
}

/** Where the rest of a segment begins. */
export interface RestOfSegment {
  readonly fromPts: number;
  /** Pictures and parts before it. */
  readonly picture: number;
  readonly part: number;
}

/** Of the bounds, how much a reader may lag when it begins. */
const beginPart = 2 / 3;

interface Start {
  readonly sequence: number;
  readonly boundaryIndex: number;
  /** Where a decoder must begin to show this segment's first picture. */
  readonly index: number;
  /** The configuration that holds there. */
  readonly config: { readonly version: number; readonly config: SourceVideoConfig };
  readonly arrivalMs: number;
}

/**
 * The source frames that transcoders may still ask for: from the first segment that some family has not published.
 * Bounded: a transcoder that is later than the bound finds a gap, and never holds up the publisher.
 */
export class SourceBuffer {
  readonly #log = new ReplayLog<SourceEntry>();
  readonly #limits: SourceBufferLimits;
  #starts: Start[] = [];
  #config: Start["config"] | undefined;
  #newestMs = 0;
  #lastKey: { index: number; config: Start["config"]; epoch: number } | undefined;

  constructor(limits: SourceBufferLimits) {
    this.#limits = limits;
  }

  get sizeBytes(): number {
    return this.#log.sizeBytes;
  }

  get closed(): boolean {
    return this.#log.closed;
  }

  /** The oldest segment that can still be decoded whole. */
  get firstSequence(): number | undefined {
    return this.#starts[0]?.sequence;
  }

  /** The oldest segment at which a reader may begin now: from one nearer to the bounds it would soon lose its place. */
  get firstToRead(): number | undefined {
    const { maxMs, maxBytes } = this.#limits;
    const isInside = ({ arrivalMs, index }: Start) =>
      this.#newestMs - arrivalMs <= maxMs * beginPart && this.#log.sizeFrom(index) <= maxBytes * beginPart;
    return (this.#starts.find(isInside) ?? this.#starts.at(-1))?.sequence;
  }

  setConfig(version: number, config: SourceVideoConfig): void {
    this.#config = { version, config };
    this.#log.append({ type: "config", version, config });
  }

  /** Call before the first frame of the segment. */
  announce(boundary: Boundary, wallClockMs: number): void {
    const config = this.#config;
    if (config === undefined) throw new Error("a boundary before any configuration");
    const index = this.#log.append({ type: "boundary", boundary, wallClockMs });
    // At a forced boundary no key frame stands: a decoder needs the frames since the last one, which it does not show.
    const key = boundary.forced && this.#lastKey?.epoch === boundary.epoch ? this.#lastKey : undefined;
    const at = key !== undefined && key.index >= this.#log.first ? key : { index, config };
    this.#starts.push({
      sequence: boundary.sequence,
      boundaryIndex: index,
      index: at.index,
      config: at.config,
      arrivalMs: wallClockMs,
    });
  }

  add(sequence: number, frame: Frame): void {
    const index = this.#log.append({ type: "frame", sequence, frame }, frame.data.length);
    if (frame.key && this.#config !== undefined) {
      this.#lastKey = { index, config: this.#config, epoch: frame.epoch };
    }
    this.#newestMs = frame.arrivalMs;
    this.#enforceLimits(frame.arrivalMs);
  }

  /** Transcoders give out all of it at once. */
  endSegment({ sequence, frames, startPts, endPts }: CompletedSegment): void {
    this.#log.append({ type: "segmentEnd", sequence, frames, durationTicks: endPts - startPts });
  }

  /** No family needs what is before `sequence` any more. */
  release(sequence: number): void {
    const keep = this.#starts.findIndex((start) => start.sequence >= sequence);
    if (keep > 0) this.#dropStarts(keep);
  }

  close(): void {
    this.#log.close();
  }

  /**
   * The entries from which segment `sequence` can be decoded, then the live ones. Begins later where the buffer does,
   * and waits where the segment is still to come. Throws INGEST_READER_BEHIND when the reader is too slow.
   * `rest`: the boundary of the first segment stands where that begins, and its frames before only feed the decoder.
   */
  async *readFrom(sequence: number, signal: AbortSignal, rest?: RestOfSegment): AsyncGenerator<SourceEntry, void> {
    // A segment still to come may be forced: the reader's decoder is fed from the newest one that is here.
    const start = this.#starts.find((known) => known.sequence >= sequence) ?? this.#starts.at(-1);
    let next = start?.index ?? this.#log.next;
    const config = start?.config ?? this.#config;
    if (config !== undefined) yield { type: "config", ...config };
    let held: Extract<SourceEntry, { type: "boundary" }> | undefined;
    for (;;) {
      const entry = await this.#log.read(next, signal);
      if (entry === undefined) return;
      next += 1;
      // Boundaries of the frames that only feed the decoder are not announced, so that nothing is made of them.
      if (entry.type === "boundary" && entry.boundary.sequence < sequence) continue;
      if (rest !== undefined && entry.type === "boundary" && entry.boundary.sequence === sequence) {
        held = moveBoundary(entry, rest);
        continue;
      }
      // A segment of which nothing is left has no boundary: the next one's comes.
      if (entry.type === "boundary") held = undefined;
      const isOfRest = entry.type === "frame" && entry.sequence === sequence && entry.frame.pts >= (rest?.fromPts ?? 0);
      if (held !== undefined && isOfRest) {
        yield held;
        held = undefined;
      }
      yield entry;
    }
  }

  /** The frames of a segment in decode order, as far as they are here. */
  framesOf(sequence: number): Frame[] {
    const frames: Frame[] = [];
    for (let index = this.#log.first; index < this.#log.next; index += 1) {
      const entry = this.#log.at(index);
      if (entry?.type === "frame" && entry.sequence === sequence) frames.push(entry.frame);
    }
    return frames;
  }

  #enforceLimits(nowMs: number): void {
    const { maxMs, maxBytes } = this.#limits;
    while (this.#starts.length > 1 && (nowMs - this.#starts[0]!.arrivalMs > maxMs || this.sizeBytes > maxBytes)) {
      this.#dropStarts(1);
      if (this.sizeBytes <= maxBytes || this.#starts.length > 1) continue;
      // One group of pictures alone is beyond the bound: decoding can begin again at the next key frame only.
      this.#lastKey = undefined;
      this.#starts = this.#starts.map((start) => ({ ...start, index: start.boundaryIndex }));
      this.#dropStarts(0);
    }
  }

  #dropStarts(count: number): void {
    this.#starts = this.#starts.slice(count);
    const oldest = this.#starts[0];
    if (oldest !== undefined) this.#log.dropBefore(Math.min(oldest.index, this.#lastKey?.index ?? oldest.index));
  }
}

function moveBoundary(
  { boundary, wallClockMs }: Extract<SourceEntry, { type: "boundary" }>,
  { fromPts, picture, part }: RestOfSegment,
): Extract<SourceEntry, { type: "boundary" }> {
  const firstFrame = boundary.firstFrame + picture;
  const moved = { ...boundary, pts: fromPts, forced: true, discontinuity: false, firstFrame };
  return { type: "boundary", boundary: moved, wallClockMs, firstPart: part };
}
