import { TRACK_ID } from "./init.ts";

export interface Sample {
  readonly durationTicks: number;
  /** pts - dts, may be negative. */
  readonly compositionTicks: number;
  readonly key: boolean;
  readonly data: Uint8Array;
}

/** Depends on no other sample. */
const keyFlags = 0x02000000;
/** Depends on others, is no sync sample. */
const deltaFlags = 0x01010000;

const trunFields = 0x000001 | 0x000100 | 0x000200 | 0x000400 | 0x000800;
const bytesPerSample = 16;

/** Four letters each. */
const types = {
  moof: 0x6d6f6f66,
  mfhd: 0x6d666864,
  traf: 0x74726166,
  tfhd: 0x74666864,
  tfdt: 0x74666474,
  trun: 0x7472756e,
  mdat: 0x6d646174,
} as const;

/** Of what stands before the table of samples. */
const mfhdBytes = 16;
const tfhdBytes = 16;
const tfdtBytes = 20;
const trunBytes = 20;

/**
 * One `moof` and its `mdat`. Every field is a function of the arguments, so all nodes write the same bytes. It is written
 * in one piece: every part of every stream is made here, at its origin and at each of its edges.
 */
export function fragment(
  fragmentNumber: number,
  decodeTime: number,
  samples: readonly Sample[],
  trackId: number = TRACK_ID,
): Uint8Array<ArrayBuffer> {
  let dataSize = 0;
  for (const { data } of samples) dataSize += data.length;
  const runSize = trunBytes + samples.length * bytesPerSample;
  const trackSize = 8 + tfhdBytes + tfdtBytes + runSize;
  const movieSize = 8 + mfhdBytes + trackSize;
  const bytes = new Uint8Array(movieSize + 8 + dataSize);
  const view = new DataView(bytes.buffer);
  let at = 0;
  const put = (...values: readonly number[]) => {
    for (const value of values) {
      view.setUint32(at, value);
      at += 4;
    }
  };
  put(movieSize, types.moof);
  put(mfhdBytes, types.mfhd, 0, fragmentNumber);
  put(trackSize, types.traf);
  // Offsets count from the moof.
  put(tfhdBytes, types.tfhd, 0x020000, trackId);
  put(tfdtBytes, types.tfdt, 1 << 24, Math.floor(decodeTime / 2 ** 32), decodeTime % 2 ** 32);
  put(runSize, types.trun, (1 << 24) | trunFields, samples.length, movieSize + 8);
  for (const { durationTicks, compositionTicks, key, data } of samples) {
    view.setUint32(at, durationTicks);
    view.setUint32(at + 4, data.length);
    view.setUint32(at + 8, key ? keyFlags : deltaFlags);
    view.setInt32(at + 12, compositionTicks);
    at += bytesPerSample;
  }
  put(8 + dataSize, types.mdat);
  for (const { data } of samples) {
    bytes.set(data, at);
    at += data.length;
  }
  return bytes;
}
