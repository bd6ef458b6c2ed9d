import { concatBytes, uint32 } from "@leat/sdk/base/bytes.ts";
import { crc32 } from "./sections.ts";

export interface WrittenStream {
  readonly type: number;
  readonly pid: number;
  /** Whole, each with tag and length. */
  readonly descriptors: Uint8Array;
}

const PAT = 0;
const PMT = 2;
/** Of the one program that we write, and of the stream around it. */
const PROGRAM = 1;
const TRANSPORT_STREAM = 1;
const CHECKSUM_BYTES = 4;

/** The payload of a packet: that the one program's table is at this PID. */
export function writePat(programPid: number): Uint8Array {
  return section(PAT, TRANSPORT_STREAM, 0, Uint8Array.of(0, PROGRAM, ...writePid(programPid)));
}

/** The payload of a packet: what the program holds. `version` of 5 bits rises with each change. */
export function writePmt(version: number, clockPid: number, streams: readonly WrittenStream[]): Uint8Array {
  const entries = streams.flatMap(({ type, pid, descriptors }) => [
    Uint8Array.of(type, ...writePid(pid), 0xf0 | (descriptors.length >> 8), descriptors.length & 0xff),
    descriptors,
  ]);
  return section(PMT, PROGRAM, version, concatBytes([Uint8Array.of(...writePid(clockPid), 0xf0, 0), ...entries]));
}

function writePid(pid: number): [number, number] {
  return [0xe0 | (pid >> 8), pid & 0xff];
}

/** Begins with the pointer that says that the section follows at once. */
function section(table: number, id: number, version: number, body: Uint8Array): Uint8Array {
  const size = 5 + body.length + CHECKSUM_BYTES;
  const head = Uint8Array.of(table, 0xb0 | (size >> 8), size & 0xff, id >> 8, id & 0xff, 0xc1 | (version << 1), 0, 0);
  const bytes = concatBytes([head, body]);
  return concatBytes([Uint8Array.of(0), bytes, uint32(crc32(bytes))]);
}
