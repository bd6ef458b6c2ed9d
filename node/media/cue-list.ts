import { BitstreamError } from "@leat/sdk/protocol/bitstream/bit-reader.ts";
import { parseSplice, type Splice, type SpliceEvent } from "@leat/sdk/protocol/bitstream/splice.ts";
import type { Cue } from "@leat/sdk/protocol/cue.ts";
import { bytesToHex } from "@leat/sdk/protocol/hex.ts";

/** One EXT-X-DATERANGE: a cue, or a break between the two that begin and end it. */
export interface DateRange {
  readonly id: string;
  /** What the publisher calls a break; publishers use a number again. */
  readonly event?: SpliceEvent | undefined;
  readonly startMs: number;
  readonly endMs?: number;
  readonly plannedS?: number;
  readonly commands: Partial<Record<"SCTE35-OUT" | "SCTE35-IN" | "SCTE35-CMD", Uint8Array>>;
}

/** More than any window shows; the oldest go. */
const MAX_RANGES = 64;
/** The same event so near to where it was told is the same again. */
export const SAME_CUE_MS = 10_000;
const TICKS_PER_S = 90_000;

/** The cues of a live stream as the ranges that its playlists name. A range that was named never changes but to end. */
export class CueList {
  readonly #ranges = new Map<string, DateRange>();

  /** Cues come again and again; says whether one is new. */
  note(cues: readonly Cue[]): boolean {
    let isNew = false;
    for (const cue of cues) for (const splice of readSplices(cue.command)) isNew = this.#add(cue, splice) || isNew;
    this.#bound();
    return isNew;
  }

  /** What reaches into a playlist that begins there, and what is to come. */
  list(fromMs: number): DateRange[] {
    const ranges = [...this.#ranges.values()].sort((left, right) => left.startMs - right.startMs);
    return ranges.filter((range, at) => endOf(range, ranges.slice(at + 1)) >= fromMs);
  }

  /** A break of unknown length stays for longest: its end may be to come. */
  #bound(): void {
    while (this.#ranges.size > MAX_RANGES) {
      const ranges = [...this.#ranges.values()];
      this.#ranges.delete((ranges.find((range) => !isOpen(range)) ?? ranges[0]!).id);
    }
  }

  #add({ atMs, command }: Cue, { kind, event, durationTicks }: Splice): boolean {
    const second = Math.round(atMs / 1000);
    const told = event === undefined ? [] : [...this.#ranges.values()].filter((range) => isOf(range.event, event));
    const isAgain = (ms: number | undefined) => ms !== undefined && Math.abs(ms - atMs) < SAME_CUE_MS;
    if (kind === "out" && event !== undefined) {
      if (told.some(({ startMs }) => isAgain(startMs))) return false;
      const planned = durationTicks === undefined ? {} : { plannedS: durationTicks / TICKS_PER_S };
      const id = `${nameOf(event)}-${second}`;
      return this.#put({ id, event, startMs: atMs, ...planned, commands: { "SCTE35-OUT": command } });
    }
    if (kind === "in") {
      if (told.some(({ endMs }) => isAgain(endMs))) return false;
      const open = told.findLast(({ startMs, endMs }) => endMs === undefined && startMs <= atMs);
      if (open !== undefined) {
        this.#ranges.set(open.id, { ...open, endMs: atMs, commands: { ...open.commands, "SCTE35-IN": command } });
        return true;
      }
    }
    // The checksum at its end tells one command from another, and its time the same one at another break.
    const id = `cue-${bytesToHex(command.subarray(-4)).slice(2)}-${second}`;
    const isNew = this.#put({ id, startMs: atMs, commands: { "SCTE35-CMD": command } });
    if (!isNew || kind !== "cancelled") return isNew;
    // What players were told stays as it was; that it goes on is over. Told again it is not of a later break.
    for (const range of told.filter((one) => goesOnAt(one, atMs)))
      this.#ranges.set(range.id, { ...range, endMs: Math.max(range.startMs, atMs) });
    return true;
  }

  #put(range: DateRange): boolean {
    if (this.#ranges.has(range.id)) return false;
    this.#ranges.set(range.id, range);
    return true;
  }
}

function isOf(own: SpliceEvent | undefined, { number, segmentation }: SpliceEvent): boolean {
  if (own?.number !== number) return false;
  return segmentation === "any" ? own.segmentation !== undefined : own.segmentation === segmentation;
}

function nameOf({ number, segmentation }: SpliceEvent): string {
  return segmentation === undefined ? `splice-${number}` : `segment-${segmentation}-${number}`;
}

/**
 * Where a range ends, or is taken to. A break of unknown length goes on until it is told over, or another of its kind
 * begins.
 */
function endOf({ event, startMs, endMs, plannedS, commands }: DateRange, later: readonly DateRange[]): number {
  if (endMs !== undefined) return endMs;
  if (plannedS !== undefined) return startMs + plannedS * 1000;
  if (!isBreak(commands)) return startMs;
  const isNext = (range: DateRange) => isBreak(range.commands) && range.event?.segmentation === event?.segmentation;
  return later.find(isNext)?.startMs ?? Number.POSITIVE_INFINITY;
}

/** A break of which nobody knows yet how long it is. */
function isOpen({ endMs, plannedS, commands }: DateRange): boolean {
  return endMs === undefined && plannedS === undefined && isBreak(commands);
}

/** A break that is not known to be over then. */
function goesOnAt(range: DateRange, atMs: number): boolean {
  const { startMs, endMs, plannedS, commands } = range;
  const isPast = plannedS !== undefined && startMs + plannedS * 1000 <= atMs;
  return isBreak(commands) && endMs === undefined && !isPast;
}

function isBreak(commands: DateRange["commands"]): boolean {
  return commands["SCTE35-OUT"] !== undefined;
}

/** An origin may hand on anything; what cannot be read is not shown. */
function readSplices(command: Uint8Array): Splice[] {
  try {
    return parseSplice(command);
  } catch (error) {
    if (error instanceof BitstreamError) return [];
    throw error;
  }
}
