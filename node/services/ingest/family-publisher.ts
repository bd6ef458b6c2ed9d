import { MAX_PART_FRAMES } from "@leat/node/media/packager.ts";
import type { PackedPart, PackedSegment } from "@leat/node/services/jobs/packed-segment.ts";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import { type Frame, isSameConfig, type VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { IngestError } from "./errors.ts";
import type { FamilyTrack } from "./family-track.ts";
import { type Head, isGoodFirst } from "./first-picture.ts";
import { type BegunSegment, isSame, type MadeFrame, type MadeRange, packedRange } from "./made-range.ts";
import type { PublishedLog } from "./published-log.ts";
import type { MadeRung } from "./rung-intake.ts";

interface PublishedRung {
  readonly config: VideoConfig;
  readonly frames: Frame[];
  readonly parts: PackedPart[];
  /** Frames that are in no whole part yet. */
  openFrames: number;
}

interface PublishedSegment {
  readonly sequence: number;
  readonly begun: BegunSegment;
  range: MadeRange;
  readonly rungs: Map<number, PublishedRung>;
}

/** Whoever signs for nothing fills no memory: twice of what is taken in of a transcoder before it is cut off. */
const maxUnjudged = 32;

export interface FamilyPublisherParts {
  readonly log: PublishedLog;
  readonly begun: (sequence: number) => BegunSegment | undefined;
  /** Whether the source of a segment is gone, so that nobody can make it any more. */
  readonly isGone: (sequence: number) => boolean;
  /** Nobody is paid for this segment any more: its maker left before it was judged. */
  readonly onAbandoned: (sequence: number) => void;
}

/**
 * Publishes one family's rungs as they are encoded: a picture goes out when all rungs have it, so that all stand at the
 * same picture when their transcoder dies. Only the next picture of the source goes out: what a transcoder leaves out or
 * makes up stops it here, and its receipt is judged as it is.
 */
export class FamilyPublisher {
  readonly track: FamilyTrack;
  readonly #parts: FamilyPublisherParts;
  readonly #queues = new Map<number, MadeFrame[]>();
  /** Whole in every rung and not judged yet. */
  readonly #ended = new Map<number, PublishedSegment>();
  #open: PublishedSegment | undefined;
  /** Half done and signed by the attached maker: it sends that again before anything else. */
  #promised: number | undefined;
  #maker = "";
  /** Why nothing more of the maker goes out. */
  #unfit: Error | undefined;
  #next: number;

  constructor(track: FamilyTrack, parts: FamilyPublisherParts) {
    this.track = track;
    this.#parts = parts;
    this.#next = track.next;
  }

  /** The first segment that is not whole. */
  get next(): number {
    return this.#next;
  }

  /**
   * A transcoder subscribed. Gives what it is to make: from which segment on, and where within the first of them. One
   * that comes back under the same attempt sends again what it signed for, and that is all before `fromSequence`: what is
   * whole from there on was cut off before its receipt, and is made no second time.
   */
  attach(maker: string, fromSequence: number): { readonly sequence: number; readonly rest?: MadeRange } {
    this.#queues.clear();
    this.#unfit = undefined;
    const isOther = maker !== this.#maker;
    this.#maker = maker;
    this.#promised = undefined;
    this.#endWhole();
    for (const sequence of [...this.#ended.keys()]) if (isOther || sequence >= fromSequence) this.#abandon(sequence);
    const open = this.#open;
    if (open === undefined || (!isOther && fromSequence > open.sequence)) {
      this.#promised = open?.sequence;
      return { sequence: Math.max(fromSequence, this.#next) };
    }
    const rungs = [...open.rungs.entries()];
    for (const [rung, published] of rungs) {
      this.#parts.log.restartPart(rung);
      published.frames.length -= published.openFrames;
      published.openFrames = 0;
    }
    const { frames, parts } = rungs[0]![1];
    const isAligned = rungs.every(
      ([, rung]) => rung.frames.length === frames.length && rung.parts.length === parts.length,
    );
    if (!isAligned) {
      this.#closeShort();
      return { sequence: this.#next };
    }
    if (parts.length === 0) {
      this.#open = undefined;
      return { sequence: open.sequence };
    }
    const { sequence } = open;
    const fromPts = frames.at(-1)!.pts + 1;
    open.range = { maker, sequence, fromPts, picture: frames.length, part: parts.length };
    return { sequence, rest: open.range };
  }

  /** A transcoder of which it was not known that it makes this family begins at a segment of its own choice. */
  attachLate(maker: string): void {
    const { rest } = this.attach(maker, this.#next);
    if (rest !== undefined) this.#closeShort();
  }

  /** The attached maker begins at `sequence`: what is half done before it stays so, but what it sends again. */
  beginAt(sequence: number): void {
    const open = this.#open;
    if (open !== undefined && open.sequence < sequence && open.sequence !== this.#promised) this.#closeShort();
  }

  /**
   * Takes a frame of the attached maker, and publishes what can be.
   * @throws PackagerError for a frame that no packager takes, INGEST_PART_ENDLESS for one too many in its part
   */
  take(rung: number, made: MadeFrame): void {
    if (this.#unfit !== undefined) throw this.#unfit;
    const queue = this.#queues.get(rung) ?? [];
    this.#queues.set(rung, queue);
    queue.push(made);
    this.#advance();
    if (this.#unfit !== undefined) throw this.#unfit;
  }

  /** The source of a segment is whole: what was published of it may be, too. */
  completed(): void {
    this.#endWhole();
    this.#advance();
  }

  /** Whether pictures of the segment are out, and it is neither judged nor given up. */
  isShown(sequence: number): boolean {
    return this.rangeOf(sequence) !== undefined;
  }

  /** What of a segment of which pictures are out, and which is neither judged nor given up, its maker made or makes. */
  rangeOf(sequence: number): MadeRange | undefined {
    return this.#open?.sequence === sequence ? this.#open.range : this.#ended.get(sequence)?.range;
  }

  /** What was published of a segment that this maker completed; undefined where it did not. */
  find(sequence: number, maker: string): MadeRange | undefined {
    const range = this.#ended.get(sequence)?.range;
    return range?.maker === maker ? range : undefined;
  }

  /** Packed as it was published, when what its maker sent is what was published. */
  packedAs({ sequence, picture, part }: MadeRange, made: readonly MadeRung[]): PackedSegment[] | undefined {
    const published = this.#ended.get(sequence);
    if (published === undefined || published.rungs.size !== made.length) return undefined;
    const packed = made.map(({ rung, frames }): PackedSegment | undefined => {
      const known = published.rungs.get(rung);
      const own = known?.frames.slice(picture) ?? [];
      if (known === undefined || own.length !== frames.length || !own.every((frame, at) => isSame(frame, frames[at]!)))
        return undefined;
      return packedRange(rung, sequence, known.parts.slice(part), frames.length);
    });
    return packed.every((segment) => segment !== undefined) ? packed : undefined;
  }

  /** Publishes a segment at once that could not go out picture by picture. False where a part of it is out already. */
  publishWhole(sequence: number, rungs: readonly MadeRung[]): boolean {
    const begun = this.#parts.begun(sequence);
    const open = this.#open;
    if (begun === undefined || sequence < this.#next) return false;
    if (open !== undefined && (open.sequence !== sequence || !this.#reopen(open))) {
      this.#closeShort();
      if (sequence < this.#next) return false;
    }
    this.#begin(sequence, begun, new Map(rungs.map(({ rung, config }) => [rung, config])));
    for (const { rung, frames } of rungs) for (const frame of frames) this.#push(rung, frame);
    this.#end();
    this.#dropStale();
    return true;
  }

  /** What this maker completed is out, and nobody can judge it any more: nobody is paid for it. */
  giveUp(sequence: number, maker: string): void {
    if (this.find(sequence, maker) !== undefined) this.#abandon(sequence);
  }

  /** The segment was judged, or nobody will. One before it may still be, if its maker signed for it. */
  settle(sequence: number): void {
    this.#ended.delete(sequence);
  }

  /** The stream is over: what is half done is closed with the parts that it has. */
  finish(): void {
    this.#queues.clear();
    this.#endWhole();
    if (this.#open !== undefined) this.#closeShort();
  }

  /** Whoever brings the source must not hear of a transcoder's frame: its own maker does, with what it sends next. */
  #advance(): void {
    try {
      this.#publishHeads();
    } catch (error) {
      if (!isCodedError(error)) throw error;
      this.#unfit = error;
      this.#queues.clear();
    }
  }

  #publishHeads(): void {
    for (;;) {
      this.#dropStale();
      const heads = this.track.renditions.map(({ rung }) => ({ rung, made: this.#queues.get(rung)?.[0] }));
      const first = heads[0]?.made;
      if (first === undefined || !heads.every(({ made }) => isBeside(made, first))) return;
      const { sequence } = first;
      if (this.#open?.sequence !== sequence && !this.#tryBegin(sequence, heads as Head[])) return;
      if (this.#expected() !== first.frame.pts) return;
      const step = this.#judgeHeads(heads as Head[]);
      if (step === "bad") return;
      if (step === "other") {
        this.#closeShort();
        continue;
      }
      for (const { rung, made } of heads as Head[]) {
        this.#queues.get(rung)!.shift();
        this.#push(rung, made.frame);
      }
      this.#endWhole();
    }
  }

  /** What is out already, or was given up, is not published again. */
  #dropStale(): void {
    const open = this.#open;
    const shownPts = open === undefined ? -1 : (open.rungs.values().next().value?.frames.at(-1)?.pts ?? -1);
    const isStale = ({ sequence, frame }: MadeFrame) =>
      sequence < this.#next || (sequence === open?.sequence && frame.pts <= shownPts);
    for (const queue of this.#queues.values()) {
      const fresh = queue.findIndex((made) => !isStale(made));
      queue.splice(0, fresh < 0 ? queue.length : fresh);
    }
  }

  #tryBegin(sequence: number, heads: readonly Head[]): boolean {
    const mayFollow = this.#parts.isGone(sequence - 1) || this.track.isSkipped(sequence - 1);
    if (sequence !== this.#next && !mayFollow) return false;
    const begun = this.#parts.begun(sequence);
    if (begun === undefined || !heads.every((head) => isGoodFirst(head, begun, this.track.renditions))) return false;
    if (this.#open !== undefined) this.#closeShort();
    this.#begin(sequence, begun, new Map(heads.map(({ rung, made }) => [rung, made.config])));
    return true;
  }

  /** The rest of a segment begins with a key frame, and of the same configuration: a segment has one. */
  #judgeHeads(heads: readonly Head[]): "good" | "bad" | "other" {
    const { begun, range, rungs } = this.#open!;
    const [published] = rungs.values();
    if (published!.frames.length > range.picture) return "good";
    if (!heads.every((head) => isGoodFirst(head, begun, this.track.renditions))) return "bad";
    return heads.every(({ rung, made }) => isSameConfig(rungs.get(rung)!.config, made.config)) ? "good" : "other";
  }

  /** When the next picture of the open segment shows. */
  #expected(): number | undefined {
    const open = this.#open!;
    const [published] = open.rungs.values();
    return (this.#parts.begun(open.sequence) ?? open.begun).shownAt[published!.frames.length];
  }

  #begin(sequence: number, begun: BegunSegment, configs: ReadonlyMap<number, VideoConfig>): void {
    const { epoch, firstFrame, discontinuity, pts } = begun.boundary;
    const isGap = sequence > this.#next;
    this.#next = sequence;
    const range = { maker: this.#maker, sequence, fromPts: pts, picture: 0, part: 0 };
    const rungs = new Map<number, PublishedRung>();
    for (const [rung, config] of configs) {
      rungs.set(rung, { config, frames: [], parts: [], openFrames: 0 });
      const place = { rung, sequence, epoch, firstFrame, discontinuity: discontinuity || isGap };
      this.#parts.log.open({ ...place, wallClockMs: begun.wallClockMs, config });
    }
    this.#open = { sequence, begun, range, rungs };
  }

  #push(rung: number, frame: Frame): void {
    const { sequence, rungs } = this.#open!;
    const published = rungs.get(rung)!;
    if (published.openFrames >= MAX_PART_FRAMES.video) {
      throw new IngestError({ code: "INGEST_PART_ENDLESS", rung, sequence });
    }
    const part = this.#parts.log.push(rung, frame);
    published.frames.push(frame);
    published.openFrames = part === undefined ? published.openFrames + 1 : 1;
    if (part !== undefined) published.parts.push(part);
  }

  #endWhole(): void {
    const open = this.#open;
    const begun = open === undefined ? undefined : this.#parts.begun(open.sequence);
    const [published] = open?.rungs.values() ?? [];
    if (begun?.isComplete === true && published!.frames.length === begun.shownAt.length) this.#end();
  }

  #end(): void {
    const { sequence, rungs } = this.#open!;
    for (const [rung, { parts }] of rungs) {
      const last = this.#parts.log.end(rung);
      if (last !== undefined) parts.push(last);
    }
    this.#ended.set(sequence, this.#open!);
    this.#open = undefined;
    this.#next = sequence + 1;
    if (this.#ended.size > maxUnjudged) this.#abandon(this.#ended.keys().next().value!);
  }

  /** Nobody can go on with it: it is as long as its whole parts. */
  #closeShort(): void {
    const { sequence, rungs } = this.#open!;
    const isEmpty = [...rungs.values()].every(({ parts }) => parts.length === 0);
    for (const [rung, { openFrames, parts }] of rungs) {
      if (openFrames > 0) this.#parts.log.restartPart(rung);
      // Of a maker that failed in the middle of a picture one rung may have a part and another none.
      if (parts.length === 0) this.#parts.log.abandon(rung);
      else this.#parts.log.end(rung);
    }
    this.#open = undefined;
    if (isEmpty) return;
    this.#next = sequence + 1;
    this.#abandon(sequence);
  }

  /** A segment without a whole part begins anew. */
  #reopen({ rungs }: PublishedSegment): boolean {
    if ([...rungs.values()].some(({ parts }) => parts.length > 0)) return false;
    for (const [rung, { openFrames }] of rungs) if (openFrames > 0) this.#parts.log.restartPart(rung);
    this.#open = undefined;
    return true;
  }

  #abandon(sequence: number): void {
    this.#ended.delete(sequence);
    this.#parts.onAbandoned(sequence);
  }
}

function isBeside(made: MadeFrame | undefined, other: MadeFrame): boolean {
  return made !== undefined && made.sequence === other.sequence && made.frame.pts === other.frame.pts;
}
