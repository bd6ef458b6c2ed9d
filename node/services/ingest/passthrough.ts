import type { Logger } from "@leat/sdk/base/logger.ts";
import {
  type Boundary,
  type Frame,
  isTrackConfig,
  type SourceVideoConfig,
  type VideoConfig,
} from "@leat/sdk/protocol/frame.ts";
import { type RenditionInfo, SOURCE_RUNG } from "@leat/sdk/protocol/stream.ts";
import type { PackedPart } from "../jobs/packed-segment.ts";
import type { PublishedLog } from "./published-log.ts";

export interface PassthroughOptions {
  readonly log: Pick<PublishedLog, "open" | "push" | "end">;
  readonly logger: Logger;
  /** A segment is whole. */
  readonly onSegment: (sequence: number) => void;
}

interface BegunSegment {
  readonly boundary: Boundary;
  readonly config: SourceVideoConfig;
  readonly wallClockMs: number;
}

/** One that may go out. */
interface PassedSegment extends BegunSegment {
  readonly config: VideoConfig;
}

/** Segments that are kept until it is known whether the source is delivered at all. */
const MAX_WAITING = 3;

/**
 * The source's own pictures as a rung, published as they come. A segment that begins with no key frame is left out, and
 * so is one of another codec than the rung was announced with. Pictures that show before the key frame they come after
 * have no segment to go to: a source that sends such groups is passed through no more, until its configuration changes or
 * its publisher comes back.
 */
export class Passthrough {
  readonly #options: PassthroughOptions;
  /** Undefined: not wanted, or over. */
  #waiting: (BegunSegment & { readonly frames: Frame[]; isWhole: boolean })[] | undefined = [];
  #info: RenditionInfo | undefined;
  /** Begun; published with its first picture. */
  #next: PassedSegment | undefined;
  #openSequence: number | undefined;
  /** What went out of segments that may still get pictures. */
  readonly #parts = new Map<number, PackedPart[]>();
  #lastSequence: number | undefined;
  #openGroups: number | undefined;
  /** Of the newest segment. */
  #codec: SourceVideoConfig["codec"] | undefined;
  /** Of the newest picture of this connection. */
  #version: number | undefined;
  /** The segment that is out without pictures of its own. */
  #cutSequence: number | undefined;

  constructor(options: PassthroughOptions) {
    this.#options = options;
  }

  /** Whether somebody gets what comes now, as far as it is known yet. */
  get isWanted(): boolean {
    return this.#waiting !== undefined || this.#info !== undefined;
  }

  /** The codec of what comes now, where it was promised to viewers and cannot be passed through. */
  get leftOut(): SourceVideoConfig["codec"] | undefined {
    if (this.#info === undefined || this.#version === undefined) return undefined;
    const isLeftOut = this.#version === this.#openGroups || this.#codec !== this.#info.codec;
    return isLeftOut ? this.#codec : undefined;
  }

  /** What the stream becomes is known: what came until now goes out, or is forgotten. */
  setRenditions(renditions: readonly RenditionInfo[]): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    this.#info = renditions.find(({ rung }) => rung === SOURCE_RUNG);
    if (this.#info === undefined) return;
    for (const { frames, isWhole, ...begun } of waiting) {
      this.#begin(begun);
      for (const frame of frames) this.addVideo(begun.boundary.sequence, frame);
      if (isWhole) this.#end();
    }
  }

  begin(boundary: Boundary, config: SourceVideoConfig, wallClockMs: number): void {
    const begun = { boundary, config, wallClockMs };
    if (this.#waiting === undefined) {
      this.#begin(begun);
      return;
    }
    this.#waiting.push({ ...begun, frames: [], isWhole: false });
    if (this.#waiting.length > MAX_WAITING) this.#waiting.shift();
  }

  addVideo(sequence: number, frame: Frame): void {
    const waiting = this.#waiting?.find(({ boundary }) => boundary.sequence === sequence);
    if (waiting !== undefined) waiting.frames.push(frame);
    this.#version = frame.configVersion;
    if (this.#info === undefined) return;
    const newest = this.#next?.boundary.sequence ?? this.#openSequence;
    if (newest === undefined) return;
    if (sequence < newest) {
      this.#cutSequence = sequence;
      this.#withdraw(frame.configVersion);
      return;
    }
    if (this.#next !== undefined && frame.configVersion === this.#openGroups) this.#next = undefined;
    if (this.#next !== undefined) this.#open(this.#next);
    if (this.#openSequence === undefined) return;
    this.#keep(sequence, this.#options.log.push(SOURCE_RUNG, frame));
  }

  /** No more pictures of the segment come. Gives its parts as they went out, if any did. */
  complete(sequence: number): readonly PackedPart[] | undefined {
    if (this.#openSequence === sequence) this.#end();
    const parts = this.#parts.get(sequence);
    this.#parts.delete(sequence);
    return parts;
  }

  /** Another connection of the publisher: what the one before sent says nothing of it. */
  reconnect(): void {
    this.#openGroups = undefined;
    this.#version = undefined;
  }

  /** The segment is whole: it waits for no picture of the next. */
  endSegment(): void {
    const waiting = this.#waiting?.at(-1);
    if (waiting !== undefined) waiting.isWhole = true;
    this.#end();
  }

  /** Whether what went out of a segment, if anything did, is all of it. Asked when its last picture is there. */
  isWhole(sequence: number): boolean {
    return sequence !== this.#cutSequence;
  }

  /** The source is over. */
  finish(): void {
    this.#end();
    this.#waiting = undefined;
    this.#info = undefined;
  }

  #begin(begun: BegunSegment): void {
    this.#end();
    const { boundary, config } = begun;
    this.#codec = config.codec;
    if (this.#info === undefined || boundary.forced || config.codec !== this.#info.codec) return;
    if (isTrackConfig(config)) this.#next = { ...begun, config };
  }

  #open({ boundary, config, wallClockMs }: PassedSegment): void {
    const { sequence, epoch, firstFrame } = boundary;
    this.#next = undefined;
    const isGap = this.#lastSequence !== undefined && sequence !== this.#lastSequence + 1;
    const discontinuity = boundary.discontinuity || isGap;
    this.#options.log.open({ rung: SOURCE_RUNG, sequence, epoch, firstFrame, discontinuity, wallClockMs, config });
    this.#openSequence = sequence;
    this.#parts.set(sequence, []);
    this.#parts.delete(sequence - MAX_WAITING);
  }

  #keep(sequence: number, part: PackedPart | undefined): void {
    if (part !== undefined) this.#parts.get(sequence)?.push(part);
  }

  #end(): void {
    const sequence = this.#openSequence;
    this.#next = undefined;
    this.#openSequence = undefined;
    if (sequence === undefined) return;
    this.#lastSequence = sequence;
    this.#keep(sequence, this.#options.log.end(SOURCE_RUNG));
    this.#options.onSegment(sequence);
  }

  #withdraw(configVersion: number): void {
    if (this.#openGroups === configVersion) return;
    this.#openGroups = configVersion;
    this.#options.logger.warn("Pass the source through no more: pictures show before the key frame they follow");
  }
}
