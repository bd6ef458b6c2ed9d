import { parseRtp, RTP_HEAD_BYTES, type RtpPacket, writeRtpHead } from "../../node/media-io/webrtc/rtp.ts";
import { createPacketizer } from "../../node/media-io/whep/packetizers.ts";
import type { CodedTrack } from "./coded-track.ts";

export interface PacketStart {
  readonly payloadType?: number;
  readonly ssrc?: number;
  readonly sequence?: number;
  readonly timestamp?: number;
}

/** A track's frames as packets of RTP. Sequence numbers and times wrap as they do on the wire. */
export function packetsOf({ config, frames }: CodedTrack, start: PacketStart = {}): Uint8Array[][] {
  const { payloadType = 96, ssrc = 7, sequence = 0, timestamp = 0 } = start;
  const packetize = createPacketizer(config)!;
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
