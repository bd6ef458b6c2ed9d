import { BitstreamError } from "./bit-reader.ts";

export interface OpusFacts {
  readonly channels: number;
  /** The body of the dOps box. */
  readonly description: Uint8Array;
}

/** Opus counts at 48 kHz, whatever went into the encoder. */
export const OPUS_SAMPLE_RATE = 48_000;

const MAGIC = "OpusHead";
const FIXED_BYTES = 19;
/** Stereo at most, then Vorbis's order of up to eight channels. Others name no places in a room. */
const channelLimits: readonly number[] = [2, 8];
/** Samples of a frame, by the low bits of each mode's configuration. */
const silkFrames = [480, 960, 1_920, 2_880];
const hybridFrames = [480, 960];
const celtFrames = [120, 240, 480, 960];
/** A packet holds at most 120 ms. */
const LONGEST_PACKET = 5_760;

/** The identification header of RFC 7845: the fields of dOps in the other byte order, behind a magic word. */
export function parseOpusHead(head: Uint8Array): OpusFacts {
  if (head.length < FIXED_BYTES) throw new BitstreamError({ code: "BITSTREAM_TRUNCATED" });
  const magic = String.fromCharCode(...head.subarray(0, MAGIC.length));
  // Versions below 16 are read alike.
  if (magic !== MAGIC || head[8]! > 15) {
    throw new BitstreamError({ code: "BITSTREAM_INVALID", what: "opus head", found: head[8] });
  }
  const channels = head[9]!;
  const family = head[18]!;
  if (channels < 1 || channels > (channelLimits[family] ?? 0)) {
    throw new BitstreamError({ code: "BITSTREAM_UNSUPPORTED", what: "opus channels", found: channels });
  }
  const tableBytes = family === 0 ? 0 : 2 + channels;
  if (head.length < FIXED_BYTES + tableBytes) throw new BitstreamError({ code: "BITSTREAM_TRUNCATED" });
  const description = new Uint8Array(11 + tableBytes);
  const from = new DataView(head.buffer, head.byteOffset);
  const to = new DataView(description.buffer);
  to.setUint8(1, channels);
  to.setUint16(2, from.getUint16(10, true)); // pre-skip
  to.setUint32(4, from.getUint32(12, true)); // input rate
  to.setInt16(8, from.getInt16(16, true)); // gain
  description.set(head.subarray(18, FIXED_BYTES + tableBytes), 10);
  if (family !== 0) checkMapping(description.subarray(11), channels);
  return { channels, description };
}

/** Streams, coupled streams, and for each channel the place of its signal among them; 255 is silent. */
function checkMapping(table: Uint8Array, channels: number): void {
  const [streams, coupled] = table as Uint8Array & [number, number];
  const signals = streams + coupled;
  const isSound = streams > 0 && coupled <= streams && signals <= channels;
  if (!isSound || table.subarray(2).some((place) => place !== 255 && place >= signals)) {
    throw new BitstreamError({ code: "BITSTREAM_INVALID", what: "opus mapping", found: streams });
  }
}

/** How many samples a packet stands for; undefined for one that is none. */
export function opusPacketSamples(packet: Uint8Array): number | undefined {
  const head = packet[0];
  if (head === undefined) return undefined;
  const mode = head >> 3;
  const frame = mode < 12 ? silkFrames[mode & 3]! : mode < 16 ? hybridFrames[mode & 1]! : celtFrames[mode & 3]!;
  const code = head & 3;
  const frames = code === 3 ? (packet[1] ?? 0) & 0x3f : code === 0 ? 1 : 2;
  const samples = frame * frames;
  return samples > 0 && samples <= LONGEST_PACKET ? samples : undefined;
}
