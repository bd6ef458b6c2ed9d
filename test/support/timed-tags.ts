import { nameStream, PMT_PID } from "./splices.ts";

const PACKET = 188;
export const TAG_PID = 0x1f1;

/** An ID3 tag with one frame of text. */
export function writeTag(text: string): Uint8Array {
  const body = Buffer.from(`\u0003text\0${text}`);
  const size = body.length + 10;
  const frame = Buffer.concat([Buffer.from("TXXX"), sizeOf(body.length), Buffer.alloc(2), body]);
  return Uint8Array.from(Buffer.concat([Buffer.from("ID3\u0004\0\0"), sizeOf(size), frame]));
}

const sizeOf = (length: number) => Buffer.from([length >> 21, (length >> 14) & 127, (length >> 7) & 127, length & 127]);

export interface TagPlace {
  /** The packet before which it stands. */
  readonly at: number;
  /** 90 kHz; absent: without a time. */
  readonly ticks?: number;
  readonly payload: Uint8Array;
}

/** A stream of the ffmpeg program whose table names timed metadata too, with these in PES packets. */
export function withTags(bytes: Uint8Array, tags: readonly TagPlace[]): Uint8Array {
  const pieces: Uint8Array[] = [];
  let counter = 0;
  for (let at = 0; at < bytes.length; at += PACKET) {
    for (const { ticks, payload } of tags.filter((tag) => tag.at === at)) {
      const pes = writePes(ticks, payload);
      for (let from = 0; from < pes.length; from += PACKET - 8) {
        pieces.push(writePacket(counter++, from === 0, pes.subarray(from, from + PACKET - 8)));
      }
    }
    const packet = bytes.subarray(at, at + PACKET);
    const pid = ((packet[1]! & 0x1f) << 8) | packet[2]!;
    pieces.push(pid === PMT_PID ? nameStream(packet, 0x15, TAG_PID) : packet);
  }
  return Buffer.concat(pieces);
}

function writePes(ticks: number | undefined, payload: Uint8Array): Uint8Array {
  const time = ticks === undefined ? [] : timeOf(ticks);
  const length = 3 + time.length + payload.length;
  const head = [0, 0, 1, 0xbd, length >> 8, length & 0xff, 0x84, ticks === undefined ? 0 : 0x80, time.length];
  return Buffer.concat([Uint8Array.of(...head, ...time), payload]);
}

function timeOf(ticks: number): number[] {
  const part = (divisor: number) => Math.floor(ticks / divisor);
  return [
    0x21 | ((part(2 ** 30) & 7) << 1),
    part(2 ** 22) & 0xff,
    ((part(2 ** 15) & 0x7f) << 1) | 1,
    part(2 ** 7) & 0xff,
    ((ticks & 0x7f) << 1) | 1,
  ];
}

/** Filled up by an adaptation field. */
function writePacket(counter: number, starts: boolean, payload: Uint8Array): Uint8Array {
  const packet = new Uint8Array(PACKET).fill(0xff);
  packet.set([0x47, (starts ? 0x40 : 0) | (TAG_PID >> 8), TAG_PID & 0xff, 0x30 | (counter & 0x0f)]);
  packet[4] = PACKET - 5 - payload.length;
  packet[5] = 0;
  packet.set(payload, PACKET - payload.length);
  return packet;
}
