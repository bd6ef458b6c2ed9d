import { FrameRelay } from "@leat/node/media/live-frames.ts";
import type { LiveSegment } from "@leat/node/media/live-segment.ts";
import { LiveWindow } from "@leat/node/media/live-window.ts";
import { placeParts } from "@leat/node/media/running-hash.ts";
import type { Guarded } from "@leat/node/media-io/access/viewer-access.ts";
import type { Frame, TrackConfig } from "@leat/sdk/protocol/frame.ts";
import { bytesToHex } from "@leat/sdk/protocol/hex.ts";
import type { PartLeaf } from "@leat/sdk/protocol/merkle.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import type { PackedPart } from "../jobs/packed-segment.ts";
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
  readonly durationMs: number;
}

/** One stream as this edge serves it: the live window, its bytes, and the count of what went out. */
export class EdgeStream {
  readonly window: LiveWindow;
  /** Its frames as they come, ahead of their part. */
  readonly frames = new FrameRelay();
  /** The stream's buyer pays for no viewer that cannot sign. */
  isUnbudgeted = false;
  /** Who may watch, as the balancer last said. */
  guarded: Guarded;
  readonly #keep: KeepPart;
  readonly #bytes = new Map<number, Map<number, Uint8Array>>();
  readonly #facts = new Map<number, Facts>();
  readonly #served = new ServedBytes();
  readonly #last = new Map<number, number>();
  readonly #configs = new Map<number, Map<number, TrackConfig>>();
  #counting = true;

  constructor(keep: KeepPart, guarded: Guarded, window: LiveWindow = new LiveWindow()) {
    this.#keep = keep;
    this.guarded = guarded;
    this.window = window;
  }

  /** The first segment that some rung still lacks: where a subscription goes on. What is there already is dropped again. */
  get nextSequence(): number {
    const lacking = this.window.renditions.map(({ rung }) => (this.#last.get(rung) ?? -1) + 1);
    return lacking.length === 0 ? 0 : Math.min(...lacking);
  }

  describe(renditions: readonly RenditionInfo[]): void {
    this.window.describe(renditions);
  }

  setConfig(rung: number, version: number, config: TrackConfig): void {
    const versions = this.#configs.get(rung) ?? new Map<number, TrackConfig>();
    this.#configs.set(rung, versions);
    versions.set(version, config);
    this.window.setConfig(rung, version, config);
  }

  config(rung: number, version: number): TrackConfig | undefined {
    return this.#configs.get(rung)?.get(version);
  }

  /** Adds a segment; answers the counts of those that leave for it. */
  add({ start, parts, frames, durationTicks, sizeBytes }: VerifiedSegment, config: TrackConfig): ServedSegment[] {
    const { rung, sequence, epoch, configVersion, wallClockMs, firstFrame } = start;
    const placed = placeParts(parts.map((part) => ({ part, sha256: bytesToHex(part.sha256) })));
    const segment: LiveSegment = {
      rung,
      sequence,
      epoch,
      configVersion,
      wallClockMs,
      frames,
      durationTicks,
      sizeBytes,
      parts: placed,
    };
    // Bytes first: whoever sees the segment in a playlist must be able to fetch it.
    const rungs = this.#bytes.get(sequence) ?? new Map<number, Uint8Array>();
    const isNew = sequence > (this.#last.get(rung) ?? -1);
    if (!isNew) return [];
    this.#bytes.set(sequence, rungs);
    rungs.set(rung, Buffer.concat(parts.map((part) => this.#keep(part, { rung, sequence }))));
    this.#last.set(rung, sequence);
    const durationMs = Math.round((durationTicks * 1000) / config.timescale);
    if (!this.#facts.has(sequence)) this.#facts.set(sequence, { firstFrame, durationMs });
    if (this.#counting) this.#served.open(rung, sequence, placed);
    const { evicted } = this.window.add(segment);
    return evicted.flatMap((gone) => this.#drop(gone));
  }

  bytes(rung: number, sequence: number): Uint8Array | undefined {
    return this.#bytes.get(sequence)?.get(rung);
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
