import { concatBytes, text, uint32 } from "@leat/sdk/base/bytes.ts";
import type { TrackConfig } from "@leat/sdk/protocol/frame.ts";
import { box, fullBox, uint64 } from "./box.ts";
import { movieHeader, TRACK_ID, track } from "./init.ts";

/** A frame that stands in the file, in ticks of its track from the movie's begin on: `dts` may be before that. */
export interface StoredSample {
  readonly dts: number;
  readonly pts: number;
  readonly sizeBytes: number;
  readonly key: boolean;
}

/** Frames of one track that follow each other in the file. */
export interface StoredChunk {
  /** Bytes of media before it. */
  readonly at: number;
  readonly samples: readonly StoredSample[];
}

export interface StoredTrack {
  readonly config: TrackConfig;
  /** Parameter sets stand with its pictures as well. */
  readonly inBand: boolean;
  readonly chunks: readonly StoredChunk[];
  /** How long its last frame lasts. */
  readonly lastTicks: number;
}

const EDIT_RATE = 0x0001_0000;

/**
 * All of a file but its media, which follows at once: players know from it how long the file is and where each moment of
 * it stands. A frame lasts until the next one of its track. Times are 32-bit fields: 13 hours of pictures.
 */
export function storedMovie(tracks: readonly [StoredTrack, ...StoredTrack[]]): Uint8Array<ArrayBuffer> {
  const { config } = tracks[0];
  const mediaBytes = tracks.reduce((sum, { chunks }) => sum + chunks.reduce((size, one) => size + sizeOf(one), 0), 0);
  const write = (mediaAt: number) => {
    const written = tracks.map((one, index) => writeTrack(one, TRACK_ID + index, config.timescale, mediaAt));
    const shownTicks = Math.max(...written.map((one) => one.shownTicks));
    const header = movieHeader(config, tracks.length, shownTicks);
    return concatBytes([
      box("ftyp", text("isom"), uint32(0x200), text("isom"), text("iso6"), text("mp41")),
      box("moov", header, ...written.map((one) => one.bytes)),
      concatBytes([uint32(1), text("mdat"), uint64(16 + mediaBytes)]),
    ]);
  };
  // Where the media begins changes no length.
  return write(write(0).length);
}

function sizeOf({ samples }: StoredChunk): number {
  return samples.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

function writeTrack({ config, inBand, chunks, lastTicks }: StoredTrack, id: number, movie: number, mediaAt: number) {
  const samples = chunks.flatMap((chunk) => chunk.samples);
  const first = samples[0]!;
  const durations = samples.map(({ dts }, index) => (samples[index + 1]?.dts ?? dts + lastTicks) - dts);
  const durationTicks = durations.reduce((sum, ticks) => sum + ticks, 0);
  const shifts = samples.map(({ dts, pts }) => pts - dts);
  const toMovie = (ticks: number) => Math.round((ticks * movie) / config.timescale);
  const emptyTicks = toMovie(first.pts);
  // Frames that are decoded before the first is shown take up no time.
  const edits = [
    ...(emptyTicks === 0 ? [] : [uint32(emptyTicks, 0xffff_ffff, EDIT_RATE)]),
    uint32(toMovie(durationTicks), Math.max(shifts[0]!, 0), EDIT_RATE),
  ];
  const keys = samples.flatMap(({ key }, index) => (key ? [index + 1] : []));
  const tables = [
    fullBox("stts", 0, 0, ...runs(durations)),
    ...(shifts.every((shift) => shift === 0) ? [] : [fullBox("ctts", 1, 0, ...runs(shifts))]),
    ...(keys.length === samples.length ? [] : [table("stss", keys)]),
    fullBox("stsc", 0, 0, ...chunkRuns(chunks)),
    fullBox("stsz", 0, 0, uint32(0), list(samples.map(({ sizeBytes }) => sizeBytes))),
    fullBox("co64", 0, 0, uint32(chunks.length), concatBytes(chunks.map(({ at }) => uint64(mediaAt + at)))),
  ];
  const shownTicks = emptyTicks + toMovie(durationTicks);
  const list32 = box("edts", fullBox("elst", 0, 0, uint32(edits.length), ...edits));
  return { bytes: track(config, id, { shownTicks, durationTicks, edits: list32, tables, inBand }), shownTicks };
}

function table(type: string, values: readonly number[]): Uint8Array {
  return fullBox(type, 0, 0, list(values));
}

/** How many there are, and each. */
function list(values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 + 4 * values.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, values.length);
  for (const [index, value] of values.entries()) view.setUint32(4 + 4 * index, value);
  return bytes;
}

/** How many runs there are of equal values, and each: how many, and of what. */
function runs(values: readonly number[]): Uint8Array[] {
  const found: { count: number; readonly value: number }[] = [];
  for (const value of values) {
    const last = found.at(-1);
    if (last?.value === value) last.count += 1;
    else found.push({ count: 1, value });
  }
  return [uint32(found.length), concatBytes(found.map(({ count, value }) => uint32(count, value)))];
}

/** The first chunk of each run that have as many samples, and how many. */
function chunkRuns(chunks: readonly StoredChunk[]): Uint8Array[] {
  const begins = chunks.flatMap(({ samples }, index) =>
    samples.length === chunks[index - 1]?.samples.length ? [] : [uint32(index + 1, samples.length, 1)],
  );
  return [uint32(begins.length), concatBytes(begins)];
}
