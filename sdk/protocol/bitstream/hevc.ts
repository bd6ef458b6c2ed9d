import { concatBytes } from "../../base/bytes.ts";
import { BitReader, BitstreamError } from "./bit-reader.ts";
import { readSets, removeEmulation } from "./nal.ts";
import { checkPictureSize } from "./picture-size.ts";

/** What an HEVC sequence parameter set says of the pictures. */
export interface HevcFacts {
  /** 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4. */
  readonly chromaFormat: number;
  readonly bitDepth: number;
  /** After cropping. */
  readonly width: number;
  readonly height: number;
  /** Profile, compatibility, tier, level and constraints as RFC 6381 writes them: `1.6.L93.B0`. */
  readonly profileText: string;
}

/** An HEVCDecoderConfigurationRecord. */
export interface HevcConfiguration {
  readonly lengthSize: number;
  /** VPS, SPS and PPS, in that order. */
  readonly sets: readonly Uint8Array[];
  /** The record with 4-byte lengths. */
  readonly description: Uint8Array;
  readonly facts: HevcFacts;
  readonly codecString: string;
}

const NAL_VPS = 32;
const NAL_SPS = 33;
const NAL_PPS = 34;
/** Pictures at which decoding can begin: BLA, IDR, CRA. */
const FIRST_IRAP = 16;
const LAST_IRAP = 21;
const FIXED_BYTES = 23;
const MAX_SUB_LAYERS = 7;
const PROFILE_BYTES = 12;
/** All sets of the kind stand in the record. */
const COMPLETE = 0x80;

export function parseHevcConfiguration(record: Uint8Array): HevcConfiguration {
  if (record.length < FIXED_BYTES) throw new BitstreamError({ code: "BITSTREAM_TRUNCATED" });
  if (record[0] !== 1) throw new BitstreamError({ code: "BITSTREAM_INVALID", what: "hvcC version", found: record[0] });
  const found = new Map<number, Uint8Array[]>();
  let offset = FIXED_BYTES;
  for (let array = 0; array < record[FIXED_BYTES - 1]!; array += 1) {
    if (offset + 3 > record.length) throw new BitstreamError({ code: "BITSTREAM_TRUNCATED" });
    const type = record[offset]! & 0x3f;
    const count = record[offset + 1]! * 256 + record[offset + 2]!;
    const [sets, end] = readSets(record, offset + 3, count);
    offset = end;
    if (sets.length > 0) found.set(type, [...(found.get(type) ?? []), ...sets]);
  }
  const [vps, sps, pps] = [NAL_VPS, NAL_SPS, NAL_PPS].map((type) => found.get(type));
  // Without all three no decoder starts, and hvc1 allows none of them in the frames.
  if (vps === undefined || sps === undefined || pps === undefined) {
    throw new BitstreamError({ code: "BITSTREAM_INVALID", what: "hvcC without parameter sets" });
  }
  const facts = parseHevcSps(sps[0]!);
  const sets = [...vps, ...sps, ...pps];
  const description = Uint8Array.from(record);
  description[21] = description[21]! | 0x03;
  return { lengthSize: (record[21]! & 3) + 1, sets, description, facts, codecString: `hvc1.${facts.profileText}` };
}

/** The record for these parameter sets, each with its NAL header: at least one of each kind. */
export function writeHevcRecord(
  vps: readonly Uint8Array[],
  sps: readonly Uint8Array[],
  pps: readonly Uint8Array[],
): Uint8Array {
  const [first] = sps;
  if (first === undefined || vps.length === 0 || pps.length === 0) {
    throw new BitstreamError({ code: "BITSTREAM_INVALID", what: "hvcC without parameter sets" });
  }
  const { chromaFormat, bitDepth } = parseHevcSps(first);
  const payload = removeEmulation(first.subarray(2));
  const subLayers = ((payload[0]! >> 1) & 7) + 1;
  const nesting = payload[0]! & 1;
  const arrays = [vps, sps, pps].flatMap((sets, index) => [
    Uint8Array.of(COMPLETE | (NAL_VPS + index), sets.length >> 8, sets.length & 0xff),
    ...sets.flatMap((set) => [Uint8Array.of(set.length >> 8, set.length & 0xff), set]),
  ]);
  return concatBytes([
    Uint8Array.of(1),
    // Profile, compatibility, constraints and level stand there as they do here.
    payload.subarray(1, 1 + PROFILE_BYTES),
    // Nothing is said of slicing in space, of parallelism, of frame rates.
    Uint8Array.of(0xf0, 0, 0xfc, 0xfc | chromaFormat, 0xf8 | (bitDepth - 8), 0xf8 | (bitDepth - 8), 0, 0),
    Uint8Array.of((subLayers << 3) | (nesting << 2) | 3, 3),
    ...arrays,
  ]);
}

/** `nal`: a sequence parameter set with its two bytes of NAL header. */
export function parseHevcSps(nal: Uint8Array): HevcFacts {
  if (nal.length < 4) throw new BitstreamError({ code: "BITSTREAM_TRUNCATED" });
  if (hevcNalType(nal) !== NAL_SPS) {
    throw new BitstreamError({ code: "BITSTREAM_INVALID", what: "hevc sps nal type", found: hevcNalType(nal) });
  }
  const reader = new BitReader(removeEmulation(nal.subarray(2)));
  reader.bits(4); // sps_video_parameter_set_id
  const subLayers = reader.bits(3);
  if (subLayers >= MAX_SUB_LAYERS) {
    throw new BitstreamError({ code: "BITSTREAM_INVALID", what: "hevc sub layers", found: subLayers });
  }
  reader.bits(1); // sps_temporal_id_nesting_flag
  const profileText = readProfile(reader, subLayers);
  reader.unsigned(); // sps_seq_parameter_set_id
  const chromaFormat = reader.unsigned();
  if (chromaFormat > 3) {
    throw new BitstreamError({ code: "BITSTREAM_INVALID", what: "chroma format", found: chromaFormat });
  }
  const separate = chromaFormat === 3 && reader.flag();
  const coded = { width: reader.unsigned(), height: reader.unsigned() };
  const crop = reader.flag()
    ? [reader.unsigned(), reader.unsigned(), reader.unsigned(), reader.unsigned()]
    : [0, 0, 0, 0];
  const bitDepth = 8 + reader.unsigned();
  const subsampled = separate ? 0 : chromaFormat;
  const cropUnitX = subsampled === 1 || subsampled === 2 ? 2 : 1;
  const cropUnitY = subsampled === 1 ? 2 : 1;
  const width = coded.width - (crop[0]! + crop[1]!) * cropUnitX;
  const height = coded.height - (crop[2]! + crop[3]!) * cropUnitY;
  return checkPictureSize({ chromaFormat, bitDepth, width, height, profileText });
}

export function hevcNalType(nal: Uint8Array): number {
  return (nal[0]! >> 1) & 0x3f;
}

/**
 * Whether decoding can begin here. Pictures that follow in decode order, show before it and refer to what was before
 * (leading pictures of a CRA, as x265 makes them by default) belong to the segment before this one.
 */
export function hasIrap(nals: readonly Uint8Array[]): boolean {
  return nals.some((nal) => hevcNalType(nal) >= FIRST_IRAP && hevcNalType(nal) <= LAST_IRAP);
}

/** profile_tier_level. Bytes 01, 60 00 00 00, 90 00 00 00 00 00 and 5d are `1.6.L93.90`. */
function readProfile(reader: BitReader, subLayers: number): string {
  const space = ["", "A", "B", "C"][reader.bits(2)]!;
  const tier = reader.flag() ? "H" : "L";
  const profile = reader.bits(5);
  let compatibility = 0;
  // The first bit read is the lowest of what is written.
  for (let bit = 0; bit < 32; bit += 1) compatibility += reader.bits(1) * 2 ** bit;
  const constraints = Array.from({ length: 6 }, () => reader.bits(8));
  const level = reader.bits(8);
  skipSubLayers(reader, subLayers);
  const last = constraints.findLastIndex((byte) => byte !== 0);
  const tail = constraints.slice(0, last + 1).map((byte) => byte.toString(16).toUpperCase().padStart(2, "0"));
  return [`${space}${profile}`, compatibility.toString(16).toUpperCase(), `${tier}${level}`, ...tail].join(".");
}

function skipSubLayers(reader: BitReader, count: number): void {
  const present = Array.from({ length: count }, () => ({ profile: reader.flag(), level: reader.flag() }));
  if (count > 0) reader.bits(2 * (8 - count)); // reserved, up to eight layers
  for (const { profile, level } of present) {
    for (let byte = 0; profile && byte < 11; byte += 1) reader.bits(8);
    if (level) reader.bits(8);
  }
}
