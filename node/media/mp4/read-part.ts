import { Mp4Error } from "./errors.ts";

/** What a part of our making says of a frame in it. */
export interface PartSample {
  readonly durationTicks: number;
  readonly sizeBytes: number;
  readonly key: boolean;
  /** pts - dts, may be negative. */
  readonly compositionTicks: number;
}

export interface ReadPart {
  /** Of its first frame, ticks of its epoch. */
  readonly decodeTicks: number;
  readonly samples: readonly PartSample[];
  /** Bytes of the part before its frames, which follow each other up to its end. */
  readonly headBytes: number;
}

const EMSG = 0x656d7367;
const MOOF = 0x6d6f6f66;
/** Bytes from the `moof` on, as `fragment` writes it. */
const AT = { time: 60, count: 80, rows: 88 };
const ROW_BYTES = 16;
const MDAT_HEAD_BYTES = 8;
const NOT_KEY = 0x10000;

/** The table of a part of our making: no more of it is read than `fragment` writes. @throws MP4_FRAGMENT_INVALID */
export function readPart({ buffer, byteOffset, byteLength }: Uint8Array): ReadPart {
  const view = new DataView(buffer, byteOffset, byteLength);
  let movie = 0;
  // Tags stand before it.
  while (movie + 8 <= byteLength && view.getUint32(movie + 4) === EMSG) movie += Math.max(view.getUint32(movie), 8);
  const isMovie = movie + AT.rows <= byteLength && view.getUint32(movie + 4) === MOOF;
  const count = isMovie ? view.getUint32(movie + AT.count) : 0;
  const headBytes = movie + AT.rows + count * ROW_BYTES + MDAT_HEAD_BYTES;
  if (!isMovie || headBytes > byteLength) throw new Mp4Error({ code: "MP4_FRAGMENT_INVALID", box: "moof" });
  const samples = Array.from({ length: count }, (_, index): PartSample => {
    const row = movie + AT.rows + index * ROW_BYTES;
    return {
      durationTicks: view.getUint32(row),
      sizeBytes: view.getUint32(row + 4),
      key: (view.getUint32(row + 8) & NOT_KEY) === 0,
      compositionTicks: view.getInt32(row + 12),
    };
  });
  const time = movie + AT.time;
  return { decodeTicks: view.getUint32(time) * 2 ** 32 + view.getUint32(time + 4), samples, headBytes };
}
