import { Mp4Error } from "./errors.ts";
import { type Box, BoxReader, MAX_SEGMENT_BOXES } from "./read-boxes.ts";
import type { Mp4Defaults, Mp4Track } from "./read-init.ts";

export interface Mp4Sample {
  readonly track: Mp4Track;
  /** Ticks of the track, its shift included. */
  readonly dts: number;
  /** Presentation minus decode time, ticks. */
  readonly cts: number;
  /** What the file says; the coded picture may know better. */
  readonly key: boolean;
  readonly data: Uint8Array;
}

/** Samples of one segment: a quarter of an hour of sound. Those of no bytes need none in the file. */
const MAX_SAMPLES = 50_000;
const NOT_KEY = 0x10000;
/** Some count from 1970: three centuries of it. */
const LONGEST_TIME_S = 1e10;

/** Samples of a segment's fragments in the order of the file; of tracks that are not named none. @throws Mp4Error */
export function readFragments(bytes: Uint8Array, tracks: readonly Mp4Track[]): Mp4Sample[] {
  const samples: Mp4Sample[] = [];
  const reader = new BoxReader(MAX_SEGMENT_BOXES);
  for (const fragment of reader.boxes(bytes)) {
    if (fragment.type !== "moof") continue;
    for (const { type, body } of reader.boxes(fragment.body)) {
      if (type === "traf") readTrackFragment(bytes, fragment, reader.boxes(body), tracks, samples);
    }
  }
  return samples;
}

function readTrackFragment(
  bytes: Uint8Array,
  fragment: Box,
  boxes: readonly Box[],
  tracks: readonly Mp4Track[],
  samples: Mp4Sample[],
): void {
  const need = (name: string) => new Fields(boxes.find(({ type }) => type === name)?.body, name);
  const header = need("tfhd");
  const id = header.uint32();
  const track = tracks.find((one) => one.id === id);
  if (track === undefined) return;
  const time = need("tfdt");
  const flags = header.flags;
  const base = (flags & 1) !== 0 ? header.uint64() : fragment.start;
  if ((flags & 2) !== 0) header.uint32();
  const defaults: Mp4Defaults = {
    duration: (flags & 8) !== 0 ? header.uint32() : track.defaults.duration,
    size: (flags & 0x10) !== 0 ? header.uint32() : track.defaults.size,
    flags: (flags & 0x20) !== 0 ? header.uint32() : track.defaults.flags,
  };
  let dts = (time.version === 1 ? time.uint64() : time.uint32()) + track.shift;
  if (dts / track.timescale > LONGEST_TIME_S) throw new Mp4Error({ code: "MP4_FRAGMENT_INVALID", box: "tfdt" });
  let offset: number | undefined;
  for (const { type, body: run } of boxes) {
    if (type !== "trun") continue;
    const fields = new Fields(run, "trun");
    const count = fields.uint32();
    if (count > MAX_SAMPLES - samples.length) throw new Mp4Error({ code: "MP4_SAMPLES_EXCEEDED", limit: MAX_SAMPLES });
    const has = (flag: number) => (fields.flags & flag) !== 0;
    if (has(1)) offset = base + fields.int32();
    // Without an offset a run follows the one before it; the first one stands where the media does.
    offset ??= base + (fragment.body.length + 16);
    const firstFlags = has(4) ? fields.uint32() : undefined;
    for (let index = 0; index < count; index += 1) {
      const duration = has(0x100) ? fields.uint32() : defaults.duration;
      const size = has(0x200) ? fields.uint32() : defaults.size;
      const usual = index === 0 && firstFlags !== undefined ? firstFlags : defaults.flags;
      const sampleFlags = has(0x400) ? fields.uint32() : usual;
      const cts = has(0x800) ? fields.int32() : 0;
      if (offset < 0 || offset + size > bytes.length) throw new Mp4Error({ code: "MP4_FRAGMENT_INVALID", box: "mdat" });
      const data = bytes.subarray(offset, offset + size);
      samples.push({ track, dts, cts, key: (sampleFlags & NOT_KEY) === 0, data });
      dts += duration;
      offset += size;
    }
  }
}

/** The fields of a full box, one after the other. */
class Fields {
  readonly version: number;
  readonly flags: number;
  readonly #view: DataView;
  readonly #box: string;
  #at = 4;

  constructor(body: Uint8Array | undefined, box: string) {
    if (body === undefined || body.length < 4) throw new Mp4Error({ code: "MP4_FRAGMENT_INVALID", box });
    this.#box = box;
    this.#view = new DataView(body.buffer, body.byteOffset, body.byteLength);
    this.version = this.#view.getUint8(0);
    this.flags = this.#view.getUint32(0) & 0xffffff;
  }

  uint32(): number {
    return this.#view.getUint32(this.#skip(4));
  }

  int32(): number {
    return this.#view.getInt32(this.#skip(4));
  }

  uint64(): number {
    const value = Number(this.#view.getBigUint64(this.#skip(8)));
    if (!Number.isSafeInteger(value)) throw new Mp4Error({ code: "MP4_FRAGMENT_INVALID", box: this.#box });
    return value;
  }

  #skip(bytes: number): number {
    const at = this.#at;
    if (at + bytes > this.#view.byteLength) throw new Mp4Error({ code: "MP4_FRAGMENT_INVALID", box: this.#box });
    this.#at += bytes;
    return at;
  }
}
