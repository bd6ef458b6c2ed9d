import { parseAvcConfiguration } from "@leat/sdk/protocol/bitstream/h264.ts";
import { splitNals } from "@leat/sdk/protocol/bitstream/nal.ts";
import type { VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { MAX_PACKET_BYTES } from "../webrtc/limits.ts";
import { RTP_HEAD_BYTES } from "../webrtc/rtp.ts";
import { createAv1Packetizer } from "./av1-packetizer.ts";

const MAX_PAYLOAD = MAX_PACKET_BYTES - RTP_HEAD_BYTES;
const STAP_A = 24;
const FU_A = 28;
const DELIMITER = 9;
const FILLER = 12;

/** Cuts a frame into the payloads of packets, each with room for its head before it: all viewers share them. */
export type Packetize = (frame: { readonly data: Uint8Array; readonly key: boolean }) => Uint8Array[];

export function createPacketizer(config: VideoConfig): Packetize | undefined {
  if (config.codec === "h264") return createH264Packetizer(config);
  if (config.codec === "av1") return createAv1Packetizer(config);
  return config.codec === "vp9" ? ({ data, key }) => packetizeVp9(data, key) : undefined;
}

/** RFC 6184, mode 1. The parameter sets go before every key frame: a viewer may begin there. */
function createH264Packetizer({ description }: VideoConfig): Packetize {
  const { sps, pps } = parseAvcConfiguration(description);
  const sets = [...sps, ...pps];
  return ({ data, key }) => {
    const units = splitNals(data).filter((unit) => ![DELIMITER, FILLER].includes(unit[0]! & 0x1f));
    return [...(key ? packSets(sets) : []), ...units.flatMap(packUnit)];
  };
}

function packSets(sets: readonly Uint8Array[]): Uint8Array[] {
  const sizeBytes = 1 + sets.reduce((sum, set) => sum + 2 + set.length, 0);
  if (sizeBytes > MAX_PAYLOAD) return sets.flatMap(packUnit);
  const packet = newPacket(sizeBytes);
  // As important as the most important of them.
  packet[RTP_HEAD_BYTES] = Math.max(...sets.map((set) => set[0]! & 0x60)) | STAP_A;
  let offset = RTP_HEAD_BYTES + 1;
  for (const set of sets) {
    packet[offset] = set.length >> 8;
    packet[offset + 1] = set.length & 0xff;
    packet.set(set, offset + 2);
    offset += 2 + set.length;
  }
  return [packet];
}

function packUnit(unit: Uint8Array): Uint8Array[] {
  if (unit.length <= MAX_PAYLOAD) {
    const packet = newPacket(unit.length);
    packet.set(unit, RTP_HEAD_BYTES);
    return [packet];
  }
  const indicator = (unit[0]! & 0xe0) | FU_A;
  const type = unit[0]! & 0x1f;
  return cut(unit.subarray(1), MAX_PAYLOAD - 2).map((piece, index, all) => {
    const packet = newPacket(2 + piece.length);
    packet[RTP_HEAD_BYTES] = indicator;
    packet[RTP_HEAD_BYTES + 1] = type | (index === 0 ? 0x80 : 0) | (index === all.length - 1 ? 0x40 : 0);
    packet.set(piece, RTP_HEAD_BYTES + 2);
    return packet;
  });
}

/** RFC 9628, of one layer, without picture numbers: the order of packets says all that a viewer must know. */
function packetizeVp9(data: Uint8Array, key: boolean): Uint8Array[] {
  return cut(data, MAX_PAYLOAD - 1).map((piece, index, all) => {
    const packet = newPacket(1 + piece.length);
    packet[RTP_HEAD_BYTES] = (key ? 0 : 0x40) | (index === 0 ? 0x08 : 0) | (index === all.length - 1 ? 0x04 : 0);
    packet.set(piece, RTP_HEAD_BYTES + 1);
    return packet;
  });
}

export function packetizeSound(data: Uint8Array): Uint8Array {
  const packet = newPacket(data.length);
  packet.set(data, RTP_HEAD_BYTES);
  return packet;
}

/** Pieces of nearly the same size: a last one of a few bytes would cost a packet of its own. */
function cut(bytes: Uint8Array, most: number): Uint8Array[] {
  const count = Math.ceil(bytes.length / most);
  const size = Math.ceil(bytes.length / count);
  return Array.from({ length: count }, (_, index) => bytes.subarray(index * size, (index + 1) * size));
}

function newPacket(payloadBytes: number): Uint8Array {
  return new Uint8Array(RTP_HEAD_BYTES + payloadBytes);
}
