import type { FrameFollower, LiveFrames } from "@leat/node/media/live-frames.ts";
import type { MadeRendition, MadeSegment } from "@leat/node/media-io/publish-sink.ts";
import type { Frame, VideoConfig } from "@leat/sdk/protocol/frame.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import { IngestError } from "./errors.ts";

interface GatheredSegment {
  readonly sequence: number;
  readonly config: VideoConfig;
  readonly frames: Frame[];
}

interface Wait {
  /** Pictures of each segment, by number, oldest first. */
  readonly counts: ReadonlyMap<number, number>;
  readonly last: number;
  readonly done: PromiseWithResolvers<readonly MadeRendition[]>;
}

/** What one rung gave of the segments that somebody waits for, or may yet. */
class GatheredRung implements FrameFollower {
  readonly info: RenditionInfo;
  readonly #onChange: () => void;
  #config: VideoConfig | undefined;
  #segments: GatheredSegment[] = [];
  #isOver = false;

  constructor(info: RenditionInfo, onChange: () => void) {
    this.info = info;
    this.#onChange = onChange;
  }

  config(_version: number, config: VideoConfig): void {
    this.#config = config;
  }

  frame(frame: Frame, sequence: number): void {
    const newest = this.#segments.at(-1);
    if (newest?.sequence === sequence) newest.frames.push(frame);
    else if (this.#config !== undefined) this.#segments.push({ sequence, config: this.#config, frames: [frame] });
    this.#onChange();
  }

  takeBack(count: number): void {
    let left = count;
    for (let newest = this.#segments.at(-1); newest !== undefined && left > 0; newest = this.#segments.at(-1)) {
      left -= newest.frames.splice(Math.max(0, newest.frames.length - left)).length;
      if (newest.frames.length === 0) this.#segments.pop();
    }
  }

  end(): void {
    this.#isOver = true;
    this.#onChange();
  }

  /** "short": it will never be whole. */
  judge({ counts, last }: Wait): "whole" | "short" | "coming" {
    const isWhole = [...counts].every(([sequence, count]) => this.#framesOf(sequence) === count);
    if (isWhole) return "whole";
    // A segment is published before the next one begins.
    return this.#isOver || (this.#segments.at(-1)?.sequence ?? -1) > last ? "short" : "coming";
  }

  give({ counts }: Wait): MadeRendition {
    const { name, codec, width = 0, height = 0 } = this.info;
    const segments: MadeSegment[] = this.#segments.filter(({ sequence }) => counts.has(sequence));
    return { name, codec: codec as MadeRendition["codec"], width, height, segments };
  }

  forget(last: number): void {
    this.#segments = this.#segments.filter(({ sequence }) => sequence > last);
  }

  #framesOf(sequence: number): number {
    return this.#segments.find((segment) => segment.sequence === sequence)?.frames.length ?? 0;
  }
}

/** Gathers whole segments of a stream's renditions, for a publisher that is answered with them. */
export class MadeSegments {
  readonly #rungs: readonly GatheredRung[];
  readonly #leave: readonly (() => void)[];
  #waits: Wait[] = [];
  #closed: Error | undefined;

  constructor(frames: LiveFrames, renditions: readonly RenditionInfo[]) {
    this.#rungs = renditions.map((info) => new GatheredRung(info, () => this.#settle()));
    this.#leave = this.#rungs.map((rung) => frames.follow(rung.info.rung, rung));
  }

  /**
   * Resolves with these segments of every rendition, in the renditions' order. Segments of calls follow each other.
   * @throws INGEST_RENDITIONS_SHORT, and whatever it was closed with
   */
  take(counts: ReadonlyMap<number, number>): Promise<readonly MadeRendition[]> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    const wait: Wait = { counts, last: Math.max(...counts.keys()), done: Promise.withResolvers() };
    this.#waits.push(wait);
    this.#settle();
    return wait.done.promise;
  }

  close(error: Error): void {
    if (this.#closed !== undefined) return;
    this.#closed = error;
    for (const leave of this.#leave) leave();
    for (const { done } of this.#waits.splice(0)) done.reject(error);
  }

  #settle(): void {
    for (let first = this.#waits[0]; first !== undefined; first = this.#waits[0]) {
      const verdicts = this.#rungs.map((rung) => rung.judge(first));
      const isShort = verdicts.includes("short");
      if (!isShort && verdicts.includes("coming")) return;
      this.#waits.shift();
      if (isShort) first.done.reject(new IngestError({ code: "INGEST_RENDITIONS_SHORT", sequence: first.last }));
      else first.done.resolve(this.#rungs.map((rung) => rung.give(first)));
      for (const rung of this.#rungs) rung.forget(first.last);
    }
  }
}
