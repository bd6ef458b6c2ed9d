import type { MadeRendition } from "../publish-sink.ts";
import { PushError } from "./errors.ts";
import type { PushedMedia } from "./pushed-media.ts";

export interface SegmentName {
  readonly number: number;
  /** SHA-256, as hex. */
  readonly digest: string;
}

export interface TakenSegment extends SegmentName {
  readonly media: PushedMedia;
  readonly made: Promise<readonly MadeRendition[]>;
}

interface KnownName extends SegmentName {
  readonly run: number;
  readonly takenMs: number;
}

/** Segments that are answered again: a client asks for one again 10 s after it, when those after it are taken. */
const ANSWERED_AGAIN = 8;
/** Clients give up long before, and one that began anew may send the same file from its start. */
const KNOWN_MS = 60_000;
const MAX_KNOWN = 512;

/**
 * The segments of a stream that were taken, so that each is taken once however often and late it comes. A number that
 * goes back to before what is known, or to 0, is a client that began anew, unless it is a segment that was taken.
 */
export class TakenSegments {
  #newest: number | undefined;
  #run = 0;
  #recent: TakenSegment[] = [];
  #known: KnownName[] = [];

  /** Number of the last that was taken. */
  get newest(): number | undefined {
    return this.#newest;
  }

  /** The same segment, where it was taken already; undefined where it is new. @throws PUSH_SEGMENT_LATE, PUSH_SEGMENT_CHANGED */
  find({ number, digest }: SegmentName, nowMs: number): TakenSegment | undefined {
    const isSame = (other: SegmentName) => other.number === number && other.digest === digest;
    const recent = this.#recent.find(isSame);
    if (recent !== undefined) return recent;
    const newest = this.#newest ?? -1;
    this.#known = this.#known.filter(({ takenMs }) => nowMs - takenMs < KNOWN_MS);
    if (this.#known.some(isSame)) throw new PushError({ code: "PUSH_SEGMENT_LATE", number, newest });
    if (number > newest || number === 0) return undefined;
    const numbers = this.#known.filter(({ run }) => run === this.#run).map((name) => name.number);
    if (numbers.every((known) => number < known)) return undefined;
    if (numbers.includes(number)) throw new PushError({ code: "PUSH_SEGMENT_CHANGED", number });
    throw new PushError({ code: "PUSH_SEGMENT_LATE", number, newest });
  }

  add(taken: TakenSegment, nowMs: number): void {
    const { number, digest } = taken;
    if (number <= (this.#newest ?? -1)) this.#run += 1;
    this.#newest = number;
    this.#recent = [...this.#recent, taken].slice(-ANSWERED_AGAIN);
    this.#known = [...this.#known, { number, digest, run: this.#run, takenMs: nowMs }].slice(-MAX_KNOWN);
  }
}
