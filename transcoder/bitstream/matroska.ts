import type { Frame, SourceVideoCodec, SourceVideoConfig } from "@leat/sdk/protocol/frame.ts";

const id = {
  header: [0x1a, 0x45, 0xdf, 0xa3],
  docType: [0x42, 0x82],
  docTypeVersion: [0x42, 0x87],
  docTypeReadVersion: [0x42, 0x85],
  segment: [0x18, 0x53, 0x80, 0x67],
  info: [0x15, 0x49, 0xa9, 0x66],
  timestampScale: [0x2a, 0xd7, 0xb1],
  muxingApp: [0x4d, 0x80],
  writingApp: [0x57, 0x41],
  tracks: [0x16, 0x54, 0xae, 0x6b],
  trackEntry: [0xae],
  trackNumber: [0xd7],
  trackUid: [0x73, 0xc5],
  trackType: [0x83],
  codecId: [0x86],
  codecPrivate: [0x63, 0xa2],
  video: [0xe0],
  pixelWidth: [0xb0],
  pixelHeight: [0xba],
  cluster: [0x1f, 0x43, 0xb6, 0x75],
  timestamp: [0xe7],
  simpleBlock: [0xa3],
} as const;

/** A segment whose end is not known. */
const UNKNOWN_SIZE = Buffer.from([0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
const MILLISECOND_NANOS = 1_000_000;
const VIDEO_TRACK = 1;
const KEY = 0x80;

const codecIds: Readonly<Record<SourceVideoCodec, string>> = {
  h264: "V_MPEG4/ISO/AVC",
  hevc: "V_MPEGH/ISO/HEVC",
  vp9: "V_VP9",
  av1: "V_AV1",
  vp8: "V_VP8",
};

/** The beginning of a live Matroska stream with one video track. */
export function matroskaHeader({ codec, width, height, description }: SourceVideoConfig): Buffer {
  return Buffer.concat([
    element(
      id.header,
      element(id.docType, text("matroska")),
      number(id.docTypeVersion, 4),
      number(id.docTypeReadVersion, 2),
    ),
    Buffer.from(id.segment),
    UNKNOWN_SIZE,
    element(
      id.info,
      number(id.timestampScale, MILLISECOND_NANOS),
      element(id.muxingApp, text("leat")),
      element(id.writingApp, text("leat")),
    ),
    element(
      id.tracks,
      element(
        id.trackEntry,
        number(id.trackNumber, 1),
        number(id.trackUid, 1),
        number(id.trackType, VIDEO_TRACK),
        element(id.codecId, text(codecIds[codec])),
        // VP8 and VP9 have no configuration that a decoder would take.
        codec === "vp8" || codec === "vp9" ? Buffer.alloc(0) : element(id.codecPrivate, Buffer.from(description)),
        element(id.video, number(id.pixelWidth, width), number(id.pixelHeight, height)),
      ),
    ),
  ]);
}

/** One picture in a cluster of its own, shown at `timeMs`. */
export function matroskaFrame({ key, data }: Pick<Frame, "key" | "data">, timeMs: number): Buffer {
  const head = Buffer.from([0x81, 0, 0, key ? KEY : 0]);
  return element(id.cluster, number(id.timestamp, timeMs), element(id.simpleBlock, head, Buffer.from(data)));
}

/** Sizes are written in eight bytes, whatever they are: nobody stores this. */
function element(name: readonly number[], ...body: readonly Buffer[]): Buffer {
  const size = Buffer.alloc(8);
  size.writeBigUInt64BE(BigInt(body.reduce((sum, piece) => sum + piece.length, 0)) | (1n << 56n));
  return Buffer.concat([Buffer.from(name), size, ...body]);
}

function number(name: readonly number[], value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return element(name, bytes);
}

function text(value: string): Buffer {
  return Buffer.from(value);
}
