import type { TrackConfig } from "@leat/sdk/protocol/frame.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { Family, RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import type { Guarded } from "../access/viewer-access.ts";

/** What can be fetched of a stream, and the playlists over it: a `LiveWindow` is one. */
export interface HlsWindow {
  /** Rises with every change but parts that go on with a segment. */
  readonly revision: number;
  /** Rises with every change that a rendition's own playlist shows. */
  revisionOf(name: string): number;
  readonly ended: boolean;
  readonly renditions: readonly RenditionInfo[];
  master(family?: Family): string | undefined;
  /** The same for DASH. */
  mpd(): string | undefined;
  /** Before its playlist is asked for: what nothing follows is whole after a while. */
  settle(name: string, nowMs: number): void;
  playlist(name: string, options?: { readonly skip: boolean }): string | undefined;
  iframes(name: string): string | undefined;
  /** The newest sequence of a rendition, -1 before its first. */
  headOf(name: string): number;
  /** Whether a segment, or a part of it, is listed: what a player waits for that names it. */
  hasReached(name: string, sequence: number, part: number | undefined): boolean;
  part(name: string, sequence: number, part: number): HlsPart | undefined;
  /** Whether it is the part that comes next. */
  isNextPart(name: string, sequence: number, part: number): boolean;
  /** Calls back after every change until what it gives is called. */
  onChange(listener: () => void): () => void;
  rendition(name: string): RenditionInfo | undefined;
  config(name: string, version: number): TrackConfig | undefined;
  timescaleOf(name: string): number | undefined;
  segment(name: string, sequence: number): HlsSegment | undefined;
  /** By where it starts, as DASH names it. */
  segmentAt(name: string, epoch: number, startTicks: number): HlsSegment | undefined;
  /** The same of the one that is being written. */
  openAt(name: string, epoch: number, startTicks: number): Pick<HlsSegment, "sequence"> | undefined;
  /** Whether more parts of a segment may come. */
  isOpen(name: string, sequence: number): boolean;
}

export interface HlsPart {
  /** Bytes of its segment before it. */
  readonly offset: number;
  readonly sizeBytes: number;
  readonly durationTicks: number;
  readonly sha256: Hex;
}

export interface HlsSegment {
  readonly sequence: number;
  readonly durationTicks: number;
  readonly sizeBytes: number;
  readonly parts: readonly { readonly sha256: Hex }[];
}

/** A stream as viewers see it. */
export interface HlsStream {
  readonly window: HlsWindow;
  /** Who may watch it; absent: everybody. */
  readonly guarded?: Guarded;
  /** The bytes of a segment, in order. */
  pieces(rung: number, sequence: number): readonly Uint8Array[] | undefined;
  /** The same of a part. */
  partBytes(rung: number, sequence: number, part: number): Uint8Array | undefined;
  /** A viewer waits for a part that is not there yet. */
  awaited?(): void;
  /** The buyer pays for no viewers. */
  readonly isUnbudgeted?: boolean;
  /** Bytes `from` to `to` (not included) of a segment went out to a viewer; who that was is nobody's business. */
  count(rung: number, sequence: number, from: number, to: number): void;
}

export interface HlsProvider {
  findStream(slug: string): HlsStream | undefined;
}
