import { createHash } from "node:crypto";
import { readPart } from "@leat/node/media/mp4/read-part.ts";
import type { TrackConfig } from "@leat/sdk/protocol/frame.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import type { ByteRange } from "../hls/range.ts";
import type { PlayedStream } from "../playout/stream.ts";
import { type KeptSegment, type KeptTrack, layOutMovie, type MoviePiece, type WholeMovie } from "./whole-movie.ts";

/** A stream whose segments are kept for a while, when it is over too. */
export interface KeptStream extends PlayedStream {
  readonly window: {
    readonly renditions: readonly RenditionInfo[];
    readonly ended: boolean;
    held(rung: number): readonly KeptSegment[];
    config(name: string, version: number): TrackConfig | undefined;
  };
  partBytes(rung: number, sequence: number, part: number): Uint8Array | undefined;
  /** Bytes `from` to `to` (not included) of a segment went out to a viewer; who that was is nobody's business. */
  count(rung: number, sequence: number, from: number, to: number): void;
}

export interface KeptStreams {
  findStream(slug: string): KeptStream | undefined;
}

/** Bytes of the file that go out in one, and what of the segments is in them. */
export interface FileSlice {
  readonly bytes: Uint8Array;
  readonly media: readonly SentMedia[];
}

/** Bytes of a part's frames. */
export interface SentMedia {
  readonly piece: MoviePiece;
  readonly range: ByteRange;
}

/** All that is left of an ended stream's rung with its sound, as one file: nothing of it is written before it goes out. */
export class WholeFile {
  readonly stream: KeptStream;
  readonly etag: string;
  readonly type: "video/mp4" | "audio/mp4";
  readonly #movie: WholeMovie;

  constructor(stream: KeptStream, kind: "video" | "audio", movie: WholeMovie) {
    this.stream = stream;
    this.type = `${kind}/mp4`;
    this.#movie = movie;
    const hash = createHash("sha256").update(movie.head);
    for (const { source } of movie.pieces) hash.update(source.sha256);
    this.etag = `"${hash.digest("base64url").slice(0, 22)}"`;
  }

  get sizeBytes(): number {
    return this.#movie.sizeBytes;
  }

  /** The range in slices of at least `sliceBytes`, but the last. An ended stream keeps its bytes for as long as it is held. */
  *read({ from, to }: ByteRange, sliceBytes: number): Generator<FileSlice, void, undefined> {
    const { head, pieces } = this.#movie;
    let bytes: Uint8Array[] = [];
    let media: SentMedia[] = [];
    let gathered = 0;
    const add = (whole: Uint8Array, at: number): ByteRange => {
      const range = { from: Math.max(from - at, 0), to: Math.min(to - at, whole.length) };
      bytes.push(whole.subarray(range.from, range.to));
      gathered += range.to - range.from;
      return range;
    };
    if (from < head.length) add(head, 0);
    for (let index = findPiece(pieces, from); index < pieces.length && pieces[index]!.at < to; index += 1) {
      const piece = pieces[index]!;
      const part = this.stream.partBytes(piece.rung, piece.sequence, piece.part)!;
      const { prefix, headBytes, at } = piece;
      if (prefix.length > 0 && at + prefix.length > from) add(prefix, at);
      if (at + prefix.length < to) media.push({ piece, range: add(part.subarray(headBytes), at + prefix.length) });
      if (gathered < sliceBytes) continue;
      yield { bytes: Buffer.concat(bytes), media };
      [bytes, media, gathered] = [[], [], 0];
    }
    if (gathered > 0) yield { bytes: Buffer.concat(bytes), media };
  }

  /** That much of the part went out: of its frames, as for every way out that leaves boxes away. */
  count({ piece, range: { from, to } }: SentMedia): number {
    const begin = piece.source.offset + piece.headBytes;
    this.stream.count(piece.rung, piece.sequence, begin + from, begin + to);
    return to - from;
  }
}

/** The file of these rungs, pictures first; undefined where nothing is left. @throws PLAYOUT_CONFIG_CHANGED */
export function makeWholeFile(stream: KeptStream, rungs: readonly [number, ...number[]]): WholeFile | undefined {
  const [first, ...more] = rungs.map((rung) => keptTrack(stream, rung)) as [KeptTrack, ...KeptTrack[]];
  const movie = layOutMovie([first, ...more]);
  const { kind } = stream.window.renditions.find((info) => info.rung === rungs[0])!;
  return movie === undefined ? undefined : new WholeFile(stream, kind, movie);
}

function keptTrack(stream: KeptStream, rung: number): KeptTrack {
  const { window } = stream;
  const { name } = window.renditions.find((info) => info.rung === rung)!;
  return {
    rung,
    segments: window.held(rung),
    configOf: (version) => window.config(name, version),
    readPart: (sequence, part) => readPart(stream.partBytes(rung, sequence, part)!),
  };
}

/** The first piece that ends behind `at`. */
function findPiece(pieces: readonly MoviePiece[], at: number): number {
  let [low, high] = [0, pieces.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const { at: start, sizeBytes } = pieces[middle]!;
    if (start + sizeBytes <= at) low = middle + 1;
    else high = middle;
  }
  return low;
}
