import { BitReader, BitstreamError } from "./bit-reader.ts";

/** What a splice information section (SCTE-35) says, as far as somebody here goes by it. */
export interface Splice {
  /**
   * `out`: the programme is left; `in`: it is returned to; `cancelled`: the break of this number does not come;
   * `other`: whatever else players may make of it.
   */
  readonly kind: "out" | "in" | "cancelled" | "other";
  /** Joins all that is said of a break. */
  readonly eventId?: number;
  /** When, 90 kHz in 33 bits; undefined: at once. */
  readonly ticks?: number;
  /** How long the break is meant to be, 90 kHz. */
  readonly durationTicks?: number;
}

export const SPLICE_TABLE = 0xfc;
const SPLICE_INSERT = 5;
const TIME_SIGNAL = 6;
/** Says that the line is alive, or that bandwidth is kept: nothing happens. */
const EMPTY_COMMANDS = [0, 7];
const RANGE = 2 ** 33;

/** Undefined for a section at which nothing happens. @throws BitstreamError for one that is none, or encrypted */
export function parseSplice(section: Uint8Array): Splice | undefined {
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
  if (EMPTY_COMMANDS.includes(command)) return undefined;
  const at = (ticks: number | undefined) => (ticks === undefined ? {} : { ticks: (ticks + adjustment) % RANGE });
  if (command === TIME_SIGNAL) return { kind: "other", ...at(readTime(reader)) };
  if (command !== SPLICE_INSERT) return { kind: "other" };
  const eventId = reader.bits(32);
  const isCancelled = reader.flag();
  reader.bits(7);
  if (isCancelled) return { kind: "cancelled", eventId };
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
  return { kind: isOut ? "out" : "in", eventId, ...at(times[0]), ...duration };
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
