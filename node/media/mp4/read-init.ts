import { Mp4Error } from "./errors.ts";
import { BoxReader } from "./read-boxes.ts";

/** One track as its init segment describes it. */
export interface Mp4Track {
  readonly id: number;
  /** `vide`, `soun`, or what else there is. */
  readonly handler: string;
  readonly timescale: number;
  /** Four letters of the sample entry: `avc1`, `mp4a`. */
  readonly entry: string;
  /** What the codec's own box holds: avcC, hvcC, vpcC, av1C, dOps, or the AudioSpecificConfig of an esds. */
  readonly record: Uint8Array | undefined;
  /** What is added to every time, in ticks: an edit list shows a track from another time than its first. */
  readonly shift: number;
  /** Of a sample whose fragment does not say. */
  readonly defaults: Mp4Defaults;
}

export interface Mp4Defaults {
  readonly duration: number;
  readonly size: number;
  readonly flags: number;
}

const VISUAL_HEAD_BYTES = 78;
const AUDIO_HEAD_BYTES = 28;
const DECODER_SPECIFIC = 0x05;
/** Some of them are read several times; a track has about forty. */
const MAX_BOXES = 10_000;

/** @throws MP4_INIT_INVALID, MP4_ENCRYPTED, MP4_BOXES_EXCEEDED */
export function readTracks(init: Uint8Array): Mp4Track[] {
  const reader = new BoxReader(MAX_BOXES);
  const movie = reader.find(init, "moov");
  const head = movie && reader.find(movie, "mvhd");
  if (movie === undefined || head === undefined) throw new Mp4Error({ code: "MP4_INIT_INVALID", box: "moov" });
  const movieTimescale = uint32At(head, head[0] === 1 ? 20 : 12, "mvhd");
  const extended = new Map<number, Mp4Defaults>();
  for (const { type, body } of reader.boxes(reader.find(movie, "mvex") ?? new Uint8Array(0))) {
    if (type !== "trex") continue;
    const [duration, size, flags] = [12, 16, 20].map((at) => uint32At(body, at, "trex")) as [number, number, number];
    extended.set(uint32At(body, 4, "trex"), { duration, size, flags });
  }
  const none = { duration: 0, size: 0, flags: 0 };
  return reader
    .boxes(movie)
    .filter(({ type }) => type === "trak")
    .map(({ body }) => {
      const track = readTrack(reader, body, movieTimescale);
      return { ...track, defaults: extended.get(track.id) ?? none };
    });
}

function readTrack(reader: BoxReader, trak: Uint8Array, movieTimescale: number): Omit<Mp4Track, "defaults"> {
  const header = need(reader.find(trak, "tkhd"), "tkhd");
  const media = need(reader.find(trak, "mdia", "mdhd"), "mdhd");
  const handler = need(reader.find(trak, "mdia", "hdlr"), "hdlr");
  const table = need(reader.find(trak, "mdia", "minf", "stbl", "stsd"), "stsd");
  const timescale = uint32At(media, media[0] === 1 ? 20 : 12, "mdhd");
  if (timescale === 0) throw new Mp4Error({ code: "MP4_INIT_INVALID", box: "mdhd" });
  const entry = reader.boxes(table.subarray(8))[0];
  if (entry === undefined) throw new Mp4Error({ code: "MP4_INIT_INVALID", box: "stsd" });
  if (/^enc[avts]$/.test(entry.type)) throw new Mp4Error({ code: "MP4_ENCRYPTED", entry: entry.type });
  return {
    id: uint32At(header, header[0] === 1 ? 20 : 12, "tkhd"),
    handler: String.fromCharCode(...handler.subarray(8, 12)),
    timescale,
    entry: entry.type,
    record: readRecord(reader, entry.type, entry.body),
    shift: readShift(reader.find(trak, "edts", "elst"), timescale, movieTimescale),
  };
}

function readRecord(reader: BoxReader, entry: string, body: Uint8Array): Uint8Array | undefined {
  const isSound = entry === "mp4a" || entry === "Opus";
  const boxes = reader.boxes(body.subarray(isSound ? AUDIO_HEAD_BYTES : VISUAL_HEAD_BYTES));
  const record = boxes.find(({ type }) => /^(avcC|hvcC|vpcC|av1C|dOps|esds)$/.test(type));
  return record?.type === "esds" ? readSpecific(record.body.subarray(4)) : record?.body;
}

/** The AudioSpecificConfig, inside descriptors that are inside each other. */
function readSpecific(bytes: Uint8Array): Uint8Array | undefined {
  /** What stands in front of the descriptors inside each. */
  const heads: Readonly<Record<number, number>> = { 3: 3, 4: 13 };
  for (let at = 0; at + 2 <= bytes.length; ) {
    const tag = bytes[at]!;
    let size = 0;
    let byte: number | undefined;
    do {
      at += 1;
      byte = bytes[at];
      if (byte === undefined) return undefined;
      size = ((size << 7) | (byte & 0x7f)) >>> 0;
    } while ((byte & 0x80) !== 0);
    at += 1;
    if (tag === DECODER_SPECIFIC) return bytes.subarray(at, at + size);
    at += heads[tag] ?? size;
  }
  return undefined;
}

function readShift(list: Uint8Array | undefined, timescale: number, movieTimescale: number): number {
  if (list === undefined || list.length < 8) return 0;
  const isLong = list[0] === 1;
  const view = new DataView(list.buffer, list.byteOffset, list.byteLength);
  const size = isLong ? 20 : 12;
  let shift = 0;
  for (let at = 8; at + size <= list.length; at += size) {
    const duration = isLong ? Number(view.getBigUint64(at)) : view.getUint32(at);
    const from = isLong ? Number(view.getBigInt64(at + 8)) : view.getInt32(at + 4);
    // Nothing is shown for so long; then comes the track.
    if (from < 0) shift += movieTimescale === 0 ? 0 : (duration * timescale) / movieTimescale;
    else return shift - from;
  }
  return shift;
}

function need(body: Uint8Array | undefined, box: string): Uint8Array {
  if (body === undefined) throw new Mp4Error({ code: "MP4_INIT_INVALID", box });
  return body;
}

function uint32At(body: Uint8Array, at: number, box: string): number {
  if (at + 4 > body.length) throw new Mp4Error({ code: "MP4_INIT_INVALID", box });
  return new DataView(body.buffer, body.byteOffset).getUint32(at);
}
