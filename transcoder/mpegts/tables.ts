const PAT = 0;
const PMT = 2;
const CHECKSUM_BYTES = 4;

export interface Descriptor {
  readonly tag: number;
  readonly data: Uint8Array;
}

export interface ElementaryStream {
  readonly pid: number;
  readonly type: number;
  readonly descriptors: readonly Descriptor[];
}

/** The programs of a PAT, by number with the PID of their tables; undefined for a section that is none, or not yet. */
export function parsePat(section: Uint8Array): { readonly program: number; readonly pid: number }[] | undefined {
  if (!isCurrent(section, PAT, 8)) return undefined;
  const programs = [];
  for (let at = 8; at + 4 <= section.length - CHECKSUM_BYTES; at += 4) {
    const program = uint16(section, at);
    // Number 0 names the network's own table.
    if (program !== 0) programs.push({ program, pid: uint16(section, at + 2) & 0x1fff });
  }
  return programs;
}

/** The streams of a program; undefined for a section that is not its table, or not yet. */
export function parsePmt(section: Uint8Array, program: number): ElementaryStream[] | undefined {
  if (!isCurrent(section, PMT, 12) || uint16(section, 3) !== program) return undefined;
  const end = section.length - CHECKSUM_BYTES;
  const streams: ElementaryStream[] = [];
  let at = 12 + (uint16(section, 10) & 0x0fff);
  while (at + 5 <= end) {
    const from = at + 5;
    const to = from + (uint16(section, at + 3) & 0x0fff);
    if (to > end) return undefined;
    streams.push({
      type: section[at]!,
      pid: uint16(section, at + 1) & 0x1fff,
      descriptors: readDescriptors(section.subarray(from, to)),
    });
    at = to;
  }
  return streams;
}

function readDescriptors(bytes: Uint8Array): Descriptor[] {
  const descriptors: Descriptor[] = [];
  for (let at = 0; at + 2 <= bytes.length; at += 2 + bytes[at + 1]!) {
    // Out of the packet's buffer: a table is kept for long.
    descriptors.push({ tag: bytes[at]!, data: Uint8Array.from(bytes.subarray(at + 2, at + 2 + bytes[at + 1]!)) });
  }
  return descriptors;
}

function isCurrent(section: Uint8Array, table: number, headBytes: number): boolean {
  return section.length >= headBytes + CHECKSUM_BYTES && section[0] === table && (section[5]! & 1) === 1;
}

function uint16(bytes: Uint8Array, at: number): number {
  return bytes[at]! * 256 + bytes[at + 1]!;
}
