import type { SourceVideoConfig } from "@leat/sdk/protocol/frame.ts";
import type { RtpPacket } from "../webrtc/rtp.ts";

/** One picture out of its packets. */
export interface DepacketizedPicture {
  readonly timestamp: number;
  readonly key: boolean;
  readonly data: Uint8Array;
  /** Where it brings a new one. */
  readonly config: SourceVideoConfig | undefined;
}

/**
 * Makes pictures out of packets that come in order. After a loss nothing comes out before the next key frame: what
 * refers to a picture that is not there shows rubbish.
 */
export interface VideoDepacketizer {
  /** Pictures that are complete with this packet. @throws BitstreamError, WhipError */
  push(packet: RtpPacket): DepacketizedPicture[];
  /** Packets before the next one are lost. */
  lose(): void;
  /** Nothing comes out before a key frame. */
  readonly needsKey: boolean;
  /** Packets that could not be read. */
  readonly malformed: number;
}
