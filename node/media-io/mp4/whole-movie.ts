import { inBandSets } from "@leat/node/media/mp4/in-band-sets.ts";
import type { ReadPart } from "@leat/node/media/mp4/read-part.ts";
import { type StoredChunk, type StoredTrack, storedMovie } from "@leat/node/media/mp4/stored-movie.ts";
import { isSameConfig, type TrackConfig } from "@leat/sdk/protocol/frame.ts";
import { PlayoutError } from "../playout/errors.ts";

/** A part of a segment, and where it stands in that. */
export interface KeptPart {
  readonly offset: number;
  readonly sizeBytes: number;
  readonly startTicks: number;
  readonly durationTicks: number;
  readonly independent: boolean;
  readonly sha256: string;
}

export interface KeptSegment {
  readonly sequence: number;
  readonly epoch: number;
  readonly configVersion: number;
  readonly durationTicks: number;
  readonly parts: readonly KeptPart[];
}

/** A rung of which all segments are here that there will be. */
export interface KeptTrack {
  readonly rung: number;
  /** In order. */
  readonly segments: readonly KeptSegment[];
  readonly configOf: (version: number) => TrackConfig | undefined;
  readonly readPart: (sequence: number, part: number) => ReadPart;
}

/** The frames of a part, as they stand in the file. */
export interface MoviePiece {
  /** Bytes of the file before it. */
  readonly at: number;
  readonly sizeBytes: number;
  readonly rung: number;
  readonly sequence: number;
  readonly part: number;
  readonly source: KeptPart;
  /** What its first frame begins with, beyond what it has. */
  readonly prefix: Uint8Array;
  /** Bytes of the part before its frames, which are left out. */
  readonly headBytes: number;
  /** That it plays; of sound beside a picture none. */
  readonly seconds: number;
}

export interface WholeMovie {
  /** What stands before the first piece. */
  readonly head: Uint8Array;
  readonly pieces: readonly MoviePiece[];
  readonly sizeBytes: number;
}

interface PlacedTrack extends KeptTrack {
  readonly config: TrackConfig;
  /** What decoders must hear at a segment's key frame, by version, where the configuration becomes another. */
  readonly sets: ReadonlyMap<number, Uint8Array> | undefined;
  readonly chunks: StoredChunk[];
  lastTicks: number;
}

interface Place {
  readonly track: PlacedTrack;
  readonly segment: KeptSegment;
}

const NOTHING = new Uint8Array(0);

/**
 * One file of what is left of an ended stream: the frames of its tracks in turn, on a clock that begins at zero and goes
 * on where an epoch ends. In the place of a segment that a rung lacks the last frame before it stands. Undefined where
 * the first track has nothing that can be begun with.
 *
 * Two rungs with segments of 2 s: pictures 0 to 3, sound 1 to 4. The file lasts 10 s: its sound begins after 2 s, and goes
 * on for 2 s behind the last picture.
 * @throws PLAYOUT_CONFIG_CHANGED
 */
export function layOutMovie(tracks: readonly [KeptTrack, ...KeptTrack[]]): WholeMovie | undefined {
  const from = tracks[0].segments.find(({ parts }) => parts[0]?.independent === true)?.sequence;
  if (from === undefined) return undefined;
  const placed = tracks.flatMap((track) => {
    const segments = track.segments.filter(({ sequence, parts }) => sequence >= from && parts.length > 0);
    return segments.length === 0 ? [] : [placeTrack({ ...track, segments })];
  });
  const [lead, ...others] = placed as [PlacedTrack, ...PlacedTrack[]];
  const order = placed.flatMap((track) => track.segments.map((segment) => ({ track, segment })));
  order.sort((left, right) => left.segment.sequence - right.segment.sequence);
  const offsets = placeEpochs(order);
  let mediaBytes = 0;
  const pieces = orderParts(placed, offsets).map(({ track, segment, part, source }) => {
    const { config, chunks, rung } = track;
    const { decodeTicks, samples, headBytes } = track.readPart(segment.sequence, part);
    const prefix = (part === 0 && source.independent ? track.sets?.get(segment.configVersion) : undefined) ?? NOTHING;
    let dts = decodeTicks + Math.round(offsets.get(segment.epoch)! * config.timescale);
    const placedSamples = samples.map(({ durationTicks, compositionTicks, key, sizeBytes }, index) => {
      const at = dts;
      dts += durationTicks;
      track.lastTicks = durationTicks;
      return { dts: at, pts: at + compositionTicks, key, sizeBytes: sizeBytes + (index === 0 ? prefix.length : 0) };
    });
    const at = mediaBytes;
    const sizeBytes = source.sizeBytes - headBytes + prefix.length;
    mediaBytes += sizeBytes;
    chunks.push({ at, samples: placedSamples });
    const seconds = track === lead ? source.durationTicks / config.timescale : 0;
    return { at, sizeBytes, rung, sequence: segment.sequence, part, source, prefix, headBytes, seconds };
  });
  const head = storedMovie([describe(lead), ...others.map(describe)]);
  return {
    head,
    pieces: pieces.map((piece) => ({ ...piece, at: piece.at + head.length })),
    sizeBytes: head.length + mediaBytes,
  };
}

interface PlacedPart extends Place {
  readonly part: number;
  readonly source: KeptPart;
}

/** By when they show, pictures first, those of a track in their own order: a player reads the file from front to end. */
function orderParts(tracks: readonly PlacedTrack[], offsets: ReadonlyMap<number, number>): PlacedPart[] {
  const parts = tracks.flatMap((track) => {
    let atS = 0;
    return track.segments.flatMap((segment) =>
      segment.parts.map((source, part) => {
        atS = Math.max(atS, source.startTicks / track.config.timescale + offsets.get(segment.epoch)!);
        return { track, segment, part, source, atS };
      }),
    );
  });
  return parts.sort((left, right) => left.atS - right.atS);
}

function describe({ config, sets, chunks, lastTicks }: PlacedTrack): StoredTrack {
  return { config, inBand: sets !== undefined, chunks, lastTicks };
}

function placeTrack(track: KeptTrack): PlacedTrack {
  const { rung, segments } = track;
  const configs = new Map(segments.map(({ configVersion }) => [configVersion, track.configOf(configVersion)!]));
  const config = configs.get(segments[0]!.configVersion)!;
  const isSame = [...configs.values()].every((other) => isSameConfig(config, other));
  const sets = new Map<number, Uint8Array>();
  for (const [version, other] of isSame ? [] : configs) {
    const inBand = inBandSets(other);
    // One track has one kind of frames and one clock, and what cannot be said in between was said at its head.
    if (other.codec !== config.codec || other.timescale !== config.timescale || inBand === undefined) {
      throw new PlayoutError({ code: "PLAYOUT_CONFIG_CHANGED", rung });
    }
    sets.set(version, inBand);
  }
  return { ...track, config, sets: isSame ? undefined : sets, chunks: [], lastTicks: 0 };
}

/** Seconds that are added to each epoch's times: it goes on where the one before is over in every track. */
function placeEpochs(order: readonly Place[]): Map<number, number> {
  const spans = new Map<number, { startS: number; endS: number }>();
  for (const { track, segment } of order) {
    const startS = segment.parts[0]!.startTicks / track.config.timescale;
    const endS = startS + segment.durationTicks / track.config.timescale;
    const span = spans.get(segment.epoch) ?? { startS, endS };
    spans.set(segment.epoch, { startS: Math.min(span.startS, startS), endS: Math.max(span.endS, endS) });
  }
  const offsets = new Map<number, number>();
  let atS = 0;
  for (const [epoch, { startS, endS }] of spans) {
    offsets.set(epoch, atS - startS);
    atS += endS - startS;
  }
  return offsets;
}
