import { AudioCutter, type AudioStep } from "@leat/node/media/audio-cutter.ts";
import type { CompletedSegment } from "@leat/node/media/boundaries.ts";
import { ingestUnits } from "@leat/node/metering/usage.ts";
import type { Boundary, Frame, SourceAudioConfig, SourceVideoConfig } from "@leat/sdk/protocol/frame.ts";
import { bytesToHex, type Hex, zeroHash } from "@leat/sdk/protocol/hex.ts";
import type { PartLeaf } from "@leat/sdk/protocol/merkle.ts";
import { SOURCE_AUDIO_RUNG, SOURCE_RUNG, SOURCE_WITHHELD_RUNG } from "@leat/sdk/protocol/stream.ts";
import { hashSegment, type PackedSegment, type PackSegment, partLeaves } from "../jobs/packed-segment.ts";
import type { Work } from "../jobs/receipt-book.ts";
import type { AudioGroups } from "./audio-groups.ts";
import { packedRange } from "./made-range.ts";
import type { Passthrough } from "./passthrough.ts";

/** What a rung's segment is compared with, once its source is complete. */
export interface SourceFacts {
  readonly boundary: Boundary;
  readonly config: SourceVideoConfig;
  /** In decode order, without their data. */
  readonly frames: readonly Frame[];
  /** SHA-256 of the packaged source without its tags, as transcoders have it: only who checks a rendition needs it. */
  readonly inputHash: () => Hex;
  readonly durationTicks: number;
  readonly wallClockMs: number;
}

interface OpenSegment {
  readonly boundary: Boundary;
  /** None where the stream is sound alone. */
  readonly config: SourceVideoConfig | undefined;
  readonly wallClockMs: number;
  readonly frames: Frame[];
  readonly audio: Frame[];
  facts: SourceFacts | undefined;
  leaves: PartLeaf[];
  audioDone: boolean;
  audioMs: number;
}

export interface SourceSegmentsOptions {
  readonly pack: PackSegment;
  /** Asked when there is something to pack. */
  readonly partTargetMs: () => number;
  /** The same pictures as edges have them. */
  readonly passthrough: Pick<Passthrough, "complete" | "isWhole">;
  /** The same sound as edges have it. Told of all before this is. */
  readonly audio: Pick<AudioGroups, "takePassed">;
  /** Video of the segment is complete: transcoders' work on it can be checked. */
  readonly onFacts: (facts: SourceFacts) => void;
  /** All of the segment is complete: the ingest receipt can be signed. In order of sequence. */
  readonly onWork: (work: Work) => void;
}

const noBytes = new Uint8Array(0);

/** Gathers the source's own segments: facts to check renditions by, and the work of an ingest receipt. */
export class SourceSegments {
  readonly #options: SourceSegmentsOptions;
  readonly #open = new Map<number, OpenSegment>();
  #audio: { readonly cutter: AudioCutter; readonly config: SourceAudioConfig } | undefined;

  constructor(options: SourceSegmentsOptions) {
    this.#options = options;
  }

  begin(boundary: Boundary, config: SourceVideoConfig | undefined, wallClockMs: number): void {
    this.#open.set(boundary.sequence, {
      boundary,
      config,
      wallClockMs,
      frames: [],
      audio: [],
      facts: undefined,
      leaves: [],
      audioDone: this.#audio === undefined,
      audioMs: 0,
    });
    this.#takeSteps(this.#audio?.cutter.boundary(boundary) ?? []);
  }

  addVideo(sequence: number, frame: Frame): void {
    this.#open.get(sequence)?.frames.push(frame);
  }

  /** The video of the open epoch has shown `pts`. */
  advance(epoch: number, pts: number): void {
    this.#takeSteps(this.#audio?.cutter.advance(epoch, pts) ?? []);
  }

  /** Audio of a changed configuration is counted from the next segment on. */
  setAudio(config: SourceAudioConfig): void {
    this.finish();
    const cutter = new AudioCutter(config.timescale);
    this.#audio = { cutter, config };
    for (const segment of this.#open.values()) {
      if (segment.facts !== undefined) continue;
      segment.audioDone = false;
      cutter.boundary(segment.boundary);
    }
  }

  addAudio(frame: Frame): void {
    this.#takeSteps(this.#audio?.cutter.push(frame) ?? []);
  }

  completeVideo(completed: CompletedSegment): void {
    const segment = this.#open.get(completed.sequence);
    if (segment === undefined) return;
    const { passthrough, onFacts } = this.#options;
    const { boundary, config, wallClockMs, frames } = segment;
    if (frames.length === 0 || config === undefined) {
      this.#open.delete(completed.sequence);
      return;
    }
    const packed = this.#packPictures(boundary.sequence, config, frames);
    const plain = frames.map(withoutTags);
    const hasTags = plain.some((frame, at) => frame !== frames[at]);
    const input = hasTags ? this.#pack(boundary.sequence, config, plain) : packed;
    const rung = passthrough.isWhole(boundary.sequence) ? SOURCE_RUNG : SOURCE_WITHHELD_RUNG;
    // Edges are compared with them.
    segment.leaves = partLeaves(packed).map((leaf) => ({ ...leaf, rung }));
    segment.facts = {
      boundary,
      config,
      wallClockMs,
      frames: plain.map((frame) => ({ ...frame, data: noBytes })),
      inputHash: hashOnce(input),
      durationTicks: packed.totals.durationTicks,
    };
    frames.length = 0;
    onFacts(segment.facts);
    this.#settle();
  }

  /** As edges have them, where they have all: every node packs the same of the same frames. */
  #packPictures(sequence: number, config: SourceVideoConfig, frames: readonly Frame[]): PackedSegment {
    const passed = this.#options.passthrough.complete(sequence) ?? [];
    const count = passed.reduce((sum, part) => sum + part.frames, 0);
    if (count === frames.length) return packedRange(SOURCE_RUNG, sequence, passed, count);
    return this.#pack(sequence, config, frames);
  }

  #packSound(sequence: number, config: SourceAudioConfig, frames: readonly Frame[]): PackedSegment {
    const { audio, pack, partTargetMs } = this.#options;
    const passed = audio.takePassed(sequence, frames);
    if (passed !== undefined) return packedRange(SOURCE_AUDIO_RUNG, sequence, passed, frames.length);
    return pack({ rung: SOURCE_AUDIO_RUNG, sequence, config, frames, partTargetMs: partTargetMs() });
  }

  #pack(sequence: number, config: SourceVideoConfig, frames: readonly Frame[]): PackedSegment {
    const { pack, partTargetMs } = this.#options;
    return pack({ rung: SOURCE_RUNG, sequence, config, frames, partTargetMs: partTargetMs() });
  }

  /** No more audio of this configuration comes. At the end, call after the last `completeVideo`. */
  finish(): void {
    this.#finishAudio();
    this.#settle();
  }

  #finishAudio(): void {
    this.#takeSteps(this.#audio?.cutter.finish() ?? []);
    for (const segment of this.#open.values()) segment.audioDone = true;
    this.#audio = undefined;
  }

  #takeSteps(steps: readonly AudioStep[]): void {
    for (const step of steps) {
      const segment = this.#open.get(step.sequence);
      if (segment === undefined) continue;
      if (step.type === "frame") segment.audio.push(step.frame);
      else this.#closeAudio(segment);
    }
    if (steps.length > 0) this.#settle();
  }

  #closeAudio(segment: OpenSegment): void {
    segment.audioDone = true;
    const config = this.#audio?.config;
    if (config === undefined || segment.audio.length === 0) return;
    const packed = this.#packSound(segment.boundary.sequence, config, segment.audio);
    segment.leaves = [...segment.leaves, ...partLeaves(packed)];
    segment.audioMs += (packed.totals.durationTicks * 1000) / config.timescale;
    segment.audio.length = 0;
  }

  /** Receipts are signed in order, so a segment waits for those before it. */
  #settle(): void {
    for (const [sequence, segment] of this.#open) {
      const { facts, boundary, config } = segment;
      if ((facts === undefined && config !== undefined) || !segment.audioDone) return;
      this.#open.delete(sequence);
      if (segment.leaves.length === 0) continue;
      const exactMs = facts === undefined ? segment.audioMs : (facts.durationTicks * 1000) / facts.config.timescale;
      const durationMs = Math.round(exactMs);
      this.#options.onWork({
        sequence,
        inputHash: zeroHash,
        leaves: [...segment.leaves].sort((left, right) => left.rung - right.rung || left.part - right.part),
        firstFrame: boundary.firstFrame,
        frames: facts?.frames.length ?? 0,
        durationMs,
        units: ingestUnits(durationMs),
      });
    }
  }
}

function withoutTags(frame: Frame): Frame {
  if (frame.tags === undefined) return frame;
  const { tags: _, ...plain } = frame;
  return plain;
}

function hashOnce(packed: PackedSegment): () => Hex {
  let hash: Hex | undefined;
  return () => {
    hash ??= bytesToHex(hashSegment(packed));
    return hash;
  };
}
