import { TranscodeError } from "../errors.ts";

const NAL_SPS = 7;
const NAL_PPS = 8;
const NAL_DELIMITER = 9;
const START_CODE = Buffer.from([0, 0, 1]);

/** The NAL units between Annex B start codes, without the zero bytes that belong to the next start code. */
export function splitAnnexB(stream: Uint8Array): Uint8Array[] {
  const bytes = Buffer.from(stream.buffer, stream.byteOffset, stream.byteLength);
  const units: Uint8Array[] = [];
  let start = bytes.indexOf(START_CODE);
  while (start >= 0) {
    const from = start + 3;
    start = bytes.indexOf(START_CODE, from);
    let end = start < 0 ? bytes.length : start;
    while (end > from && bytes[end - 1] === 0) end -= 1;
    if (end > from) units.push(bytes.subarray(from, end));
  }
  return units;
}

/** NAL units with 4-byte lengths, as MP4 wants them. */
export function joinLengthPrefixed(units: readonly Uint8Array[]): Uint8Array {
  const joined = Buffer.allocUnsafe(units.reduce((sum, unit) => sum + 4 + unit.length, 0));
  let at = 0;
  for (const unit of units) {
    joined.writeUInt32BE(unit.length, at);
    joined.set(unit, at + 4);
    at += 4 + unit.length;
  }
  return joined;
}

export function splitLengthPrefixed(data: Uint8Array): Uint8Array[] {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const units: Uint8Array[] = [];
  for (let at = 0; at + 4 <= data.length; ) {
    const size = view.getUint32(at);
    if (size > data.length - at - 4) break;
    units.push(data.subarray(at + 4, at + 4 + size));
    at += 4 + size;
  }
  return units;
}

export const nalType = (unit: Uint8Array): number => (unit[0] ?? 0) & 0x1f;

/** One encoded picture for MP4: parameter sets and delimiters go, since the configuration box holds the sets. */
export function annexBToFrame(stream: Uint8Array): Uint8Array {
  const units = splitAnnexB(stream).filter((unit) => ![NAL_SPS, NAL_PPS, NAL_DELIMITER].includes(nalType(unit)));
  return joinLengthPrefixed(units);
}

/** The avcC body for these parameter sets. */
export function buildAvcC(units: readonly Uint8Array[]): Uint8Array {
  const sets = unique(units.filter((unit) => nalType(unit) === NAL_SPS));
  const pictures = unique(units.filter((unit) => nalType(unit) === NAL_PPS));
  const [first] = sets;
  if (!first || first.length < 4 || pictures.length === 0) {
    throw new TranscodeError({ code: "TRANSCODE_BITSTREAM_INVALID", codec: "h264", reason: "no parameter sets" });
  }
  const profile = first[1] ?? 0;
  const parts: Uint8Array[] = [Uint8Array.of(1, profile, first[2] ?? 0, first[3] ?? 0, 0xff, 0xe0 | sets.length)];
  for (const set of sets) parts.push(Uint8Array.of(set.length >> 8, set.length & 0xff), set);
  parts.push(Uint8Array.of(pictures.length));
  for (const set of pictures) parts.push(Uint8Array.of(set.length >> 8, set.length & 0xff), set);
  // High profiles end with chroma format and depths. What Leat encodes is 4:2:0 with 8 bits.
  if (profile === 100 || profile === 110 || profile === 122 || profile === 244) {
    const format = readChromaFormat(first);
    parts.push(Uint8Array.of(0xfc | format.chroma, 0xf8 | format.lumaExtra, 0xf8 | format.chromaExtra, 0));
  }
  return Buffer.concat(parts);
}

/** The parameter sets in an avcC body. */
export function readAvcC(body: Uint8Array): Uint8Array[] {
  const units: Uint8Array[] = [];
  let at = 6;
  const readSets = (count: number) => {
    for (let index = 0; index < count; index += 1) {
      const size = ((body[at] ?? 0) << 8) | (body[at + 1] ?? 0);
      units.push(body.subarray(at + 2, at + 2 + size));
      at += 2 + size;
    }
  };
  readSets((body[5] ?? 0) & 0x1f);
  const pictures = body[at] ?? 0;
  at += 1;
  readSets(pictures);
  return units;
}

/** RFC 6381, from the sequence parameter set that the avcC body repeats: `avc1.64001f`. */
export function avcCodecString(avcC: Uint8Array): string {
  return `avc1.${Buffer.from(avcC.subarray(1, 4)).toString("hex")}`;
}

function readChromaFormat(sps: Uint8Array): { chroma: number; lumaExtra: number; chromaExtra: number } {
  const bits = new ExpGolombReader(sps.subarray(4));
  bits.read();
  const chroma = bits.read();
  if (chroma === 3) bits.skip(1);
  return { chroma, lumaExtra: bits.read(), chromaExtra: bits.read() };
}

/** Unsigned Exp-Golomb numbers from a raw payload; emulation bytes never stand this early in a parameter set. */
class ExpGolombReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  skip(bits: number): void {
    this.#at += bits;
  }

  read(): number {
    let zeros = 0;
    while (zeros < 31 && this.#at < this.#bytes.length * 8 && this.#bit() === 0) zeros += 1;
    let value = 1;
    for (let index = 0; index < zeros; index += 1) value = value * 2 + this.#bit();
    return value - 1;
  }

  #bit(): number {
    const bit = ((this.#bytes[this.#at >> 3] ?? 0) >> (7 - (this.#at & 7))) & 1;
    this.#at += 1;
    return bit;
  }
}

function unique(units: readonly Uint8Array[]): Uint8Array[] {
  return units.filter((unit, index) => units.findIndex((other) => Buffer.compare(other, unit) === 0) === index);
}
