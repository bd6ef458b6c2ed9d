import { vp9Level } from "@leat/sdk/protocol/vp9-level.ts";
import { BitReader, BitstreamError } from "./bit-reader.ts";
import { checkPictureSize } from "./picture-size.ts";

/** What the uncompressed header of one VP9 frame says. */
export interface Vp9Header {
  readonly profile: number;
  /** Shows a frame decoded before: nothing else is told. */
  readonly showsExisting: boolean;
  readonly key: boolean;
  readonly intraOnly: boolean;
  readonly shown: boolean;
  /** Known for key frames; else 8. */
  readonly bitDepth: number;
  /** Chroma is halved both ways. Known for key frames; else true. */
  readonly is420: boolean;
  /** Absent where the size is that of a reference. */
  readonly width?: number;
  readonly height?: number;
}

/** What a vpcC says. */
export interface Vp9Configuration {
  /** The body of the box, with its four bytes of version and flags. */
  readonly description: Uint8Array;
  readonly codecString: string;
}

const COLOR_SRGB = 7;
/** Profile, level, depth and format, three of colours, and two of a size that VP9 leaves at nothing. */
const CONFIGURATION_BYTES = 8;

/** `record`: a VPCodecConfigurationRecord, with the box's four bytes before it or without. */
export function parseVp9Configuration(record: Uint8Array): Vp9Configuration {
  const hasBoxHead = record[0] === 1 && record[1] === 0 && record[2] === 0 && record[3] === 0;
  const body = hasBoxHead && record.length >= 4 + CONFIGURATION_BYTES ? record.subarray(4) : record;
  if (body.length < CONFIGURATION_BYTES) throw new BitstreamError({ code: "BITSTREAM_TRUNCATED" });
  const [profile, level, packed] = body as Uint8Array & [number, number, number];
  const bitDepth = packed >> 4;
  if (profile > 3 || ![8, 10, 12].includes(bitDepth)) {
    throw new BitstreamError({ code: "BITSTREAM_INVALID", what: "vpcC profile", found: profile });
  }
  const description = Uint8Array.of(1, 0, 0, 0, ...body.subarray(0, CONFIGURATION_BYTES));
  const two = (value: number) => String(value).padStart(2, "0");
  return { description, codecString: `vp09.${two(profile)}.${two(level)}.${two(bitDepth)}` };
}

/** A stream does not say how many pictures a second it will have: as many as are usual. */
const USUAL_FPS = 30;

/** The record of a stream that brings none of its own, as by WebRTC: from its key frame. */
export function writeVp9Record({ profile, bitDepth, is420, width = 0, height = 0 }: Vp9Header): Vp9Configuration {
  const level = vp9Level(width, height, USUAL_FPS);
  // Chroma as vpcC counts (1 is 4:2:0, 3 is 4:4:4); colours that are not told; and no further data.
  const packed = (bitDepth << 4) | ((is420 ? 1 : 3) << 1);
  return parseVp9Configuration(Uint8Array.of(profile, level, packed, 2, 2, 2, 0, 0));
}

/** The key frame in a packet, if there is one. */
export function findVp9Key(packet: Uint8Array): Vp9Header | undefined {
  return splitSuperframe(packet)
    .map(parseVp9Header)
    .find(({ key }) => key);
}

export function parseVp9Header(frame: Uint8Array): Vp9Header {
  const reader = new BitReader(frame);
  if (reader.bits(2) !== 2) throw new BitstreamError({ code: "BITSTREAM_INVALID", what: "vp9 frame marker" });
  const profile = reader.bits(1) + reader.bits(1) * 2;
  if (profile === 3 && reader.flag()) throw new BitstreamError({ code: "BITSTREAM_INVALID", what: "vp9 reserved bit" });
  const base = { profile, showsExisting: false, key: false, intraOnly: false, shown: true, bitDepth: 8, is420: true };
  if (reader.flag()) return { ...base, showsExisting: true };
  const key = !reader.flag();
  const shown = reader.flag();
  const errorResilient = reader.flag();
  if (key) {
    checkSync(reader);
    const format = readFormat(reader, profile);
    return { ...base, key, shown, ...format, ...readSize(reader) };
  }
  const intraOnly = !shown && reader.flag();
  if (!errorResilient) reader.bits(2); // reset_frame_context
  if (intraOnly) {
    checkSync(reader);
    const format = profile > 0 ? readFormat(reader, profile) : {};
    reader.bits(8); // refresh_frame_flags
    return { ...base, intraOnly, shown, ...format, ...readSize(reader) };
  }
  reader.bits(8); // refresh_frame_flags
  reader.bits(12); // three references: index and sign
  for (let index = 0; index < 3; index += 1) if (reader.flag()) return { ...base, shown };
  return { ...base, shown, ...readSize(reader) };
}

/** The frames of a packet: a superframe holds hidden ones and the one that is shown. */
export function splitSuperframe(packet: Uint8Array): Uint8Array[] {
  const last = packet.at(-1);
  if (last === undefined) throw new BitstreamError({ code: "BITSTREAM_TRUNCATED" });
  if ((last & 0xe0) !== 0xc0) return [packet];
  const count = (last & 7) + 1;
  const sizeBytes = ((last >> 3) & 3) + 1;
  const indexStart = packet.length - 2 - count * sizeBytes;
  // Without the same byte on both ends it is no index, only a frame that ends so.
  if (indexStart < 0 || packet[indexStart] !== last) return [packet];
  const frames: Uint8Array[] = [];
  let offset = 0;
  for (let frame = 0; frame < count; frame += 1) {
    let size = 0;
    for (let index = 0; index < sizeBytes; index += 1) {
      size += packet[indexStart + 1 + frame * sizeBytes + index]! * 2 ** (8 * index);
    }
    if (offset + size > indexStart) throw new BitstreamError({ code: "BITSTREAM_TRUNCATED" });
    if (size > 0) frames.push(packet.subarray(offset, offset + size));
    offset += size;
  }
  if (frames.length === 0) throw new BitstreamError({ code: "BITSTREAM_INVALID", what: "vp9 empty superframe" });
  return frames;
}

function checkSync(reader: BitReader): void {
  if (reader.bits(24) !== 0x498342) throw new BitstreamError({ code: "BITSTREAM_INVALID", what: "vp9 sync code" });
}

function readFormat(reader: BitReader, profile: number): { bitDepth: number; is420: boolean } {
  const bitDepth = profile >= 2 ? (reader.flag() ? 12 : 10) : 8;
  const colorSpace = reader.bits(3);
  const isOddProfile = profile === 1 || profile === 3;
  if (colorSpace === COLOR_SRGB) {
    if (isOddProfile) reader.bits(1);
    return { bitDepth, is420: false };
  }
  reader.bits(1); // color_range
  if (!isOddProfile) return { bitDepth, is420: true };
  const is420 = reader.bits(2) === 3;
  reader.bits(1);
  return { bitDepth, is420 };
}

function readSize(reader: BitReader): { width: number; height: number } {
  return checkPictureSize({ width: reader.bits(16) + 1, height: reader.bits(16) + 1 });
}
