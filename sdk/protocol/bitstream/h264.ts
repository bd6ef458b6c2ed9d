import { concatBytes } from "../../base/bytes.ts";
import { BitReader, BitstreamError } from "./bit-reader.ts";
import { readSets, removeEmulation } from "./nal.ts";
import { checkPictureSize } from "./picture-size.ts";

/** What a sequence parameter set says of the pictures. */
export interface SpsFacts {
  readonly profile: number;
  readonly constraints: number;
  readonly level: number;
  /** 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4. */
  readonly chromaFormat: number;
  readonly bitDepth: number;
  /** After cropping. */
  readonly width: number;
  readonly height: number;
}

/** An AVCDecoderConfigurationRecord. */
export interface AvcConfiguration {
  readonly lengthSize: number;
  readonly sps: readonly Uint8Array[];
  readonly pps: readonly Uint8Array[];
  /** The record with 4-byte lengths. */
  readonly description: Uint8Array;
  readonly facts: SpsFacts;
  readonly codecString: string;
}

const NAL_IDR = 5;
const NAL_SPS = 7;
/** Profiles whose parameter sets name chroma format and bit depth. */
const highProfiles = new Set([100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135]);

export function parseAvcConfiguration(record: Uint8Array): AvcConfiguration {
  if (record.length < 7) throw new BitstreamError({ code: "BITSTREAM_TRUNCATED" });
  if (record[0] !== 1) throw new BitstreamError({ code: "BITSTREAM_INVALID", what: "avcC version", found: record[0] });
  const [sps, afterSps] = readSets(record, 6, record[5]! & 0x1f);
  if (afterSps >= record.length) throw new BitstreamError({ code: "BITSTREAM_TRUNCATED" });
  const [pps] = readSets(record, afterSps + 1, record[afterSps]!);
  if (sps[0] === undefined || pps.length === 0) {
    throw new BitstreamError({ code: "BITSTREAM_INVALID", what: "avcC without parameter sets" });
  }
  const facts = parseSps(sps[0]);
  const description = Uint8Array.from(record);
  description[4] = description[4]! | 0x03;
  const codecString = `avc1.${[...sps[0].subarray(1, 4)].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
  return { lengthSize: (record[4]! & 3) + 1, sps, pps, description, facts, codecString };
}

/** The record for these parameter sets, each with its NAL header: at least one of each. */
export function writeAvcRecord(sps: readonly Uint8Array[], pps: readonly Uint8Array[]): Uint8Array {
  const [first] = sps;
  if (first === undefined || pps.length === 0) {
    throw new BitstreamError({ code: "BITSTREAM_INVALID", what: "avcC without parameter sets" });
  }
  const { profile, constraints, level, chromaFormat, bitDepth } = parseSps(first);
  const withLength = (sets: readonly Uint8Array[]) =>
    sets.flatMap((set) => [Uint8Array.of(set.length >> 8, set.length & 0xff), set]);
  return concatBytes([
    Uint8Array.of(1, profile, constraints, level, 0xff, 0xe0 | sps.length),
    ...withLength(sps),
    Uint8Array.of(pps.length),
    ...withLength(pps),
    // High profiles end with the format of the chroma and the depths; Leat takes no two different ones.
    ...(highProfiles.has(profile)
      ? [Uint8Array.of(0xfc | chromaFormat, 0xf8 | (bitDepth - 8), 0xf8 | (bitDepth - 8), 0)]
      : []),
  ]);
}

/** `nal`: a sequence parameter set with its NAL header. */
export function parseSps(nal: Uint8Array): SpsFacts {
  if (nal.length < 4) throw new BitstreamError({ code: "BITSTREAM_TRUNCATED" });
  if ((nal[0]! & 0x1f) !== NAL_SPS) {
    throw new BitstreamError({ code: "BITSTREAM_INVALID", what: "sps nal type", found: nal[0]! & 0x1f });
  }
  const reader = new BitReader(removeEmulation(nal.subarray(1)));
  const [profile, constraints, level] = [reader.bits(8), reader.bits(8), reader.bits(8)];
  reader.unsigned(); // id
  const chroma = highProfiles.has(profile) ? readChroma(reader) : { chromaFormat: 1, bitDepth: 8, separate: false };
  reader.unsigned(); // log2_max_frame_num_minus4
  skipPictureOrder(reader);
  reader.unsigned(); // max_num_ref_frames
  reader.flag(); // gaps_in_frame_num_value_allowed_flag
  const macroblocksWide = reader.unsigned() + 1;
  const mapUnitsHigh = reader.unsigned() + 1;
  const framesOnly = reader.flag();
  if (!framesOnly) reader.flag(); // mb_adaptive_frame_field_flag
  reader.flag(); // direct_8x8_inference_flag
  const crop = reader.flag()
    ? [reader.unsigned(), reader.unsigned(), reader.unsigned(), reader.unsigned()]
    : [0, 0, 0, 0];
  const { chromaFormat, bitDepth, separate } = chroma;
  const subsampled = separate ? 0 : chromaFormat;
  const cropUnitX = subsampled === 1 || subsampled === 2 ? 2 : 1;
  const cropUnitY = (subsampled === 1 ? 2 : 1) * (framesOnly ? 1 : 2);
  const width = macroblocksWide * 16 - (crop[0]! + crop[1]!) * cropUnitX;
  const height = mapUnitsHigh * 16 * (framesOnly ? 1 : 2) - (crop[2]! + crop[3]!) * cropUnitY;
  return checkPictureSize({ profile, constraints, level, chromaFormat, bitDepth, width, height });
}

/** An IDR picture: decoding can begin here and nothing after it refers to what was before. A recovery point is none. */
export function hasIdr(nals: readonly Uint8Array[]): boolean {
  return nals.some((nal) => (nal[0]! & 0x1f) === NAL_IDR);
}

function readChroma(reader: BitReader): { chromaFormat: number; bitDepth: number; separate: boolean } {
  const chromaFormat = reader.unsigned();
  if (chromaFormat > 3)
    throw new BitstreamError({ code: "BITSTREAM_INVALID", what: "chroma format", found: chromaFormat });
  const separate = chromaFormat === 3 && reader.flag();
  const bitDepth = 8 + reader.unsigned();
  reader.unsigned(); // bit_depth_chroma_minus8
  reader.flag(); // qpprime_y_zero_transform_bypass_flag
  if (reader.flag()) {
    const lists = chromaFormat === 3 ? 12 : 8;
    for (let list = 0; list < lists; list += 1) if (reader.flag()) skipScalingList(reader, list < 6 ? 16 : 64);
  }
  return { chromaFormat, bitDepth, separate };
}

function skipScalingList(reader: BitReader, size: number): void {
  let last = 8;
  let next = 8;
  for (let index = 0; index < size && next !== 0; index += 1) {
    next = (((last + reader.signed()) % 256) + 256) % 256;
    last = next === 0 ? last : next;
  }
}

function skipPictureOrder(reader: BitReader): void {
  const type = reader.unsigned();
  if (type === 0) reader.unsigned(); // log2_max_pic_order_cnt_lsb_minus4
  if (type !== 1) return;
  reader.flag();
  reader.signed();
  reader.signed();
  const count = reader.unsigned();
  if (count > 255) throw new BitstreamError({ code: "BITSTREAM_INVALID", what: "order cycle", found: count });
  for (let index = 0; index < count; index += 1) reader.signed();
}
