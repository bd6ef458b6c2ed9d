import type { Clock } from "@leat/node/kernel/clock.ts";
import type { MediaMessage } from "@leat/node/wire/media/message.ts";
import type { TrackConfig } from "@leat/sdk/protocol/frame.ts";
import type { PackedPart } from "./packed-segment.ts";
import { ReplayLog } from "./replay-log.ts";

export interface VersionedConfig {
  readonly version: number;
  readonly config: TrackConfig;
}

/** One message of a rung's segment, as edges get it. */
export interface LogEntry {
  readonly rung: number;
  readonly sequence: number;
  message: MediaMessage;
  /** Of a segment that starts. */
  readonly config?: VersionedConfig;
}

export interface SegmentLogOptions {
  /** Segments of each rung that are kept for edges that come or return. */
  readonly keptSegments: number;
  /** The same while no edge has read for as many segments as that: nobody watches, and whoever comes begins near the end. */
  readonly unwatchedSegments?: number;
  /** A reader that is further behind goes on with the newest segment. Without it a reader is cut off at what is kept. */
  readonly lag?: { readonly clock: Pick<Clock, "nowMs">; readonly maxMs: number };
}

interface TimedEntry {
  readonly entry: LogEntry;
  readonly atMs: number;
}

/** Messages of all rungs in the order in which they became known: an origin's, and those that an edge hands on. */
export class SegmentLog {
  readonly #log = new ReplayLog<TimedEntry>();
  readonly #options: SegmentLogOptions;
  #head = 0;
  #readers = 0;
  /** Segments that began since the last reader left. */
  #unread = Number.POSITIVE_INFINITY;

  constructor(options: SegmentLogOptions) {
    this.#options = options;
  }

  /** Messages that are held for edges. */
  get size(): number {
    return this.#log.next - this.#log.first;
  }

  get closed(): boolean {
    return this.#log.closed;
  }

  append(entry: LogEntry): void {
    this.#log.append({ entry, atMs: this.#options.lag?.clock.nowMs() ?? 0 });
    if (entry.sequence <= this.#head) return;
    this.#head = entry.sequence;
    this.#unread += 1;
    const { keptSegments, unwatchedSegments = keptSegments } = this.#options;
    const isWatched = this.#readers > 0 || this.#unread < keptSegments;
    const oldest = this.#head - (isWatched ? keptSegments : Math.min(unwatchedSegments, keptSegments)) + 1;
    let first = this.#log.first;
    while ((this.#log.at(first)?.entry.sequence ?? oldest) < oldest) first += 1;
    this.#log.dropBefore(first);
  }

  /** Nothing more comes; readers get what is there and then the end. */
  close(): void {
    this.#log.close();
  }

  /**
   * The messages of all segments from `fromSequence` on, oldest first, then live ones. A segment whose head is gone is
   * left out whole. `isOwn`: whoever reads in this process needs no frames, and is no reason to keep any for longer.
   */
  async *readFrom(fromSequence: number, signal: AbortSignal, isOwn = false): AsyncGenerator<MediaMessage, void> {
    if (isOwn) {
      yield* this.#read(fromSequence, signal, isOwn);
      return;
    }
    this.#readers += 1;
    try {
      yield* this.#read(fromSequence, signal, isOwn);
    } finally {
      this.#readers -= 1;
      this.#unread = 0;
    }
  }

  async *#read(fromSequence: number, signal: AbortSignal, isOwn: boolean): AsyncGenerator<MediaMessage, void> {
    const told = new Map<number, VersionedConfig>();
    const begun = new Map<number, number>();
    let wanted = fromSequence;
    // What was there before is history, however old it is.
    const firstLive = this.#log.next;
    for (let index = this.#log.first; ; index += 1) {
      const timed = this.#log.at(index) ?? (await this.#log.read(index, signal));
      if (timed === undefined) return;
      const { rung, sequence, config, message } = timed.entry;
      if (sequence < wanted || (isOwn && (message.type === "frame" || message.type === "partRestart"))) continue;
      if (index >= firstLive && sequence < this.#head && this.#isLate(timed)) {
        wanted = this.#head;
        continue;
      }
      if (config !== undefined && told.get(rung) !== config) {
        told.set(rung, config);
        yield { type: "config", rung, ...config };
      }
      if (config !== undefined) begun.set(rung, sequence);
      // The head of a late rung's segment may have been dropped already where the reader begins.
      if (begun.get(rung) !== sequence) continue;
      yield message;
    }
  }

  #isLate({ atMs }: TimedEntry): boolean {
    const { lag } = this.#options;
    return lag !== undefined && lag.clock.nowMs() - atMs > lag.maxMs;
  }
}

/** From now on the frames' bytes are those within their part, where they stand last: they are not held twice. */
export function keepWithin({ bytes }: Pick<PackedPart, "bytes">, entries: readonly LogEntry[]): void {
  let end = bytes.length;
  for (const entry of entries.toReversed()) {
    // What stands before it is void, and in no part.
    if (entry.message.type !== "frame") return;
    const { frame } = entry.message;
    const data = bytes.subarray(end - frame.data.length, end);
    end -= frame.data.length;
    entry.message = { ...entry.message, frame: { ...frame, data } };
  }
}
