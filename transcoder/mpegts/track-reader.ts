import type { PublishItem } from "@leat/sdk/protocol/published.ts";
import type { PesPacket } from "./pes.ts";

/** One elementary stream becomes samples. Times that it gives are unwrapped by whoever made it. */
export interface TrackReader {
  /** What could not be read, or came while a key frame was waited for. */
  readonly leftOut: number;
  /** @throws BitstreamError for a stream that cannot be described at all, MpegTsError for one beyond our bounds */
  push(packet: PesPacket): PublishItem[];
  /** Something is missing before the next packet. */
  lose(): void;
}

/** Ticks of 90 kHz without wraps, out of such that wrap. */
export type Unwrap = (ticks: number) => number;
