import { concatBytes } from "../../base/bytes.ts";
import { BitReader, BitstreamError } from "./bit-reader.ts";
import { joinObus, type Obu, obuTypes, splitObus } from "./obu.ts";
import { checkPictureSize } from "./picture-size.ts";

/** What a sequence header says of the pictures. */
export interface Av1Facts {
  readonly profile: number;
  readonly level: number;
  readonly tier: number;
  readonly bitDepth: number;
  readonly isMonochrome: boolean;
  /** Chroma is halved that way. */
  readonly subsamplingX: number;
  readonly subsamplingY: number;
  readonly chromaPosition: number;
  /** One picture and no more: its frames have no type, all are key frames. */
  readonly isReduced: boolean;
  readonly width: number;
  readonly height: number;
}

/** What one temporal unit holds. */
export interface Av1Unit {
  /** As MP4 wants it: without delimiters and padding, every unit with its size. Empty when nothing is left. */
  readonly data: Uint8Array;
  /** The same, one by one. */
  readonly units: readonly Obu[];
  /** Shows a key frame. */
  readonly key: boolean;
  /** How many pictures are shown: a frame of its own, or one that was decoded before. */
  readonly shown: number;
  readonly sequenceHeader: Obu | undefined;
}

const BT709 = 1;
const SRGB = 13;
const IDENTITY = 0;
const UNSPECIFIED = 2;
const SELECT_PER_FRAME = 2;
const KEY_FRAME = 0;
/** The first byte of a header that shows nothing. */
const HIDDEN = 0x60;
/** The fixed part of av1C. */
const CONFIGURATION_BYTES = 4;
/** These have no place in a sample. */
const leftOut: readonly number[] = [obuTypes.temporalDelimiter, obuTypes.tileList, obuTypes.padding];
const frameHeaders: readonly number[] = [obuTypes.frameHeader, obuTypes.frame];

/** The sequence header in an av1C body; none where it comes with the first key frame instead. */
export function findSequenceHeader(record: Uint8Array): Obu | undefined {
  if (record.length < CONFIGURATION_BYTES) throw new BitstreamError({ code: "BITSTREAM_TRUNCATED" });
  if (record[0] !== 0x81)
    throw new BitstreamError({ code: "BITSTREAM_INVALID", what: "av1C version", found: record[0] });
  return splitObus(record.subarray(CONFIGURATION_BYTES)).find(({ type }) => type === obuTypes.sequenceHeader);
}

/** The av1C body and the codec string that a sequence header asks for: what a publisher says beside it is not trusted. */
export function describeAv1(header: Obu): { facts: Av1Facts; description: Uint8Array; codecString: string } {
  const facts = parseAv1SequenceHeader(header.payload);
  const { profile, level, tier, bitDepth, isMonochrome, subsamplingX, subsamplingY, chromaPosition } = facts;
  const depth = (bitDepth > 8 ? 0x40 : 0) | (bitDepth === 12 ? 0x20 : 0);
  const chroma = (isMonochrome ? 0x10 : 0) | (subsamplingX << 3) | (subsamplingY << 2) | chromaPosition;
  const head = Uint8Array.of(0x81, (profile << 5) | level, (tier << 7) | depth | chroma, 0);
  const two = (value: number) => String(value).padStart(2, "0");
  const codecString = `av01.${profile}.${two(level)}${tier === 0 ? "M" : "H"}.${two(bitDepth)}`;
  return { facts, description: concatBytes([head, joinObus([header])]), codecString };
}

export function readTemporalUnit(data: Uint8Array, isReduced: boolean): Av1Unit {
  const units = splitObus(data).filter(({ type }) => !leftOut.includes(type));
  const heads = units.filter(({ type }) => frameHeaders.includes(type)).map(({ payload }) => payload[0] ?? HIDDEN);
  const key = heads.some((head) => isReduced || isShownKey(head));
  const shown = heads.filter((head) => isReduced || isShown(head)).length;
  const sequenceHeader = units.find(({ type }) => type === obuTypes.sequenceHeader);
  return { data: joinObus(units), units, key, shown, sequenceHeader };
}

/** A frame header begins with show_existing_frame, two bits of frame type, show_frame. */
function isShownKey(head: number): boolean {
  return head >> 7 === 0 && ((head >> 5) & 3) === KEY_FRAME && ((head >> 4) & 1) === 1;
}

function isShown(head: number): boolean {
  return head >> 7 === 1 || ((head >> 4) & 1) === 1;
}

export function parseAv1SequenceHeader(payload: Uint8Array): Av1Facts {
  const reader = new BitReader(payload);
  const profile = reader.bits(3);
  if (profile > 2) throw new BitstreamError({ code: "BITSTREAM_INVALID", what: "av1 profile", found: profile });
  reader.bits(1); // still_picture
  const isReduced = reader.flag();
  const point = isReduced ? { level: reader.bits(5), tier: 0 } : readOperatingPoints(reader);
  const widthBits = reader.bits(4) + 1;
  const heightBits = reader.bits(4) + 1;
  const size = checkPictureSize({ width: reader.bits(widthBits) + 1, height: reader.bits(heightBits) + 1 });
  if (!isReduced && reader.flag()) reader.bits(7); // frame ids
  reader.bits(3); // use_128x128_superblock, enable_filter_intra, enable_intra_edge_filter
  if (!isReduced) skipTools(reader);
  reader.bits(3); // enable_superres, enable_cdef, enable_restoration
  return { profile, ...point, ...readColor(reader, profile), isReduced, ...size };
}

/** Level and tier of the first operating point: the one with everything in it. */
function readOperatingPoints(reader: BitReader): { level: number; tier: number } {
  let delayBits = 0;
  if (reader.flag()) {
    reader.bits(32); // num_units_in_display_tick
    reader.bits(32); // time_scale
    if (reader.flag()) reader.unsigned(); // num_ticks_per_picture_minus_1
    if (reader.flag()) {
      delayBits = reader.bits(5) + 1;
      reader.bits(32); // num_units_in_decoding_tick
      reader.bits(10); // lengths of two times
    }
  }
  const hasDisplayDelay = reader.flag();
  const points = Array.from({ length: reader.bits(5) + 1 }, () => {
    reader.bits(12); // operating_point_idc
    const level = reader.bits(5);
    const tier = level > 7 ? reader.bits(1) : 0;
    if (delayBits > 0 && reader.flag()) {
      reader.bits(delayBits);
      reader.bits(delayBits);
      reader.bits(1); // low_delay_mode_flag
    }
    if (hasDisplayDelay && reader.flag()) reader.bits(4);
    return { level, tier };
  });
  return points[0]!;
}

function skipTools(reader: BitReader): void {
  reader.bits(4); // enable_interintra_compound, masked_compound, warped_motion, dual_filter
  const hasOrderHint = reader.flag();
  if (hasOrderHint) reader.bits(2); // enable_jnt_comp, enable_ref_frame_mvs
  const screenContent = reader.flag() ? SELECT_PER_FRAME : reader.bits(1);
  // seq_choose_integer_mv, else seq_force_integer_mv
  if (screenContent > 0 && !reader.flag()) reader.bits(1);
  if (hasOrderHint) reader.bits(3);
}

function readColor(reader: BitReader, profile: number) {
  const isHigh = reader.flag();
  const bitDepth = profile === 2 && isHigh ? (reader.flag() ? 12 : 10) : isHigh ? 10 : 8;
  const isMonochrome = profile !== 1 && reader.flag();
  const [primaries, transfer, matrix] = reader.flag()
    ? [reader.bits(8), reader.bits(8), reader.bits(8)]
    : [UNSPECIFIED, UNSPECIFIED, UNSPECIFIED];
  const shape = { bitDepth, isMonochrome, chromaPosition: 0 };
  const isRgb = primaries === BT709 && transfer === SRGB && matrix === IDENTITY;
  if (!isMonochrome && isRgb) return { ...shape, subsamplingX: 0, subsamplingY: 0 };
  reader.bits(1); // color_range
  if (isMonochrome) return { ...shape, subsamplingX: 1, subsamplingY: 1 };
  const [subsamplingX, subsamplingY] = readSubsampling(reader, profile, bitDepth);
  const chromaPosition = subsamplingX === 1 && subsamplingY === 1 ? reader.bits(2) : 0;
  return { ...shape, subsamplingX, subsamplingY, chromaPosition };
}

function readSubsampling(reader: BitReader, profile: number, bitDepth: number): [number, number] {
  if (profile === 0) return [1, 1];
  if (profile === 1) return [0, 0];
  if (bitDepth < 12) return [1, 0];
  const x = reader.bits(1);
  return [x, x === 1 ? reader.bits(1) : 0];
}
