import type { FrameRelay } from "@leat/node/media/live-frames.ts";
import type {
  FrameMessage,
  MediaMessage,
  PartMarkMessage,
  ProgressMessage,
  SegmentEndMessage,
  SegmentStartMessage,
} from "@leat/node/wire/media/message.ts";
import { isSameConfig } from "@leat/sdk/protocol/frame.ts";
import type { PackedPart } from "../jobs/packed-segment.ts";
import { hashHead } from "../jobs/segment-head.ts";
import {
  keepWithin,
  type LogEntry,
  SegmentLog,
  type SegmentLogOptions,
  type VersionedConfig,
} from "../jobs/segment-log.ts";
import { isSameFrame } from "./same-frame.ts";
import { arrivalAt, type SignedPlace } from "./signed-place.ts";

interface Head {
  readonly message: SegmentStartMessage;
  readonly config: VersionedConfig;
}

/** The newest segment of which a part was verified, how many were, and the times of the newest frame in them. */
interface Verified {
  readonly sequence: number;
  readonly marks: number;
  readonly isWhole: boolean;
  readonly dts: number;
  readonly pts: number;
}

interface RelayedRung {
  verified: Verified;
  /** The newest that was handed on. */
  head: Head | undefined;
  /** Frames that were handed on since the newest mark. */
  open: LogEntry[];
  /** What was handed on since then came to nothing: what comes in its place waits until it is verified. */
  isSpent: boolean;
  /** Pictures refer to later ones, as a verified part showed. */
  isReordered: boolean;
  /** Where the newest segment of which a part was verified begins: nothing is handed on before there is one. */
  place: SignedPlace;
}

/** A part is a fraction of it. A source that paused for longer goes on a part later. */
const FAR_MS = 10_000;

/**
 * What an edge hands on to viewers by frames and to other edges: the messages of its stream as their origin sent them,
 * each once, whoever brought them here. An edge that changes its holder in the middle of a segment gets that again from
 * its start; who reads here notices nothing of it.
 *
 * Frames go on as they come, ahead of their mark, as long as they stand where they must: in the segment behind what was
 * verified, on its clock, in its configuration. What a holder claims beyond that, and what comes in the place of frames
 * that were wrong, goes on once it is verified. So a holder moves nobody's place in the stream by its word, and spoils
 * one part before it is found out. When a frame came in is told by what the origin signed, which is its segment's clock.
 */
export class RelayedLog {
  readonly #log: SegmentLog;
  readonly #frames: FrameRelay;
  readonly #rungs = new Map<number, RelayedRung>();

  constructor(frames: FrameRelay, options: SegmentLogOptions) {
    this.#log = new SegmentLog(options);
    this.#frames = frames;
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

  /** How far its origin says that the stream is, which is all here. */
  tell(progress: ProgressMessage): void {
    this.#log.tell(progress);
  }

  /** Takes what one connection brings. Of two feeds the newer one counts. */
  feed(): RelayFeed {
    return new RelayFeed(this.#log, this.#frames, this.#rungs);
  }

  /** Nobody goes on with what stands here: viewers by frames get others in the place of those that are in no part. */
  abandon(): void {
    for (const [rung, { open }] of this.#rungs) if (open.length > 0) this.#frames.takeBack(rung, open.length);
    this.#rungs.clear();
  }
}

/** Where a feed stands in a rung's segment. */
interface Incoming {
  readonly head: Head;
  /** Marks to come that are known already. */
  marks: number;
  /** Frames since the newest mark that are as those that were handed on. */
  same: number;
  /** A part that is marked and not verified goes no further: whoever finds it altered has it from who altered it. */
  mark: PartMarkMessage | undefined;
  /** Frames since the newest mark that wait until they are verified; undefined where they go on as they come. */
  held: FrameMessage[] | undefined;
}

export class RelayFeed {
  readonly #log: SegmentLog;
  readonly #frames: FrameRelay;
  readonly #rungs: Map<number, RelayedRung>;
  readonly #incoming = new Map<number, Incoming>();

  constructor(log: SegmentLog, frames: FrameRelay, rungs: Map<number, RelayedRung>) {
    this.#log = log;
    this.#frames = frames;
    this.#rungs = rungs;
  }

  start(message: SegmentStartMessage, config: VersionedConfig): void {
    const { rung, sequence } = message;
    const known = this.#rungOf(rung);
    const { verified, head: told } = known;
    const named = told !== undefined && isSame(told.config, config) ? told.config : config;
    const head = { message, config: named };
    const isPast = sequence < verified.sequence || (sequence === verified.sequence && verified.isWhole);
    const own = sequence === verified.sequence ? verified.marks : 0;
    const marks = isPast ? Number.POSITIVE_INFINITY : own;
    const isTold = marks > 0 || isSameHead(told, head);
    if (!isTold) this.#void(rung, known);
    const isNumbered = verified.isWhole && sequence === verified.sequence + 1;
    const isNext = isNumbered && named === told?.config && message.epoch === told.message.epoch;
    const isHeld = known.isSpent || !(isTold || isNext);
    this.#incoming.set(rung, { head, marks, same: 0, mark: undefined, held: isHeld ? [] : undefined });
    if (!isTold && !isHeld) this.#tellHead(known, head);
  }

  frame(message: FrameMessage): void {
    const { rung } = message;
    const incoming = this.#incoming.get(rung);
    if (incoming === undefined || incoming.marks > 0) return;
    const known = this.#rungOf(rung);
    if (incoming.held === undefined) {
      const expected = known.open[incoming.same]?.message as FrameMessage | undefined;
      const isNear = expected === undefined && !isApart(message, incoming.head, known);
      if (isNear) this.#tellFrame(known, message);
      if (isNear || (expected !== undefined && isSameFrame(expected, message))) {
        incoming.same += 1;
        return;
      }
      if (expected === undefined) incoming.held = [];
      else this.#hold(rung, known, incoming);
    }
    incoming.held!.push(message);
  }

  /** The frames since the newest mark are void. */
  restart(rung: number): void {
    const incoming = this.#incoming.get(rung);
    const known = this.#rungOf(rung);
    if (incoming === undefined || incoming.marks > 0) return;
    if (known.open.length > 0) this.#hold(rung, known, incoming);
    if (incoming.held !== undefined) incoming.held = [];
  }

  mark(message: PartMarkMessage): void {
    const incoming = this.#incoming.get(message.rung);
    if (incoming !== undefined) incoming.mark = message;
  }

  /** The part of the newest mark was verified: its frames are pieces of it from now on. */
  verified(rung: number, bytes: PackedPart["bytes"]): void {
    const incoming = this.#incoming.get(rung);
    const mark = incoming?.mark;
    if (incoming === undefined || mark === undefined) return;
    incoming.mark = undefined;
    if (incoming.marks > 0) {
      incoming.marks -= 1;
      return;
    }
    const known = this.#rungOf(rung);
    // Another holder sent more of it than there is.
    if (incoming.held === undefined && known.open.length > incoming.same) this.#hold(rung, known, incoming);
    const { sequence, wallClockMs } = incoming.head.message;
    const marks = sequence === known.verified.sequence ? known.verified.marks : 0;
    const first = incoming.held?.[0] ?? (known.open[0]!.message as FrameMessage);
    if (marks === 0) known.place = { pts: first.frame.pts, wallClockMs };
    if (incoming.held !== undefined) this.#release(known, incoming, incoming.held);
    const frames = known.open.map(({ message }) => (message as FrameMessage).frame);
    const { dts, pts } = frames.at(-1)!;
    known.isReordered ||= frames.some((frame, at) => at > 0 && frame.pts < frames[at - 1]!.pts);
    this.#log.append({ rung, sequence, message: mark });
    keepWithin({ bytes }, known.open);
    known.verified = { sequence, marks: marks + 1, isWhole: false, dts, pts };
    known.open = [];
    known.isSpent = false;
    incoming.same = 0;
    incoming.held = undefined;
  }

  end(message: SegmentEndMessage): void {
    const { rung } = message;
    const incoming = this.#incoming.get(rung);
    const known = this.#rungOf(rung);
    const { sequence } = known.verified;
    if (incoming === undefined || incoming.marks > 0 || incoming.head.message.sequence !== sequence) return;
    // Another holder went on where this one ends: below here nobody would find the mark of that.
    this.#void(rung, known);
    this.#log.append({ rung, sequence, message });
    known.verified = { ...known.verified, isWhole: true };
  }

  /** Of what was handed on nothing more comes as it began. */
  #void(rung: number, known: RelayedRung): void {
    const { head, open, verified } = known;
    if (head === undefined) return;
    const { sequence } = head.message;
    if (open.length > 0) {
      this.#log.append({ rung, sequence, message: { type: "partRestart", rung, sequence } });
      this.#frames.takeBack(rung, open.length);
    }
    known.isSpent ||= open.length > 0 || sequence > verified.sequence;
    known.open = [];
  }

  #hold(rung: number, known: RelayedRung, incoming: Incoming): void {
    incoming.held = known.open.slice(0, incoming.same).map(({ message }) => message as FrameMessage);
    this.#void(rung, known);
  }

  #release(known: RelayedRung, { head }: Incoming, held: readonly FrameMessage[]): void {
    const isTold = head.message.sequence === known.verified.sequence || isSameHead(known.head, head);
    if (!isTold) this.#tellHead(known, head);
    for (const message of held) this.#tellFrame(known, message);
  }

  #tellHead(known: RelayedRung, head: Head): void {
    const { message, config } = head;
    const { rung, sequence } = message;
    known.head = head;
    this.#log.append({ rung, sequence, message, config });
    this.#frames.config(rung, config.version, config.config);
  }

  #tellFrame(known: RelayedRung, { frame: taken, ...message }: FrameMessage): void {
    const { rung, sequence } = message;
    const frame = { ...taken, arrivalMs: arrivalAt(known.place, taken.pts, known.head!.config.config.timescale) };
    known.open.push(this.#log.append({ rung, sequence, message: { ...message, frame } }));
    this.#frames.frame(rung, sequence, frame);
  }

  #rungOf(rung: number): RelayedRung {
    const verified = { sequence: -1, marks: 0, isWhole: true, dts: 0, pts: 0 };
    const place = { pts: 0, wallClockMs: 0 };
    const fresh = { verified, head: undefined, open: [], isSpent: false, isReordered: false, place };
    const known = this.#rungs.get(rung) ?? fresh;
    this.#rungs.set(rung, known);
    return known;
  }
}

/**
 * Clocks of viewers never go back, and WebRTC shows no picture that refers to later ones: no viewer is to follow a frame
 * that nobody verified to where the stream may never come, or end for it.
 */
function isApart({ frame }: FrameMessage, { config }: Head, { verified, open, isReordered }: RelayedRung): boolean {
  const before = (open.at(-1)?.message as FrameMessage | undefined)?.frame ?? verified;
  const endsAt = Math.max(frame.dts, frame.pts) + frame.duration;
  const isFar = endsAt - verified.dts > (config.config.timescale * FAR_MS) / 1000;
  return isFar || (frame.pts < before.pts && !isReordered);
}

function isSameHead(left: Head | undefined, right: Head): boolean {
  if (left === undefined || left.message.sequence !== right.message.sequence) return false;
  const [known, other] = [left, right].map(({ message, config }) => hashHead(message, config.config));
  return Buffer.compare(known!, other!) === 0;
}

function isSame(left: VersionedConfig, right: VersionedConfig): boolean {
  return left.version === right.version && isSameConfig(left.config, right.config);
}
