import type { Clock } from "@leat/node/kernel/clock.ts";
import type { FrameMessage, MediaMessage, ProgressMessage } from "@leat/node/wire/media/message.ts";
import type { TrackConfig } from "@leat/sdk/protocol/frame.ts";
import type { PackedPart } from "./packed-segment.ts";
import { PartFrames } from "./part-frames.ts";
import { ReplayLog } from "./replay-log.ts";

export interface VersionedConfig {
  readonly version: number;
  readonly config: TrackConfig;
}

/** One message of a rung's segment, as edges get it. */
export interface NewEntry {
  readonly rung: number;
  readonly sequence: number;
  readonly message: MediaMessage;
  /** Of a segment that starts. */
  readonly config?: VersionedConfig;
}

/** The same, as a log holds it. */
export class LogEntry {
  readonly rung: number;
  readonly sequence: number;
  readonly config: VersionedConfig | undefined;
  /** When it became known, milliseconds since its log began. */
  readonly atMs: number;
  /** A frame of a part that is whole is held with the others of that. */
  #held: MediaMessage | PartFrames;
  #place = 0;

  constructor({ rung, sequence, message, config }: NewEntry, atMs: number) {
    this.rung = rung;
    this.sequence = sequence;
    this.config = config;
    this.atMs = atMs;
    this.#held = message;
  }

  get message(): MediaMessage {
    return this.#held instanceof PartFrames ? this.#held.messageAt(this.#place) : this.#held;
  }

  /** Whether it says nothing to those who get whole parts. */
  get isOfFrames(): boolean {
    return this.#held instanceof PartFrames || this.#held.type === "frame" || this.#held.type === "partRestart";
  }

  keepWithin(part: PartFrames, place: number): void {
    this.#held = part;
    this.#place = place;
  }
}

export interface SegmentLogOptions {
  /** Segments of each rung that are kept for edges that come or return. */
  readonly keptSegments: number;
  /** The same while no edge has read for as many segments as that: nobody watches, and whoever comes begins near the end. */
  readonly unwatchedSegments?: number;
  /** A reader that is further behind goes on with the newest segment. Without it a reader is cut off at what is kept. */
  readonly lag?: { readonly clock: Pick<Clock, "nowMs">; readonly maxMs: number };
}

/** What the origin says of all that stands before an entry. */
interface Told {
  readonly message: ProgressMessage;
  readonly before: number;
}

/** Messages of all rungs in the order in which they became known: an origin's, and those that an edge hands on. */
export class SegmentLog {
  readonly #log = new ReplayLog<LogEntry>();
  readonly #options: SegmentLogOptions;
  readonly #beganMs: number;
  #head = 0;
  /** The newest alone: who is told of a place has it, whatever was said of earlier ones. */
  #told: Told | undefined;
  #readers = 0;
  /** Segments that began since the last reader left. */
  #unread = Number.POSITIVE_INFINITY;

  constructor(options: SegmentLogOptions) {
    this.#options = options;
    this.#beganMs = options.lag?.clock.nowMs() ?? 0;
  }

  /** Messages that are held for edges. */
  get size(): number {
    return this.#log.next - this.#log.first;
  }

  get closed(): boolean {
    return this.#log.closed;
  }

  append(added: NewEntry): LogEntry {
    const entry = new LogEntry(added, Math.round(this.#nowMs()));
    this.#log.append(entry, 0, entry.isOfFrames);
    if (entry.sequence > this.#head) this.#begin(entry.sequence);
    return entry;
  }

  #begin(sequence: number): void {
    this.#head = sequence;
    this.#unread += 1;
    const { keptSegments, unwatchedSegments = keptSegments } = this.#options;
    const isWatched = this.#readers > 0 || this.#unread < keptSegments;
    const oldest = this.#head - (isWatched ? keptSegments : Math.min(unwatchedSegments, keptSegments)) + 1;
    let first = this.#log.first;
    while ((this.#log.at(first)?.sequence ?? oldest) < oldest) first += 1;
    this.#log.dropBefore(first);
  }

  /** How far the stream is, by its origin, now that all of that is here. Readers are told once they have read it. */
  tell(message: ProgressMessage): void {
    this.#told = { message, before: this.#log.next };
    this.#log.wake();
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
    const configs = new Map<number, VersionedConfig>();
    let heard: Told | undefined;
    const begun = new Map<number, number>();
    let wanted = fromSequence;
    // What was there before is history, however old it is.
    const firstLive = this.#log.next;
    for (let next = this.#log.first; ; ) {
      if (this.#told !== heard && this.#told !== undefined && next >= this.#told.before) {
        heard = this.#told;
        const { message } = heard;
        // It reads, or had before, what this is about.
        const isAbout = message.sequence < fromSequence || (begun.get(message.rung) ?? -1) >= message.sequence;
        if (!isOwn && (isAbout || message.parts === 0)) yield message;
        continue;
      }
      if (next === this.#log.next && !this.#log.closed) {
        // Frames are nothing to who gets whole parts, and those are most of what comes.
        next = await this.#log.change(signal, isOwn);
        continue;
      }
      const index = next;
      const entry = this.#log.at(index) ?? (await this.#log.read(index, signal));
      if (entry === undefined) return;
      next += 1;
      const { rung, sequence, config } = entry;
      if (sequence < wanted || (isOwn && entry.isOfFrames)) continue;
      if (index >= firstLive && sequence < this.#head && this.#isLate(entry)) {
        wanted = this.#head;
        continue;
      }
      if (config !== undefined && configs.get(rung) !== config) {
        configs.set(rung, config);
        yield { type: "config", rung, ...config };
      }
      if (config !== undefined) begun.set(rung, sequence);
      // The head of a late rung's segment may have been dropped already where the reader begins.
      if (begun.get(rung) !== sequence) continue;
      yield entry.message;
    }
  }

  #isLate({ atMs }: LogEntry): boolean {
    const { lag } = this.#options;
    return lag !== undefined && this.#nowMs() - atMs > lag.maxMs;
  }

  #nowMs(): number {
    return (this.#options.lag?.clock.nowMs() ?? 0) - this.#beganMs;
  }
}

/** From now on the frames of these entries are pieces of their part: their bytes are held once, and they as few numbers. */
export function keepWithin({ bytes }: Pick<PackedPart, "bytes">, entries: readonly LogEntry[]): void {
  const messages = entries.map(({ message }) => message);
  // What stands before a frame that was taken back is void, and in no part.
  const first = messages.findLastIndex(({ type }) => type !== "frame") + 1;
  const frames = messages.slice(first) as FrameMessage[];
  if (frames.length === 0) return;
  const { rung, sequence } = frames[0]!;
  const part = new PartFrames(
    rung,
    sequence,
    frames.map(({ frame }) => frame),
    bytes,
  );
  for (const [place, entry] of entries.slice(first).entries()) entry.keepWithin(part, place);
}
