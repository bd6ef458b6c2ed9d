import { parseRtp, RTP_HEAD_BYTES, type RtpPacket, writeRtpHead } from "../../node/media-io/webrtc/rtp.ts";
import { createPacketizer } from "../../node/media-io/whep/packetizers.ts";
import { type Frame, isTrackConfig, type SourceVideoConfig } from "../../sdk/protocol/frame.ts";

export interface SourceTrack {
  readonly config: SourceVideoConfig;
  readonly frames: readonly Frame[];
}

export interface PacketStart {
  readonly payloadType?: number;
  readonly ssrc?: number;
  readonly sequence?: number;
  readonly timestamp?: number;
}

/** What fits beside the heads of an internet packet. */
const MAX_PAYLOAD = 1_100;
/** The beginning of the first partition. */
const BEGINS = 0x10;

/** VP8 with the least that RFC 7741 asks for. Room for the head of RTP stands before each. */
function packetizeVp8({ data }: Frame): Uint8Array[] {
  const packets: Uint8Array[] = [];
  for (let at = 0; at < data.length; at += MAX_PAYLOAD) {
    const piece = data.subarray(at, at + MAX_PAYLOAD);
    const packet = new Uint8Array(RTP_HEAD_BYTES + 1 + piece.length);
    packet[RTP_HEAD_BYTES] = at === 0 ? BEGINS : 0;
    packet.set(piece, RTP_HEAD_BYTES + 1);
    packets.push(packet);
  }
  return packets;
}

/** A track's frames as packets of RTP. Sequence numbers and times wrap as they do on the wire. */
export function packetsOf({ config, frames }: SourceTrack, start: PacketStart = {}): Uint8Array[][] {
  const { payloadType = 96, ssrc = 7, sequence = 0, timestamp = 0 } = start;
  const packetize = isTrackConfig(config) ? createPacketizer(config)! : packetizeVp8;
  let next = sequence;
  return frames.map((frame) => {
    const packets = packetize(frame);
    return packets.map((packet, index) => {
      const marker = index === packets.length - 1;
      const number = next;
      next += 1;
      return writeRtpHead(packet, { payloadType, marker, sequence: number, timestamp: timestamp + frame.pts, ssrc });
    });
  });
}

/** A packet without media, as senders use them to find out what a connection takes. */
export function paddingAlone(sequence: number, timestamp: number, { payloadType = 96, ssrc = 7 }: PacketStart = {}) {
  const packet = writeRtpHead(new Uint8Array(RTP_HEAD_BYTES + 255), {
    ...{ payloadType, ssrc, sequence, timestamp },
    marker: false,
  });
  packet[0]! |= 0x20;
  packet[packet.length - 1] = 255;
  return packet;
}

export function parsed(packets: readonly Uint8Array[]): RtpPacket[] {
  return packets.map((packet) => parseRtp(packet)!);
}
