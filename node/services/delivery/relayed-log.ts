import type {
  FrameMessage,
  MediaMessage,
  PartMarkMessage,
  SegmentEndMessage,
  SegmentStartMessage,
} from "@leat/node/wire/media/message.ts";
import { isSameConfig } from "@leat/sdk/protocol/frame.ts";
import type { PackedPart } from "../jobs/packed-segment.ts";
import {
  keepWithin,
  type LogEntry,
  SegmentLog,
  type SegmentLogOptions,
  type VersionedConfig,
} from "../jobs/segment-log.ts";

type PartRestartMessage = Extract<MediaMessage, { type: "partRestart" }>;
type InnerMessage = FrameMessage | PartMarkMessage | PartRestartMessage | SegmentEndMessage;

interface RelayedRung {
  readonly sequence: number;
  readonly config: VersionedConfig;
  isWhole: boolean;
  marks: number;
  /** Since the newest mark, in the order in which they came. */
  open: LogEntry[];
}

/**
 * What an edge hands on to other edges: the messages of its stream as their origin sent them, each once, whoever brought
 * them here. An edge that changes its holder in the middle of a segment gets that again from its start; who reads here
 * notices nothing of it.
 */
export class RelayedLog {
  readonly #log: SegmentLog;
  readonly #rungs = new Map<number, RelayedRung>();

  constructor(options: SegmentLogOptions) {
    this.#log = new SegmentLog(options);
  }

  /** Messages that are held. */
  get size(): number {
    return this.#log.size;
  }

  readFrom(fromSequence: number, signal: AbortSignal): AsyncIterable<MediaMessage> {
    return this.#log.readFrom(fromSequence, signal);
  }

  /** The stream is over: readers get what is there and then the end. */
  close(): void {
    this.#log.close();
  }

  /** Takes what one connection brings. Of two feeds the newer one counts. */
  feed(): RelayFeed {
    return new RelayFeed(this.#log, this.#rungs);
  }
}

/** Where a feed stands in a segment that is partly known already. */
interface Repeated {
  marks: number;
  open: number;
}

export class RelayFeed {
  readonly #log: SegmentLog;
  readonly #rungs: Map<number, RelayedRung>;
  /** Absent: what comes of the rung is new. Null: all of its segment is known. */
  readonly #repeated = new Map<number, Repeated | null>();
  /** A part that is marked and not verified goes no further: whoever finds it altered has it from who altered it. */
  readonly #marks = new Map<number, PartMarkMessage>();

  constructor(log: SegmentLog, rungs: Map<number, RelayedRung>) {
    this.#log = log;
    this.#rungs = rungs;
  }

  start(message: SegmentStartMessage, config: VersionedConfig): void {
    const { rung, sequence } = message;
    const known = this.#rungs.get(rung);
    this.#repeated.delete(rung);
    this.#marks.delete(rung);
    if (known !== undefined && (sequence < known.sequence || (sequence === known.sequence && known.isWhole))) {
      this.#repeated.set(rung, null);
    } else if (known !== undefined && sequence === known.sequence && known.marks > 0) {
      this.#repeated.set(rung, { marks: 0, open: 0 });
    } else {
      // One that has no whole part may begin otherwise than it did before.
      const named = known !== undefined && isSame(known.config, config) ? known.config : config;
      this.#rungs.set(rung, { sequence, config: named, isWhole: false, marks: 0, open: [] });
      this.#log.append({ rung, sequence, message, config: named });
    }
  }

  mark(message: PartMarkMessage): void {
    this.#marks.set(message.rung, message);
  }

  /** The part of the newest mark was verified: its frames are pieces of it from now on. */
  verified(rung: number, bytes: PackedPart["bytes"]): void {
    const mark = this.#marks.get(rung);
    const known = this.#rungs.get(rung);
    this.#marks.delete(rung);
    if (mark === undefined || known === undefined || this.#isRepeated(mark, known)) return;
    this.#log.append({ rung, sequence: known.sequence, message: mark });
    keepWithin({ bytes }, known.open);
    known.marks += 1;
    known.open = [];
  }

  take(message: FrameMessage | PartRestartMessage): void {
    const { rung } = message;
    const known = this.#rungs.get(rung);
    if (known === undefined || this.#isRepeated(message, known)) return;
    const entry: LogEntry = { rung, sequence: known.sequence, message };
    this.#log.append(entry);
    known.open.push(entry);
  }

  end(message: SegmentEndMessage): void {
    const { rung } = message;
    const known = this.#rungs.get(rung);
    if (known === undefined || this.#isRepeated(message, known)) return;
    this.#log.append({ rung, sequence: known.sequence, message });
    known.isWhole = true;
  }

  /** True for what stands in the log already. What stands there and came to nothing is made void first. */
  #isRepeated(message: InnerMessage, known: RelayedRung): boolean {
    const at = this.#repeated.get(message.rung);
    if (at === undefined) return false;
    if (at === null) return true;
    if (at.marks < known.marks) {
      if (message.type === "partMark") at.marks += 1;
      return true;
    }
    const expected = known.open[at.open];
    if (expected !== undefined && isSameMessage(expected.message, message)) {
      at.open += 1;
      return true;
    }
    this.#repeated.delete(message.rung);
    // Who sent those is gone, and they are in no part: others come in their place.
    if (expected !== undefined) this.#void(message.rung, known, at.open);
    return false;
  }

  #void(rung: number, known: RelayedRung, same: number): void {
    const { sequence } = known;
    const kept = known.open.slice(0, same).map((entry) => ({ ...entry }));
    this.#log.append({ rung, sequence, message: { type: "partRestart", rung, sequence } });
    for (const entry of kept) this.#log.append(entry);
    known.open = kept;
  }
}

function isSameMessage(left: MediaMessage, right: MediaMessage): boolean {
  if (left.type !== right.type) return false;
  if (left.type !== "frame" || right.type !== "frame") return true;
  const { data, ...facts } = left.frame;
  const other: Partial<FrameMessage["frame"]> = right.frame;
  const hasSameFacts = Object.entries(facts).every(([name, value]) => other[name as keyof typeof facts] === value);
  return hasSameFacts && Buffer.compare(data, right.frame.data) === 0;
}

function isSame(left: VersionedConfig, right: VersionedConfig): boolean {
  return left.version === right.version && isSameConfig(left.config, right.config);
}
