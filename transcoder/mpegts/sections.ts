import { MAX_SECTION_BYTES } from "./limits.ts";

const HEAD_BYTES = 3;
const STUFFING = 0xff;

/** Puts the tables of one PID together. */
export class SectionReader {
  #pieces: Uint8Array = new Uint8Array(0);
  #open = false;
  #malformed = 0;

  /** Sections that could not be read or whose checksum is wrong. */
  get malformed(): number {
    return this.#malformed;
  }

  /** Packets are missing: what was begun is void. */
  lose(): void {
    this.#open = false;
    this.#pieces = new Uint8Array(0);
  }

  /** Whole sections, with their head and checksum. */
  push(payload: Uint8Array, starts: boolean): Uint8Array[] {
    if (!starts) return this.#open ? this.#append(payload) : [];
    const pointer = payload[0] ?? 0;
    const before = this.#open ? this.#append(payload.subarray(1, 1 + pointer)) : [];
    this.lose();
    this.#open = true;
    return [...before, ...this.#append(payload.subarray(1 + pointer))];
  }

  #append(bytes: Uint8Array): Uint8Array[] {
    const data = Buffer.concat([this.#pieces, bytes]);
    const sections: Uint8Array[] = [];
    let offset = 0;
    while (data.length - offset >= HEAD_BYTES) {
      if (data[offset] === STUFFING) {
        this.lose();
        return sections;
      }
      const size = HEAD_BYTES + (((data[offset + 1]! & 0x0f) << 8) | data[offset + 2]!);
      if (size > MAX_SECTION_BYTES) {
        this.#malformed += 1;
        this.lose();
        return sections;
      }
      if (data.length - offset < size) break;
      const section = data.subarray(offset, offset + size);
      offset += size;
      if (crc32(section) === 0) sections.push(section);
      else this.#malformed += 1;
    }
    this.#pieces = data.subarray(offset);
    return sections;
  }
}

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24;
  for (let bit = 0; bit < 8; bit += 1) crc = crc < 0 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  return crc >>> 0;
});

/** MPEG's: not reflected, not inverted. 0 over a section with its own checksum at the end. */
export function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = ((crc << 8) ^ crcTable[((crc >>> 24) ^ byte) & 0xff]!) >>> 0;
  return crc;
}
