import type { Boundary, Frame, VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { TranscodeError } from "../../errors.ts";

/** What a gateway gets at once: pictures that can be decoded alone, and which of them are wanted back. */
export interface Piece {
  readonly sequence: number;
  readonly config: VideoConfig;
  /** In decoding order, from a key frame on; none where the segment is told to be over and nothing is left of it. */
  readonly frames: readonly Frame[];
  /** The pictures of the segment, as they are shown. */
  readonly wanted: readonly Frame[];
  /** Where wanted pictures begin and end, in milliseconds after the first that is shown; undefined: with the others. */
  readonly fromMs: number | undefined;
  readonly toMs: number | undefined;
  /** The segment is over with it. */
  readonly ends: boolean;
}

const TICKS_PER_MS = 90;

/**
 * Cuts what comes into one piece for each segment. A segment may begin where no key frame stands, and its last pictures
 * may be decoded behind the first of the next: its piece begins at the key frame before, and says what of it is wanted.
 */
export class PieceCutter {
  readonly #maxBytes: number;
  #config: VideoConfig;
  #boundaries: Boundary[] = [];
  #frames: Frame[] = [];
  #bytes = 0;
  #epoch: number | undefined;

  constructor(config: VideoConfig, maxBytes: number) {
    this.#config = config;
    this.#maxBytes = maxBytes;
  }

  announce(boundary: Boundary): Piece[] {
    this.#boundaries.push(boundary);
    return this.#cut();
  }

  /** @throws TRANSCODE_GATEWAY_SEGMENT_TOO_LARGE, TRANSCODE_BITSTREAM_INVALID */
  add(frame: Frame): Piece[] {
    const pieces = this.#epoch === frame.epoch ? [] : this.flush();
    this.#epoch = frame.epoch;
    this.#boundaries = this.#boundaries.filter(({ epoch }) => epoch >= frame.epoch);
    this.#frames.push(frame);
    this.#bytes += frame.data.byteLength;
    if (this.#bytes > this.#maxBytes) {
      throw new TranscodeError({ code: "TRANSCODE_GATEWAY_SEGMENT_TOO_LARGE", limitBytes: this.#maxBytes });
    }
    pieces.push(...this.#cut());
    // What feeds no segment yet is of use from its last key frame on.
    if (frame.key && !this.#boundaries.some(({ epoch }) => epoch === frame.epoch)) this.#dropBefore(frame);
    return pieces;
  }

  /** What follows has this configuration, and goes on in the segment that is open. */
  configure(config: VideoConfig): Piece[] {
    const pieces = this.#cut();
    const [open] = this.#boundaries;
    if (open?.epoch === this.#epoch) pieces.push(this.#take(open!, undefined, false));
    this.#drop();
    this.#config = config;
    return pieces;
  }

  /** All that came: what follows begins with a key frame. */
  flush(): Piece[] {
    const pieces = this.#cut();
    for (const [index, boundary] of this.#boundaries.entries()) {
      if (boundary.epoch === this.#epoch) pieces.push(this.#take(boundary, this.#boundaries[index + 1], true));
    }
    this.#boundaries = this.#boundaries.filter(({ epoch }) => epoch !== this.#epoch);
    this.#drop();
    return pieces;
  }

  /** Segments of which no picture can come any more. */
  #cut(): Piece[] {
    const pieces: Piece[] = [];
    const newest = this.#frames.at(-1);
    for (let next = this.#boundaries[1]; next !== undefined; next = this.#boundaries[1]) {
      const open = this.#boundaries[0]!;
      // Frames come in decoding order and show no earlier than they are decoded.
      const isOver = newest !== undefined && newest.epoch === next.epoch && newest.dts >= next.pts;
      if (open.epoch !== next.epoch || !isOver) break;
      pieces.push(this.#take(open, next, true));
      this.#boundaries.shift();
      const entry = this.#frames.findLast(({ key, pts }) => key && pts <= next.pts);
      if (entry !== undefined) this.#dropBefore(entry);
    }
    return pieces;
  }

  #take(open: Boundary, next: Boundary | undefined, ends: boolean): Piece {
    const until = next?.epoch === open.epoch ? next.pts : Number.POSITIVE_INFINITY;
    const isWanted = ({ epoch, pts }: Frame) => epoch === open.epoch && pts >= open.pts && pts < until;
    const piece = { sequence: open.sequence, config: this.#config, ends };
    const first = this.#frames.findIndex(isWanted);
    if (first < 0) return { ...piece, frames: [], wanted: [], fromMs: undefined, toMs: undefined };
    const start = this.#frames.findLastIndex(({ key, pts }, index) => index <= first && key && pts <= open.pts);
    const at = start >= 0 ? start : this.#frames.findIndex(({ key }, index) => index <= first && key);
    const entry = this.#frames[at];
    if (entry === undefined) {
      const reason = `no key frame before segment ${open.sequence}`;
      throw new TranscodeError({ code: "TRANSCODE_BITSTREAM_INVALID", codec: this.#config.codec, reason });
    }
    const last = this.#frames.findLastIndex(isWanted);
    // What shows before the key frame refers to what stands before it.
    const frames = this.#frames.slice(at, last + 1).filter(({ pts }) => pts >= entry.pts);
    const wanted = frames.filter(isWanted).toSorted((left, right) => left.pts - right.pts);
    const [from, to] = [wanted[0]?.pts ?? entry.pts, wanted.at(-1)?.pts ?? entry.pts];
    return {
      ...piece,
      frames,
      wanted,
      fromMs: from > entry.pts ? Math.floor((from - entry.pts) / TICKS_PER_MS) : undefined,
      toMs: frames.some(({ pts }) => pts > to) ? Math.ceil((to - entry.pts) / TICKS_PER_MS) : undefined,
    };
  }

  #dropBefore(entry: Frame): void {
    this.#frames = this.#frames.slice(this.#frames.indexOf(entry));
    this.#bytes = this.#frames.reduce((sum, { data }) => sum + data.byteLength, 0);
  }

  #drop(): void {
    this.#frames = [];
    this.#bytes = 0;
  }
}
