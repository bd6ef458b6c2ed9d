import { type Box, findBox, readBoxes } from "@leat/node/media/mp4/read-boxes.ts";

/** What an inspector needs to know of fragmented MP4, of any maker. */

/** May stand before a fragment. */
const preludes = new Set(["styp", "sidx", "prft", "emsg"]);

export interface InitFacts {
  /** RFC 6381 as far as the file tells: `avc1.64001f`, `mp4a`. */
  readonly codec: string;
  readonly width: number;
  readonly height: number;
}

/** Undefined for what is no init segment: without a moov, or with media. */
export function readInit(bytes: Uint8Array): InitFacts | undefined {
  if (readBoxes(bytes).some(({ type }) => type === "moof" || type === "mdat")) return undefined;
  const table = findBox(bytes, "moov", "trak", "mdia", "minf", "stbl", "stsd");
  const entry = table && readBoxes(table.subarray(8))[0];
  if (entry === undefined) return undefined;
  const { type, body } = entry;
  const isSound = type === "mp4a" || type === "Opus";
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  if (isSound || body.length < 78) return { codec: type.toLowerCase(), width: 0, height: 0 };
  const config = readBoxes(body.subarray(78)).find((item) => /^(avcC|vpcC|av1C|hvcC)$/.test(item.type));
  return { codec: nameCodec(type, config), width: view.getUint16(24), height: view.getUint16(26) };
}

/** HEVC's name holds more than is worth writing here: its entry alone is told. */
function nameCodec(type: string, config: Box | undefined): string {
  const [first = 0, second = 0, third = 0, , fifth = 0, sixth = 0, seventh = 0] = config?.body ?? [];
  const two = (value: number) => String(value).padStart(2, "0");
  switch (config?.type) {
    case "avcC":
      return `${type}.${[second, third, config.body[3] ?? 0].map((value) => value.toString(16).padStart(2, "0")).join("")}`;
    case "vpcC":
      // After four bytes of version and flags: profile, level, and the depth in the upper half of the third.
      return `${type}.${two(fifth)}.${two(sixth)}.${two(seventh >> 4)}`;
    case "av1C":
      return first === 0x81 ? `${type}.${second >> 5}.${two(second & 31)}${third >> 7 === 1 ? "H" : "M"}` : type;
    default:
      return type;
  }
}

/** Whether bytes start with a fragment whose first sample is a key frame; undefined where they are no fragment. */
export function readFirstSample(bytes: Uint8Array): { key: boolean } | undefined {
  const movie = readFirstBox(bytes, "moof");
  const run = movie && findBox(movie, "traf", "trun");
  const header = movie && findBox(movie, "traf", "tfhd");
  if (run === undefined || header === undefined || run.length < 8 || header.length < 8) return undefined;
  const view = new DataView(run.buffer, run.byteOffset, run.byteLength);
  const flags = view.getUint32(0) & 0xffffff;
  let at = 8 + ((flags & 1) !== 0 ? 4 : 0);
  const isKey = (sampleFlags: number) => (sampleFlags & 0x10000) === 0;
  if ((flags & 4) !== 0) return at + 4 > run.length ? undefined : { key: isKey(view.getUint32(at)) };
  at += ((flags & 0x100) !== 0 ? 4 : 0) + ((flags & 0x200) !== 0 ? 4 : 0);
  if ((flags & 0x400) !== 0) return at + 4 > run.length ? undefined : { key: isKey(view.getUint32(at)) };
  const headerView = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const headerFlags = headerView.getUint32(0) & 0xffffff;
  if ((headerFlags & 0x20) === 0) return { key: true };
  const before = [
    [1, 8],
    [2, 4],
    [8, 4],
    [16, 4],
  ].reduce((sum, [flag, size]) => sum + ((headerFlags & flag!) !== 0 ? size! : 0), 8);
  return before + 4 > header.length ? undefined : { key: isKey(headerView.getUint32(before)) };
}

/** The first box behind what may stand before a fragment; it may be followed by one that is cut short. */
function readFirstBox(bytes: Uint8Array, type: string): Uint8Array | undefined {
  const first = readBoxes(bytes).find((item) => !preludes.has(item.type));
  return first?.type === type ? first.body : undefined;
}
