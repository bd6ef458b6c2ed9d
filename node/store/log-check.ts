import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

const BLOCK_BYTES = 32_768;
const HEADER_BYTES = 7;
const MASK_DELTA = 0xa282ead8;

/**
 * LevelDB drops a damaged record of its write-ahead log, and what follows it, without a word: a voucher that was
 * acknowledged would be gone unseen. So the logs are read before it opens them. Answers what is wrong, if anything.
 *
 * A record cut short at the end of a log is not damage: the process died while it wrote, and nobody was told yet.
 */
export async function findDamage(location: string): Promise<string | undefined> {
  const names = (await readdir(location)).filter((name) => /^\d+\.log$/.test(name)).sort();
  for (const name of names) {
    const offset = findBadRecord(await readFile(join(location, name)));
    if (offset !== undefined) return `${name}: record at byte ${offset} fails its checksum`;
  }
  return undefined;
}

/** Offset of the first whole record whose checksum is wrong. */
export function findBadRecord(log: Uint8Array): number | undefined {
  const view = new DataView(log.buffer, log.byteOffset, log.byteLength);
  let offset = 0;
  while (offset + HEADER_BYTES <= log.length) {
    const leftInBlock = BLOCK_BYTES - (offset % BLOCK_BYTES);
    if (leftInBlock < HEADER_BYTES) {
      offset += leftInBlock;
      continue;
    }
    const length = view.getUint16(offset + 4, true);
    const type = log[offset + 6]!;
    const end = offset + HEADER_BYTES + length;
    if (type === 0 && length === 0) {
      // Space that was allocated and not written.
      offset += leftInBlock;
      continue;
    }
    if (length + HEADER_BYTES > leftInBlock) return end > log.length ? undefined : offset;
    if (end > log.length) return undefined;
    if (unmask(view.getUint32(offset, true)) !== crc32c(log.subarray(offset + 6, end))) return offset;
    offset = end;
  }
  return undefined;
}

function unmask(masked: number): number {
  const rotated = (masked - MASK_DELTA) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
}

// Castagnoli's polynomial, reflected.
const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = (value & 1) === 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value >>> 0;
});

function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = crcTable[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
