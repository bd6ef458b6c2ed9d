import type { AmfValue } from "@leat/transcoder/rtmp/amf0.ts";

/** Enhanced RTMP: what a tag says before its media, and what we say of it when a publisher connects. */

/** What one message holds of the track that we take. */
export interface EnhancedPacket {
  readonly fourCc: string;
  readonly type: number;
  /** Added to the message's own time. */
  readonly nanos: number;
  readonly data: Uint8Array;
}

export interface EnhancedMessage {
  readonly packet: EnhancedPacket | undefined;
  /** Another track that was in it. */
  readonly ignoredTrack: number | undefined;
}

export const videoPackets = {
  sequenceStart: 0,
  codedFrames: 1,
  sequenceEnd: 2,
  /** Without a composition time. */
  codedFramesX: 3,
  metadata: 4,
  mpeg2TsSequenceStart: 5,
  multitrack: 6,
} as const;

export const audioPackets = {
  sequenceStart: 0,
  codedFrames: 1,
  sequenceEnd: 2,
  multichannelConfig: 4,
  multitrack: 5,
} as const;

/** Modifiers of what follows, for both kinds. */
const MODIFIER = 7;
const NANOSECOND_OFFSET = 0;
/** An offset above a millisecond would say what the message's own time says. */
const MAX_NANOS = 999_999;
const COMMAND_FRAME = 5;
/** One is defined so far. */
const MAX_MODIFIERS = 16;
/** Tracks are numbered in a byte. */
const MAX_TRACKS = 256;
const ONE_TRACK = 0;
const MANY_CODECS = 2;
/** The one that publishers without multitrack send. */
const OUR_TRACK = 0;

const CAN_DECODE = 1;
const MODIFIERS_AND_NANOS = 0x04 | 0x08;
const videoFourCcs = ["avc1", "hvc1", "vp09", "av01"];
const audioFourCcs = ["mp4a", "Opus"];
const infoMap = (fourCcs: readonly string[]) =>
  new Map(fourCcs.map((fourCc): [string, AmfValue] => [fourCc, CAN_DECODE]));

/** Properties of the answer to `connect`: by them a publisher knows what it may send. */
export const enhancements: readonly (readonly [string, AmfValue])[] = [
  ["fourCcList", [...videoFourCcs, ...audioFourCcs]],
  ["videoFourCcInfoMap", infoMap(videoFourCcs)],
  ["audioFourCcInfoMap", infoMap(audioFourCcs)],
  ["capsEx", MODIFIERS_AND_NANOS],
];

/** Undefined for a message that is cut short or contradicts itself. */
export function readEnhanced(kind: "video" | "audio", body: Uint8Array): EnhancedMessage | undefined {
  const cursor = new Cursor(body);
  const head = cursor.uint(1);
  const { multitrack } = kind === "video" ? videoPackets : audioPackets;
  let type = head & 0x0f;
  let nanos = 0;
  for (let modifiers = 0; type === MODIFIER; modifiers += 1) {
    let size = cursor.uint(1) + 1;
    if (size === 256) size = cursor.uint(2) + 1;
    const data = new Cursor(cursor.take(size));
    const next = cursor.uint(1);
    if (next >> 4 === NANOSECOND_OFFSET && size >= 3) nanos = Math.min(data.uint(3), MAX_NANOS);
    type = next & 0x0f;
    if (cursor.isShort || modifiers === MAX_MODIFIERS) return undefined;
  }
  const isCommand = kind === "video" && ((head >> 4) & 7) === COMMAND_FRAME && type !== videoPackets.metadata;
  if (isCommand) return { packet: undefined, ignoredTrack: undefined };
  if (type === multitrack) return readTracks(cursor, multitrack, nanos);
  const fourCc = cursor.fourCc();
  return cursor.isShort ? undefined : { packet: { fourCc, type, nanos, data: cursor.rest() }, ignoredTrack: undefined };
}

function readTracks(cursor: Cursor, multitrack: number, nanos: number): EnhancedMessage | undefined {
  const head = cursor.uint(1);
  const [layout, type] = [head >> 4, head & 0x0f];
  if (layout > MANY_CODECS || type === multitrack || type === MODIFIER) return undefined;
  let fourCc = layout === MANY_CODECS ? "" : cursor.fourCc();
  let packet: EnhancedPacket | undefined;
  let ignoredTrack: number | undefined;
  let tracks = 0;
  do {
    if (layout === MANY_CODECS) fourCc = cursor.fourCc();
    const track = cursor.uint(1);
    const data = layout === ONE_TRACK ? cursor.rest() : cursor.take(cursor.uint(3));
    tracks += 1;
    if (cursor.isShort || tracks > MAX_TRACKS) return undefined;
    if (track === OUR_TRACK) packet ??= { fourCc, type, nanos, data };
    else ignoredTrack ??= track;
  } while (!cursor.isEnded);
  return { packet, ignoredTrack };
}

/** Reads on; what is missing is nothing, and `isShort` from then on. */
class Cursor {
  readonly #bytes: Uint8Array;
  #offset = 0;
  isShort = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isEnded(): boolean {
    return this.#offset >= this.#bytes.length;
  }

  uint(size: number): number {
    return this.take(size).reduce((value, byte) => value * 256 + byte, 0);
  }

  fourCc(): string {
    return printable(this.take(4));
  }

  take(size: number): Uint8Array {
    const from = this.#offset;
    if (from + size > this.#bytes.length) {
      this.isShort = true;
      this.#offset = this.#bytes.length;
      return new Uint8Array(0);
    }
    this.#offset += size;
    return this.#bytes.subarray(from, from + size);
  }

  rest(): Uint8Array {
    return this.take(this.#bytes.length - this.#offset);
  }
}

/** Four letters as they may stand in a log. */
function printable(bytes: Uint8Array): string {
  return [...bytes].map((byte) => (byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "?")).join("");
}
