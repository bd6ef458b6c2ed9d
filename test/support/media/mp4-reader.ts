import type { AudioConfig, Frame, TrackConfig, VideoConfig } from "@leat/sdk/protocol/frame.ts";

/** Reads one-track fragmented MP4, as the ffmpeg program writes it, into frames: an independent view of what we write. */

interface Box {
  readonly type: string;
  readonly body: Uint8Array;
  /** Where the box starts in what was read. */
  readonly start: number;
}

export function readBoxes(bytes: Uint8Array): Box[] {
  const boxes: Box[] = [];
  let offset = 0;
  while (offset + 8 <= bytes.length) {
    const size = viewOf(bytes).getUint32(offset);
    if (size < 8 || offset + size > bytes.length) throw new Error(`box of ${size} bytes at ${offset}`);
    const type = new TextDecoder().decode(bytes.subarray(offset + 4, offset + 8));
    boxes.push({ type, body: bytes.subarray(offset + 8, offset + size), start: offset });
    offset += size;
  }
  return boxes;
}

export function findBox(bytes: Uint8Array, ...path: string[]): Uint8Array {
  let body = bytes;
  for (const type of path) {
    const found = readBoxes(body).find((item) => item.type === type);
    if (found === undefined) throw new Error(`no box ${type}`);
    body = found.body;
  }
  return body;
}

export function readTrack(file: Uint8Array): { config: TrackConfig; frames: Frame[] } {
  const media = findBox(file, "moov", "trak", "mdia");
  const timescale = viewOf(findBox(media, "mdhd")).getUint32(12);
  const config = readConfig(findBox(media, "minf", "stbl", "stsd").subarray(8), timescale);
  const scale = config.timescale / timescale;
  const defaults = viewOf(findBox(file, "moov", "mvex", "trex"));
  const frames: Frame[] = [];
  for (const item of readBoxes(file)) {
    if (item.type !== "moof") continue;
    for (const sample of readFragment(
      file,
      item,
      [8, 12, 16, 20].map((at) => defaults.getUint32(at)),
    )) {
      frames.push({
        kind: config.kind,
        epoch: 0,
        dts: Math.round(sample.dts * scale),
        pts: Math.round(sample.pts * scale),
        duration: Math.round(sample.duration * scale),
        key: (sample.flags & 0x10000) === 0,
        configVersion: 0,
        arrivalMs: 0,
        data: sample.data,
      });
    }
  }
  return { config, frames };
}

function* readFragment(file: Uint8Array, moof: Box, trex: number[]) {
  const traf = readBoxes(moof.body).find((item) => item.type === "traf")!.body;
  const header = findBox(traf, "tfhd");
  const headerView = viewOf(header);
  const headerFlags = headerView.getUint32(0) & 0xffffff;
  let at = 8;
  const optional = (flag: number, fallback: number): number => {
    if ((headerFlags & flag) === 0) return fallback;
    at += 4;
    return headerView.getUint32(at - 4);
  };
  if ((headerFlags & 1) !== 0) at += 8;
  optional(2, 0);
  const duration = optional(8, trex[1]!);
  const size = optional(0x10, trex[2]!);
  const flags = optional(0x20, trex[3]!);
  const time = findBox(traf, "tfdt");
  let dts = time[0] === 1 ? Number(viewOf(time).getBigUint64(4)) : viewOf(time).getUint32(4);
  for (const item of readBoxes(traf)) {
    if (item.type !== "trun") continue;
    const view = viewOf(item.body);
    const runFlags = view.getUint32(0) & 0xffffff;
    let position = 8;
    let dataOffset = moof.start + moof.body.length + 16;
    let firstFlags: number | undefined;
    if ((runFlags & 1) !== 0) {
      dataOffset = moof.start + view.getInt32(position);
      position += 4;
    }
    if ((runFlags & 4) !== 0) {
      firstFlags = view.getUint32(position);
      position += 4;
    }
    const next = (flag: number, fallback: number): number => {
      if ((runFlags & flag) === 0) return fallback;
      position += 4;
      return flag === 0x800 ? view.getInt32(position - 4) : view.getUint32(position - 4);
    };
    for (let index = 0; index < view.getUint32(4); index += 1) {
      const sampleDuration = next(0x100, duration);
      const sampleSize = next(0x200, size);
      const sampleFlags = next(0x400, index === 0 ? (firstFlags ?? flags) : flags);
      const pts = dts + next(0x800, 0);
      const data = file.slice(dataOffset, dataOffset + sampleSize);
      yield { dts, pts, duration: sampleDuration, flags: sampleFlags, data };
      dts += sampleDuration;
      dataOffset += sampleSize;
    }
  }
}

function readConfig(entries: Uint8Array, timescale: number): TrackConfig {
  const entry = readBoxes(entries)[0]!;
  const view = viewOf(entry.body);
  const children = (from: number, type: string) => findBox(entry.body.subarray(from), type);
  const video = (codec: VideoConfig["codec"], box: string, codecString: (body: Uint8Array) => string): VideoConfig => {
    const description = children(78, box);
    const [width, height] = [view.getUint16(24), view.getUint16(26)];
    return {
      kind: "video",
      codec,
      timescale: 90_000,
      width,
      height,
      description,
      codecString: codecString(description),
    };
  };
  const audio = (codec: AudioConfig["codec"], description: Uint8Array, codecString: string): AudioConfig => {
    const channels = view.getUint16(16);
    return { kind: "audio", codec, timescale, sampleRate: timescale, channels, description, codecString };
  };
  const two = (value: number) => value.toString(16).padStart(2, "0");
  switch (entry.type) {
    case "avc1":
      return video("h264", "avcC", (body) => `avc1.${two(body[1]!)}${two(body[2]!)}${two(body[3]!)}`);
    case "vp09":
      return video("vp9", "vpcC", (body) => `vp09.${[body[4]!, body[5]!, body[6]! >> 4].map(decimal).join(".")}`);
    case "hvc1":
      return video("hevc", "hvcC", () => "hvc1.1.6.L63.90");
    case "av01":
      return video("av1", "av1C", () => "av01.0.00M.08");
    case "Opus":
      return audio("opus", children(28, "dOps"), "opus");
    case "mp4a": {
      const descriptors = children(28, "esds");
      const start = descriptors.indexOf(0x05, 4 + 20);
      let at = start + 1;
      while ((descriptors[at]! & 0x80) !== 0) at += 1;
      return audio("aac", descriptors.slice(at + 1, at + 1 + descriptors[at]!), "mp4a.40.2");
    }
    default:
      throw new Error(`entry ${entry.type}`);
  }
}

function decimal(value: number): string {
  return value.toString().padStart(2, "0");
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
