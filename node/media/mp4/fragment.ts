import { box, concatBytes, fullBox, text, uint32, uint64 } from "./box.ts";
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

/** One `moof` and its `mdat`. Every field is a function of the arguments, so all nodes write the same bytes. */
export function fragment(
  fragmentNumber: number,
  decodeTime: number,
  samples: readonly Sample[],
  trackId: number = TRACK_ID,
): Uint8Array<ArrayBuffer> {
  const table = new Uint8Array(samples.length * bytesPerSample);
  const view = new DataView(table.buffer);
  let dataSize = 0;
  for (const [index, sample] of samples.entries()) {
    const offset = index * bytesPerSample;
    view.setUint32(offset, sample.durationTicks);
    view.setUint32(offset + 4, sample.data.length);
    view.setUint32(offset + 8, sample.key ? keyFlags : deltaFlags);
    view.setInt32(offset + 12, sample.compositionTicks);
    dataSize += sample.data.length;
  }
  const header = fullBox("mfhd", 0, 0, uint32(fragmentNumber));
  const trackHeader = fullBox("tfhd", 0, 0x020000, uint32(trackId)); // offsets count from the moof
  const time = fullBox("tfdt", 1, 0, uint64(decodeTime));
  const runSize = 12 + 8 + table.length;
  const movieSize = 8 + header.length + 8 + trackHeader.length + time.length + runSize;
  const run = fullBox("trun", 1, trunFields, uint32(samples.length, movieSize + 8), table);
  const movie = box("moof", header, box("traf", trackHeader, time, run));
  return concatBytes([movie, uint32(8 + dataSize), text("mdat"), ...samples.map((sample) => sample.data)]);
}
