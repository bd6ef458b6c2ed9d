import { FrameRelay } from "@leat/node/media/live-frames.ts";
import type { LivePart, LiveSegment } from "@leat/node/media/live-segment.ts";
import { LiveWindow } from "@leat/node/media/live-window.ts";
import { findOffered } from "@leat/node/media/playable.ts";
import { placePart } from "@leat/node/media/running-hash.ts";
import type { Guarded } from "@leat/node/media-io/access/viewer-access.ts";
import type { SegmentStartMessage } from "@leat/node/wire/media/message.ts";
import type { Frame, TrackConfig } from "@leat/sdk/protocol/frame.ts";
import { bytesToHex } from "@leat/sdk/protocol/hex.ts";
import type { PartLeaf } from "@leat/sdk/protocol/merkle.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import type { PackedPart } from "../jobs/packed-segment.ts";
import { DeliveryError } from "./errors.ts";
import type { VerifiedSegment } from "./segment-verifier.ts";
import { ServedBytes } from "./served-bytes.ts";

/** How a verified part's bytes are kept until they are served. A component, so that they can be falsified from outside. */
export type KeepPart = (part: PackedPart, at: { readonly rung: number; readonly sequence: number }) => Uint8Array;

export const keepPart: KeepPart = (part) => part.bytes;

/** What was served of one segment, when its count is closed. */
export interface ServedSegment {
  readonly sequence: number;
  readonly firstFrame: number;
  readonly durationMs: number;
  readonly leaves: readonly PartLeaf[];
}

interface Facts {
  readonly firstFrame: number;
  durationMs: number;
}

/** A segment that is not whole yet, as it is served. */
interface OpenSegment {
  readonly start: SegmentStartMessage;
  readonly config: TrackConfig;
  readonly parts: LivePart[];
  readonly bytes: Uint8Array[];
}

/** Who waits for parts waits for the next one soon, and in each segment for many. */
const HURRIED_SEGMENTS = 1;
/** Rungs of a stream are made by different nodes, which are not equally fast. */
const MAX_LATE = 2;

/** One stream as this edge serves it: the live window, its bytes, and the count of what went out. */
export class EdgeStream {
  readonly window = new LiveWindow();
  /** Its frames as they come, ahead of their part. */
  readonly frames: FrameRelay;
  /** The stream's buyer pays for no viewer that cannot sign. */
  isUnbudgeted = false;
  /** Who may watch, as the balancer last said. */
  guarded: Guarded;
  readonly #keep: KeepPart;
  /** By sequence and rung: the parts of a segment, or once it was asked for again, all in one. */
  readonly #bytes = new Map<number, Map<number, readonly Uint8Array[]>>();
  /** What was asked for once. */
  readonly #asked = new WeakSet<readonly Uint8Array[]>();
  readonly #open = new Map<number, OpenSegment>();
  readonly #facts = new Map<number, Facts>();
  readonly #served = new ServedBytes();
  readonly #last = new Map<number, number>();
  readonly #onHurry: () => void;
  /** The newest segment when a viewer last waited for what comes next. */
  #awaited = Number.NEGATIVE_INFINITY;
  #counting = true;

  /** `onHurry`: a viewer waits for what comes next, and none did before. */
  constructor(keep: KeepPart, guarded: Guarded, frames = new FrameRelay(), onHurry: () => void = () => {}) {
    this.#keep = keep;
    this.guarded = guarded;
    this.frames = frames;
    this.#onHurry = onHurry;
  }

  /** Viewers see each picture as it comes, or wait for what comes next, or did of late. */
  get isHurried(): boolean {
    return this.frames.hasFollowers || this.newest - this.#awaited <= HURRIED_SEGMENTS;
  }

  /** A viewer waits for a part that is not there yet. */
  awaited(): void {
    const { isHurried } = this;
    this.#awaited = this.newest;
    if (!isHurried) this.#onHurry();
  }

  /** The first segment that some rung that manifests name still lacks: where a subscription goes on. What is there already is dropped again. */
  get nextSequence(): number {
    const lacking = findOffered(this.window.renditions).map(({ rung }) => this.#nextOf(rung));
    return lacking.length === 0 ? 0 : Math.min(...lacking);
  }

  /** Rungs that manifests name and that stand, while others go on. */
  get late(): number[] {
    const rungs = findOffered(this.window.renditions).map(({ rung }) => rung);
    return rungs.filter((rung) => this.newest - this.newestOf(rung) > MAX_LATE);
  }

  /** The newest segment of which a part is served, -1 before the first. */
  get newest(): number {
    return Math.max(this.window.head, ...[...this.#open.values()].map(({ start }) => start.sequence));
  }

  describe(renditions: readonly RenditionInfo[], partTargetMs?: number): void {
    this.window.describe(renditions, partTargetMs);
  }

  /**
   * The next verified part of a segment. One that was served before, from the same origin, must be the same. Answers
   * the counts of segments that leave for it.
   * @throws DELIVERY_PART_ALTERED
   */
  addPart(start: SegmentStartMessage, part: PackedPart, config: TrackConfig): ServedSegment[] {
    const left = this.#turnTo(start, config);
    const placed = this.#place(start, part, config);
    if (placed === undefined) return left;
    const { rung, sequence, epoch, configVersion, wallClockMs } = start;
    this.window.addPart({ rung, sequence, epoch, configVersion, wallClockMs }, placed);
    return left;
  }

  /** A segment is whole; answers the counts of those that leave for it. */
  add({ start, parts }: Pick<VerifiedSegment, "start" | "parts">, config: TrackConfig): ServedSegment[] {
    const { rung, sequence } = start;
    const left = this.#turnTo(start, config);
    // Its last part and its end are one step: a playlist between them would hint at a part that never comes.
    for (const part of parts) this.#place(start, part, config);
    const open = this.#open.get(rung);
    return open?.start.sequence === sequence ? [...left, ...this.#closeOpen(open)] : left;
  }

  /** Nothing of the segment is taken any more: it is whole, or a later one was begun. */
  hasPassed(rung: number, sequence: number): boolean {
    return sequence < this.#nextOf(rung);
  }

  /** So many parts of the segment are served, or were. */
  has(rung: number, sequence: number, parts: number): boolean {
    const open = this.#open.get(rung);
    return this.hasPassed(rung, sequence) || (open?.start.sequence === sequence && open.parts.length >= parts);
  }

  /** The newest segment of the rung of which a part is served, -1 before the first. */
  newestOf(rung: number): number {
    return this.#open.get(rung)?.start.sequence ?? this.#last.get(rung) ?? -1;
  }

  /** The first segment of the rung of which a part may come. */
  #nextOf(rung: number): number {
    return this.#open.get(rung)?.start.sequence ?? (this.#last.get(rung) ?? -1) + 1;
  }

  /**
   * Of a segment a part is verified, and what it began with. One that was begun before and is another will never be
   * whole: it is served as the parts that it has.
   */
  #turnTo({ rung, sequence, configVersion, cues = [] }: SegmentStartMessage, config: TrackConfig): ServedSegment[] {
    const open = this.#open.get(rung);
    if (sequence < this.#nextOf(rung) || open?.start.sequence === sequence) return [];
    this.window.noteCues(cues);
    this.window.setConfig(rung, configVersion, config);
    return open === undefined ? [] : this.#closeOpen(open);
  }

  /** Undefined for a part that is there already, or that a holder kept back until it was too late for it. */
  #place(start: SegmentStartMessage, part: PackedPart, config: TrackConfig): LivePart | undefined {
    const { rung, sequence, firstFrame } = start;
    if (sequence < this.#nextOf(rung)) return undefined;
    const open = this.#open.get(rung) ?? { start, config, parts: [], bytes: [] };
    const sha256 = bytesToHex(part.sha256);
    const known = open.parts[part.index];
    const isNext = part.index === open.parts.length;
    if (!(known === undefined ? isNext : known.sha256 === sha256)) {
      throw new DeliveryError({ code: "DELIVERY_PART_ALTERED", rung, sequence, part: part.index });
    }
    if (known !== undefined) return undefined;
    this.#open.set(rung, open);
    const last = open.parts.at(-1);
    const placed = placePart(part, sha256, last === undefined ? 0 : last.offset + last.sizeBytes);
    // Bytes first: whoever sees the part in a playlist must be able to fetch it.
    open.bytes.push(this.#keep(part, { rung, sequence }));
    open.parts.push(placed);
    if (part.hasCaptions === true) this.window.noteCaptions(rung, sequence);
    const facts = this.#facts.get(sequence) ?? { firstFrame, durationMs: 0 };
    this.#facts.set(sequence, facts);
    facts.durationMs = Math.max(facts.durationMs, durationOf(open));
    if (this.#counting) this.#served.add(rung, sequence, placed);
    return placed;
  }

  /** What is half done will never be whole: it is served as the parts that it has. */
  closeShort(): ServedSegment[] {
    return [...this.#open.values()].flatMap((open) => this.#closeOpen(open));
  }

  /** Nothing more comes. */
  end(): ServedSegment[] {
    const left = this.closeShort();
    this.window.end();
    this.frames.end();
    return left;
  }

  /** Of a segment: its parts, until it is asked for again; from then on one buffer for all viewers. */
  pieces(rung: number, sequence: number): readonly Uint8Array[] | undefined {
    const rungs = this.#bytes.get(sequence);
    const pieces = rungs?.get(rung);
    if (rungs === undefined || pieces === undefined || pieces.length === 1) return pieces;
    // Most segments of most rungs are fetched by nobody, part by part, or once, by who samples what is served.
    if (!this.#asked.has(pieces)) {
      this.#asked.add(pieces);
      return pieces;
    }
    const whole = [Buffer.concat(pieces)];
    rungs.set(rung, whole);
    return whole;
  }

  /** Bytes of a part. */
  partBytes(rung: number, sequence: number, part: number): Uint8Array | undefined {
    const open = this.#open.get(rung);
    if (open?.start.sequence === sequence) return open.bytes[part];
    const name = this.window.renditions.find((info) => info.rung === rung)?.name;
    const placed = name === undefined ? undefined : this.window.part(name, sequence, part);
    if (placed === undefined) return undefined;
    const pieces = this.#bytes.get(sequence)?.get(rung) ?? [];
    if (pieces.length > 1) return pieces[part];
    return pieces[0]?.subarray(placed.offset, placed.offset + placed.sizeBytes);
  }

  /** Bytes `from` to `to` (not included) of a segment went out to a viewer. */
  count(rung: number, sequence: number, from: number, to: number): void {
    this.#served.count(rung, sequence, from, to);
  }

  /** A frame went out to a viewer by itself, perhaps before its segment was closed. */
  countFrame(rung: number, sequence: number, { pts, data }: Pick<Frame, "pts" | "data">): void {
    if (this.#counting) this.#served.countFrame(rung, sequence, pts, data.length);
  }

  /** Ends the count of everything: what is served from now on is a gift. */
  closeCounts(): ServedSegment[] {
    this.#counting = false;
    return this.#served.sequences().flatMap((sequence) => this.#close(sequence));
  }

  #closeOpen({ start, parts, bytes }: OpenSegment): ServedSegment[] {
    const { rung, sequence, epoch, configVersion, wallClockMs } = start;
    this.#open.delete(rung);
    const rungs = this.#bytes.get(sequence) ?? new Map<number, readonly Uint8Array[]>();
    this.#bytes.set(sequence, rungs);
    rungs.set(rung, bytes);
    this.#last.set(rung, sequence);
    const sum = (amount: (part: LivePart) => number) => parts.reduce((total, part) => total + amount(part), 0);
    const segment: LiveSegment = {
      rung,
      sequence,
      epoch,
      configVersion,
      wallClockMs,
      frames: sum(({ frames }) => frames),
      durationTicks: sum(({ durationTicks }) => durationTicks),
      sizeBytes: sum(({ sizeBytes }) => sizeBytes),
      parts,
    };
    const { evicted } = this.window.add(segment);
    return evicted.flatMap((gone) => this.#drop(gone));
  }

  #drop(sequence: number): ServedSegment[] {
    this.#bytes.delete(sequence);
    const closed = this.#close(sequence);
    this.#facts.delete(sequence);
    return closed;
  }

  #close(sequence: number): ServedSegment[] {
    const leaves = this.#served.close(sequence);
    const facts = this.#facts.get(sequence);
    return leaves.length === 0 || facts === undefined ? [] : [{ sequence, ...facts, leaves }];
  }
}

function durationOf({ parts, config }: OpenSegment): number {
  const ticks = parts.reduce((sum, { durationTicks }) => sum + durationTicks, 0);
  return Math.round((ticks * 1000) / config.timescale);
}
