import { crc32 } from "../../transcoder/mpegts/sections.ts";

/** The samples of SCTE 35 itself, in chapter 14. */
export const standardInsert = Buffer.from(
  "/DAvAAAAAAAA///wFAVIAACPf+/+c2nALv4AUsz1AAAAAAAKAAhDVUVJAAABNWLbowo=",
  "base64",
);
export const standardSignal = Buffer.from(
  "/DA0AAAAAAAA///wBQb+cr0AUAAeAhxDVUVJSAAAjn/PAAGlmbAICAAAAAAsoKGKNAIAmsnRfg==",
  "base64",
);

export interface SpliceFacts {
  readonly eventId: number;
  readonly isOut: boolean;
  /** 90 kHz; without: at once. */
  readonly ticks?: number;
  readonly durationTicks?: number;
  readonly adjustment?: number;
}

/** A splice_insert of a whole programme. */
export function writeSplice({ eventId, isOut, ticks, durationTicks, adjustment = 0 }: SpliceFacts): Uint8Array {
  const now = ticks === undefined ? 0x10 : 0;
  const duration = durationTicks === undefined ? 0 : 0x20;
  const command = [
    ...uint32(eventId),
    0x7f,
    (isOut ? 0x80 : 0) | 0x40 | duration | now | 0x0f,
    ...(ticks === undefined ? [] : time(0xfe, ticks)),
    ...(durationTicks === undefined ? [] : time(0xfe, durationTicks)),
    ...[0, 1, 0, 0],
  ];
  return writeSection(5, command, { adjustment });
}

export interface SegmentFacts {
  readonly number: number;
  readonly type: number;
  readonly durationTicks?: number;
  readonly isCancelled?: boolean;
  /** Tags of the components that it is of; absent: of the whole programme. */
  readonly components?: readonly number[];
}

/** A time_signal, with a descriptor for each segment that begins or ends then. */
export function writeSignal(ticks: number, segments: readonly SegmentFacts[] = []): Uint8Array {
  return writeSection(6, time(0xfe, ticks), { descriptors: segments.flatMap(writeSegment) });
}

function writeSegment({ number, type, durationTicks, isCancelled, components }: SegmentFacts): number[] {
  const flags = (components === undefined ? 0x80 : 0) | (durationTicks === undefined ? 0 : 0x40) | 0x3f;
  const facts = [
    flags,
    ...(components === undefined ? [] : [components.length, ...components.flatMap((tag) => [tag, ...time(0xfe, 0)])]),
    ...(durationTicks === undefined ? [] : time(0, durationTicks)),
    ...[0x08, 2, 0xaa, 0xbb],
    ...[type, 1, 1],
  ];
  const body = [...Buffer.from("CUEI"), ...uint32(number), isCancelled ? 0xff : 0x7f, ...(isCancelled ? [] : facts)];
  return [2, body.length, ...body];
}

/** A splice_insert that takes the break of this number back. */
export function cancelSplice(eventId: number): Uint8Array {
  return writeSection(5, [...uint32(eventId), 0xff]);
}

function writeSection(
  type: number,
  command: readonly number[],
  { adjustment = 0, descriptors = [] }: { adjustment?: number; descriptors?: readonly number[] } = {},
): Uint8Array {
  const body = [
    0,
    ...time(0, adjustment),
    0xff,
    0xff,
    0xf0 | (command.length >> 8),
    command.length,
    type,
    ...command,
    descriptors.length >> 8,
    descriptors.length & 0xff,
    ...descriptors,
  ];
  const size = body.length + 4;
  const section = Uint8Array.of(0xfc, 0x30 | (size >> 8), size & 0xff, ...body);
  return Uint8Array.of(...section, ...uint32(crc32(section)));
}

/** One flag byte whose lowest bit is the highest of 33. */
function time(flags: number, ticks: number): number[] {
  return [flags | (ticks >= 2 ** 32 ? 1 : 0), ...uint32(ticks % 2 ** 32)];
}

function uint32(value: number): number[] {
  return [value / 2 ** 24, value / 2 ** 16, value / 2 ** 8, value].map((part) => Math.floor(part) & 0xff);
}

const PACKET = 188;
export const PMT_PID = 0x1000;
export const CUE_PID = 0x1f0;

/** A stream of the ffmpeg program whose table names splice commands too, with these before the packets at these places. */
export function withSplices(bytes: Uint8Array, splices: readonly { at: number; section: Uint8Array }[]): Uint8Array {
  const pieces: Uint8Array[] = [];
  let counter = 0;
  for (let at = 0; at < bytes.length; at += PACKET) {
    for (const { section } of splices.filter((splice) => splice.at === at)) {
      pieces.push(writePacket(CUE_PID, counter++, section));
    }
    const packet = bytes.subarray(at, at + PACKET);
    const pid = ((packet[1]! & 0x1f) << 8) | packet[2]!;
    pieces.push(pid === PMT_PID ? nameStream(packet, 0x86, CUE_PID) : packet);
  }
  return Buffer.concat(pieces);
}

/** A packet with the ffmpeg program's table, which names a stream of this type too. */
export function nameStream(packet: Uint8Array, type: number, pid: number): Uint8Array {
  const size = 3 + (((packet[6]! & 0x0f) << 8) | packet[7]!);
  const streams = packet.subarray(5, 5 + size - 4);
  const table = Uint8Array.of(...streams, type, 0xe0 | (pid >> 8), pid & 0xff, 0xf0, 0);
  table[2] = table.length + 1;
  return writePacket(PMT_PID, packet[3]! & 0x0f, Uint8Array.of(...table, ...uint32(crc32(table))));
}

/** One section in one packet. */
function writePacket(pid: number, counter: number, section: Uint8Array): Uint8Array {
  const packet = new Uint8Array(PACKET).fill(0xff);
  packet.set([0x47, 0x40 | (pid >> 8), pid & 0xff, 0x10 | (counter & 0x0f), 0]);
  packet.set(section, 5);
  return packet;
}
