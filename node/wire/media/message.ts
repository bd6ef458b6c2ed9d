import type { Cue } from "@leat/sdk/protocol/cue.ts";
import type { Boundary, Frame, SourceVideoConfig, TrackConfig } from "@leat/sdk/protocol/frame.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { PricedPull } from "@leat/sdk/protocol/job.ts";
import type { PartLeaf } from "@leat/sdk/protocol/merkle.ts";
import type { Assignment, Quote, Receipt } from "@leat/sdk/protocol/signed.ts";
import type { Signed } from "@leat/sdk/protocol/statements.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";

export const MEDIA_PROTOCOL = "/leat/media/1.0.0";

/** What two nodes say on one media stream. The dialer subscribes first; then both may send. */
export type MediaMessage =
  | SubscribeMessage
  | { readonly type: "accepted" }
  /** A public code: why the holder does not serve. */
  | { readonly type: "refused"; readonly code: string }
  | DescriptionMessage
  | ConfigMessage
  | BoundaryMessage
  | FrameMessage
  | PartMarkMessage
  /** The frames since the newest mark of the segment are void: others come in their place, the first a key frame. */
  | { readonly type: "partRestart"; readonly rung: number; readonly sequence: number }
  | SegmentStartMessage
  | SegmentEndMessage
  | ProgressMessage
  /** Transcoder to origin: one for all rungs of the job, per segment. */
  | { readonly type: "receipt"; readonly receipt: Signed<Receipt>; readonly leaves: readonly PartLeaf[] }
  | WishMessage
  /** Origin to transcoder: what the check of a segment gave. */
  | { readonly type: "verdict"; readonly sequence: number; readonly ok: boolean; readonly code?: string }
  /** Holder to edge: it is there and has nothing else to say. */
  | { readonly type: "alive" }
  /** The stream is over. */
  | { readonly type: "end"; readonly code: string };

export type MediaMessageType = MediaMessage["type"];

export interface SubscribeMessage {
  readonly type: "subscribe";
  readonly assignment: Signed<Assignment>;
  /** That the assignment names by its hash. */
  readonly quote: Quote;
  /** That the quote names by its hash: which stream is asked for, and what for. */
  readonly spec: PricedPull;
  readonly fromSequence: number;
  /** Of an edge that asks another one: whose signature it wants under the parts. */
  readonly origin?: Hex;
}

/** Edge to its holder, whenever that changes: what its viewers need, and those of edges that it feeds. */
export interface WishMessage {
  readonly type: "wish";
  /** Rungs with viewers, of those that are not made without one. */
  readonly rungs: readonly number[];
  /** Some see each picture as it comes, or wait for the next part: a moment's delay at the origin is one for them. */
  readonly hurry: boolean;
}

export type Wish = Omit<WishMessage, "type">;

export interface DescriptionMessage {
  readonly type: "description";
  readonly renditions: readonly RenditionInfo[];
  readonly partTargetMs: number;
  readonly targetDurationS: number;
  readonly ended: boolean;
}

/** Of a source's own pictures, to transcoders, it may be in a codec that no rung has. */
export interface ConfigMessage {
  readonly type: "config";
  readonly rung: number;
  readonly version: number;
  readonly config: TrackConfig | SourceVideoConfig;
}

export interface BoundaryMessage {
  readonly type: "boundary";
  readonly boundary: Boundary;
  readonly wallClockMs: number;
  /** The number of the first part to make, where what stands before the boundary is published already. */
  readonly firstPart?: number;
}

export interface FrameMessage {
  readonly type: "frame";
  readonly rung: number;
  /** The segment that the frame belongs to. */
  readonly sequence: number;
  readonly frame: Frame;
}

/**
 * The origin's running hash after one part, signed: an edge that alters a byte is found within a part. Edges hand it on
 * as it came.
 */
export interface PartMarkMessage {
  readonly type: "partMark";
  readonly rung: number;
  readonly sequence: number;
  readonly part: number;
  /** 32 bytes. */
  readonly runningHash: Uint8Array;
  /** 65 bytes over a PartHash. */
  readonly signature: Uint8Array;
}

export interface SegmentStartMessage {
  readonly type: "segmentStart";
  readonly rung: number;
  readonly sequence: number;
  readonly epoch: number;
  readonly configVersion: number;
  /** Index of the segment's first frame since the stream began. */
  readonly firstFrame: number;
  readonly discontinuity: boolean;
  readonly wallClockMs: number;
  /** To an edge: the newest cues, repeated with every segment for edges that come late. */
  readonly cues?: readonly Cue[];
}

export interface SegmentEndMessage {
  readonly type: "segmentEnd";
  readonly rung: number;
  readonly sequence: number;
  readonly frames: number;
  readonly durationTicks: number;
  /**
   * To an edge: 65 bytes over a PartHash, that so many parts are all of the segment. Its `part` is their number, its
   * running hash goes over 32 zero bytes in the place of a part's hash. Edges hand it on as it came.
   */
  readonly signature?: Uint8Array;
}

/**
 * How far the stream is at its origin, signed: whoever is behind, or keeps some of it back, has no new one that fits what
 * it sent. Edges hand it on as it came, once they have what it names.
 */
export interface ProgressMessage {
  readonly type: "progress";
  /** Milliseconds on a count of the origin's own, which only goes up. */
  readonly atMs: number;
  readonly rung: number;
  /** The newest segment of any rung. */
  readonly sequence: number;
  /** How many parts of it are published; 0 while nothing is. */
  readonly parts: number;
  /** 65 bytes over a Progress. */
  readonly signature: Uint8Array;
}

/** One media stream with one peer, framed, bounded and with backpressure. */
export interface MediaConnection {
  /** The peer's address, proven by its key. */
  readonly remoteAddress: Hex;
  /**
   * What arrives, in order. Ends after the peer's `close` or ours; throws when the stream breaks. Leaving a loop over it
   * changes nothing: a second loop goes on where the first stopped. While nobody reads, the peer is made to wait.
   */
  readonly messages: AsyncIterable<MediaMessage>;
  /** Resolves when it is over: undefined after goodbyes, else why. Never rejects. */
  readonly ended: Promise<Error | undefined>;
  /** Resolves when there is room for another message: whoever waits for it keeps memory bounded. Keeps the order of calls. */
  send(message: MediaMessage): Promise<void>;
  /** Goodbye for both directions: what was sent arrives, what still comes is dropped. Waits for the peer's goodbye, bounded. */
  close(): Promise<void>;
  /** Ends both directions at once; the peer's iteration throws. */
  abort(error: Error): void;
}

export interface OpenMediaOptions {
  readonly signal?: AbortSignal;
}

export interface MediaHost {
  /** A stream to exactly `peer`. Throws WireError: WIRE_DIAL_FAILED, WIRE_ADDRESS_MISSING, WIRE_PEER_WRONG. */
  openMedia(multiaddrs: readonly string[], peer: Hex, options?: OpenMediaOptions): Promise<MediaConnection>;
  /** Hears of every stream that a peer opens. One handler per host, before it starts. */
  onMedia(handler: (connection: MediaConnection) => void): void;
}
