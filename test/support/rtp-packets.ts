import { parseRtp, type RtpPacket, writeRtpHead } from "../../node/media-io/webrtc/rtp.ts";
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

export function parsed(packets: readonly Uint8Array[]): RtpPacket[] {
  return packets.map((packet) => parseRtp(packet)!);
}
