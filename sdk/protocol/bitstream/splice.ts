import { BitReader, BitstreamError } from "./bit-reader.ts";

/** What a splice information section (SCTE-35) says of one moment, as far as somebody here goes by it. */
export interface Splice {
  /**
   * `out`: the programme is left; `in`: it is returned to; `cancelled`: the break of this number does not come;
   * `other`: whatever else players may make of it.
   */
  readonly kind: "out" | "in" | "cancelled" | "other";
  /** Joins all that is said of a break. */
  readonly event?: SpliceEvent;
  /** When, 90 kHz in 33 bits; undefined: at once. */
  readonly ticks?: number;
  /** How long the break is meant to be, 90 kHz. */
  readonly durationTicks?: number;
}

export interface SpliceEvent {
  readonly number: number;
  /**
   * Of a segmentation descriptor, which has numbers of its own for each kind of segment: the type with which such a one
   * begins, or `any` where it is cancelled. Absent: of a splice_insert.
   */
  readonly segmentation?: number | "any";
}

export const SPLICE_TABLE = 0xfc;
const SPLICE_INSERT = 5;
const TIME_SIGNAL = 6;
/** Says that the line is alive, or that bandwidth is kept: nothing happens. */
const EMPTY_COMMANDS = [0, 7];
const RANGE = 2 ** 33;
const SEGMENTATION_DESCRIPTOR = 2;
/** "CUEI": the descriptor is one of this standard's. */
const CUE_IDENTIFIER = 0x43554549;
/** A component's tag, and its offset. */
const COMPONENT_BYTES = 6;

/**
 * What begins here, in order: several segments may with one section, and none where nothing happens.
 * @throws BitstreamError for a section that is none, or encrypted
 */
export function parseSplice(section: Uint8Array): Splice[] {
  const reader = new BitReader(section);
  const table = reader.bits(8);
  if (table !== SPLICE_TABLE)
    throw new BitstreamError({ code: "BITSTREAM_INVALID", what: "splice table", found: table });
  reader.bits(24);
  if (reader.flag()) throw new BitstreamError({ code: "BITSTREAM_UNSUPPORTED", what: "encrypted splice" });
  reader.bits(6);
  const adjustment = readTicks(reader);
  reader.bits(8 + 12);
  reader.bits(12);
  const command = reader.bits(8);
  if (EMPTY_COMMANDS.includes(command)) return [];
  const at = (ticks: number | undefined) => (ticks === undefined ? {} : { ticks: (ticks + adjustment) % RANGE });
  if (command === SPLICE_INSERT) {
    const { ticks, ...insert } = readInsert(reader);
    return [{ ...insert, ...at(ticks) }];
  }
  if (command !== TIME_SIGNAL) return [{ kind: "other" }];
  const time = at(readTime(reader));
  const { leftBytes } = reader;
  const segments = leftBytes < 2 ? [] : readDescriptors(section.subarray(-leftBytes));
  return (segments.length > 0 ? segments : [{ kind: "other" } as const]).map((segment) => ({ ...segment, ...time }));
}

function readInsert(reader: BitReader): Splice {
  const event = { number: reader.bits(32) };
  const isCancelled = reader.flag();
  reader.bits(7);
  if (isCancelled) return { kind: "cancelled", event };
  const [isOut, isWhole, hasDuration, isNow] = [reader.flag(), reader.flag(), reader.flag(), reader.flag()];
  reader.bits(4);
  const times: (number | undefined)[] = [];
  if (isWhole && !isNow) times.push(readTime(reader));
  if (!isWhole) {
    for (let left = reader.bits(8); left > 0; left -= 1) {
      reader.bits(8);
      times.push(isNow ? undefined : readTime(reader));
    }
  }
  if (hasDuration) reader.bits(7);
  const duration = hasDuration ? { durationTicks: readTicks(reader) } : {};
  const [ticks] = times;
  return { kind: isOut ? "out" : "in", event, ...duration, ...(ticks === undefined ? {} : { ticks }) };
}

/** The segments that leave the programme, return to it or are cancelled. What cannot be read is passed over. */
function readDescriptors(bytes: Uint8Array): Splice[] {
  const end = Math.min(bytes.length, 2 + new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint16(0));
  const segments: Splice[] = [];
  for (let at = 2; at + 2 <= end; at += 2 + bytes[at + 1]!) {
    if (bytes[at] !== SEGMENTATION_DESCRIPTOR) continue;
    const segment = readSegment(bytes.subarray(at + 2, at + 2 + bytes[at + 1]!));
    if (segment !== undefined) segments.push(segment);
  }
  return segments;
}

function readSegment(bytes: Uint8Array): Splice | undefined {
  try {
    return readWholeSegment(new BitReader(bytes));
  } catch (error) {
    if (error instanceof BitstreamError) return undefined;
    throw error;
  }
}

function readWholeSegment(reader: BitReader): Splice | undefined {
  if (reader.bits(32) !== CUE_IDENTIFIER) return undefined;
  const number = reader.bits(32);
  const isCancelled = reader.flag();
  reader.bits(7);
  if (isCancelled) return { kind: "cancelled", event: { number, segmentation: "any" } };
  const [isWhole, hasDuration] = [reader.flag(), reader.flag()];
  reader.bits(6);
  if (!isWhole) reader.skip(COMPONENT_BYTES * reader.bits(8));
  const duration = hasDuration ? { durationTicks: reader.bits(8) * 2 ** 32 + reader.bits(32) } : {};
  reader.bits(8);
  reader.skip(reader.bits(8));
  const type = reader.bits(8);
  if (!isOfBreak(type)) return undefined;
  // Ends are odd.
  const isOut = type % 2 === 0;
  const event = { number, segmentation: isOut ? type : type - 1 };
  return isOut ? { kind: "out", event, ...duration } : { kind: "in", event };
}

/** Breaks, and advertisements, opportunities and promotions in them; a programme's own parts do not leave it. */
function isOfBreak(type: number): boolean {
  return type === 0x22 || type === 0x23 || (type >= 0x30 && type <= 0x3f) || (type >= 0x44 && type <= 0x47);
}

function readTime(reader: BitReader): number | undefined {
  const isTold = reader.flag();
  if (!isTold) return void reader.bits(7);
  reader.bits(6);
  return readTicks(reader);
}

function readTicks(reader: BitReader): number {
  return reader.bits(1) * 2 ** 32 + reader.bits(32);
}
