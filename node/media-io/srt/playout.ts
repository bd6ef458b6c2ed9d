import type { ViewerAccess } from "../access/viewer-access.ts";
import type { PlayedStream, PlayedStreams, StreamAudience } from "../playout/stream.ts";

/** What a node plays by SRT, and to whom. */
export interface SrtPlayout {
  readonly streams: PlayedStreams;
  readonly access: ViewerAccess;
  readonly audienceOf: (stream: PlayedStream) => StreamAudience;
  /** Viewers pay for it, which they cannot here. */
  readonly isPaid: (stream: PlayedStream) => boolean;
}
