import { findSequenceHeader, readTemporalUnit } from "@leat/sdk/protocol/bitstream/av1.ts";
import { bareObu } from "@leat/sdk/protocol/bitstream/obu.ts";
import type { VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { MAX_PACKET_BYTES } from "../webrtc/limits.ts";
import { RTP_HEAD_BYTES } from "../webrtc/rtp.ts";
import type { Packetize } from "./packetizers.ts";

const MARKS_BYTES = 1;
const MAX_UNITS_BYTES = MAX_PACKET_BYTES - RTP_HEAD_BYTES - MARKS_BYTES;
/** Marks before the units of a packet. No number of units is told: each has its size. */
const CONTINUES_UNIT = 0x80;
const UNIT_CONTINUES = 0x40;
const BEGINS_SEQUENCE = 0x08;
/** A packet holds less than 16 KiB. */
const SIZE_BYTES = 2;

/** What one packet holds. */
interface Filling {
  readonly pieces: Uint8Array[];
  readonly continues: boolean;
  goesOn: boolean;
  bytes: number;
}

/**
 * The RTP format of AV1. A sequence header goes before every key frame: a viewer may begin there. Browsers take a packet
 * whose last unit is whole for the end of a picture, so every packet but a picture's last ends within a unit.
 */
export function createAv1Packetizer({ description }: Pick<VideoConfig, "description">): Packetize {
  const header = findSequenceHeader(description);
  return ({ data, key }) => {
    const { units, sequenceHeader } = readTemporalUnit(data, false);
    const lacking = key && sequenceHeader === undefined && header !== undefined ? [header] : [];
    return fill([...lacking, ...units].map(bareObu)).map((filling, index) => write(filling, key && index === 0));
  };
}

function fill(units: readonly Uint8Array[]): Filling[] {
  const total = units.reduce((sum, { length }) => sum + SIZE_BYTES + length, 0);
  const count = Math.max(1, Math.ceil(total / (MAX_UNITS_BYTES - SIZE_BYTES)));
  // Packets of nearly the same size; what is cut needs a size for each piece.
  const room = Math.min(MAX_UNITS_BYTES, Math.ceil(total / count) + SIZE_BYTES + 2);
  const packets: Filling[] = [];
  let packet: Filling | undefined;
  for (const [index, unit] of units.entries()) {
    const isLast = index === units.length - 1;
    for (let at = 0; at < unit.length; ) {
      if (packet === undefined) {
        packet = { pieces: [], continues: at > 0, goesOn: false, bytes: 0 };
        packets.push(packet);
      }
      const size: number = pieceSize(room - packet.bytes - SIZE_BYTES, unit.length - at, isLast);
      packet.pieces.push(unit.subarray(at, at + size));
      packet.bytes += SIZE_BYTES + size;
      at += size;
      packet.goesOn = at < unit.length;
      // Whatever is next finds room for a byte at least.
      if (packet.goesOn || packet.bytes + SIZE_BYTES >= room) packet = undefined;
    }
  }
  return packets;
}

/** Of a unit that would end with its packet, and is not the last, a byte goes on. */
function pieceSize(space: number, left: number, isLast: boolean): number {
  if (left > space) return space;
  const fillsUp = space - left <= SIZE_BYTES;
  return fillsUp && !isLast && left > 1 ? left - 1 : left;
}

function write({ pieces, continues, goesOn, bytes }: Filling, beginsSequence: boolean): Uint8Array {
  const packet = new Uint8Array(RTP_HEAD_BYTES + MARKS_BYTES + bytes);
  packet[RTP_HEAD_BYTES] =
    (continues ? CONTINUES_UNIT : 0) | (goesOn ? UNIT_CONTINUES : 0) | (beginsSequence ? BEGINS_SEQUENCE : 0);
  let offset = RTP_HEAD_BYTES + MARKS_BYTES;
  for (const piece of pieces) {
    packet[offset] = (piece.length & 0x7f) | 0x80;
    packet[offset + 1] = piece.length >> 7;
    packet.set(piece, offset + SIZE_BYTES);
    offset += SIZE_BYTES + piece.length;
  }
  return packet;
}
