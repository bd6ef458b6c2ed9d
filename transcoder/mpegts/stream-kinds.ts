import type { Descriptor, ElementaryStream } from "./tables.ts";

/** What a program's table says that a stream holds. */
export type StreamKind =
  | { readonly kind: "video"; readonly codec: "h264" | "hevc" }
  | { readonly kind: "audio"; readonly codec: "aac" }
  /** `layout`: the channel configuration of Opus in TS. */
  | { readonly kind: "audio"; readonly codec: "opus"; readonly layout: number }
  | { readonly kind: "video" | "audio"; readonly codec: undefined; readonly found: string }
  /** Splice commands (SCTE-35), timed metadata, or anything else. */
  | { readonly kind: "data"; readonly holds: "cues" | "tags" | "other" };

const PRIVATE_PES = 0x06;
const SPLICE_COMMANDS = 0x86;
/** Metadata in PES packets; whether it is ID3 its bytes tell. */
const METADATA = 0x15;
const REGISTRATION = 0x05;
const EXTENSION = 0x7f;
const OPUS_EXTENSION = 0x80;
/** For a stream without the extension: two channels. */
const STEREO = 2;

const h264 = { kind: "video", codec: "h264" } as const;
const hevc = { kind: "video", codec: "hevc" } as const;
const aac = { kind: "audio", codec: "aac" } as const;
const other = (kind: "video" | "audio", found: string) => ({ kind, codec: undefined, found }) as const;

const byType: Readonly<Record<number, StreamKind>> = {
  1: other("video", "mpeg1"),
  2: other("video", "mpeg2"),
  3: other("audio", "mp2"),
  4: other("audio", "mp2"),
  15: aac,
  16: other("video", "mpeg4"),
  17: other("audio", "aac in latm"),
  27: h264,
  28: other("audio", "aac without adts"),
  36: hevc,
  45: other("audio", "mpeg-h"),
  51: other("video", "vvc"),
  66: other("video", "avs"),
  129: other("audio", "ac3"),
  130: other("audio", "dts"),
  135: other("audio", "eac3"),
  234: other("video", "vc1"),
};

/** Private streams name what they are by four letters. */
const byLetters: Readonly<Record<string, StreamKind>> = {
  HEVC: hevc,
  "AC-3": other("audio", "ac3"),
  EAC3: other("audio", "eac3"),
  AV01: other("video", "av1"),
  VVC: other("video", "vvc"),
  BSSD: other("audio", "pcm"),
  DTS1: other("audio", "dts"),
  DTS2: other("audio", "dts"),
  DTS3: other("audio", "dts"),
};

/** Or by a descriptor of their own. */
const byDescriptor: Readonly<Record<number, StreamKind>> = {
  106: other("audio", "ac3"),
  122: other("audio", "eac3"),
  123: other("audio", "dts"),
  124: aac,
};

export function kindOf({ type, descriptors }: ElementaryStream): StreamKind {
  const known = byType[type];
  if (known !== undefined) return known;
  if (type === SPLICE_COMMANDS) return { kind: "data", holds: "cues" };
  if (type === METADATA) return { kind: "data", holds: "tags" };
  if (type !== PRIVATE_PES) return { kind: "data", holds: "other" };
  const letters = descriptors.filter(({ tag }) => tag === REGISTRATION).map(({ data }) => lettersOf(data));
  if (letters.includes("Opus")) return { kind: "audio", codec: "opus", layout: opusLayout(descriptors) };
  const named = letters.find((name) => Object.hasOwn(byLetters, name));
  if (named !== undefined) return byLetters[named]!;
  const described = descriptors.find(({ tag }) => Object.hasOwn(byDescriptor, tag));
  return described === undefined ? { kind: "data", holds: "other" } : byDescriptor[described.tag]!;
}

function opusLayout(descriptors: readonly Descriptor[]): number {
  const extension = descriptors.find(({ tag, data }) => tag === EXTENSION && data[0] === OPUS_EXTENSION);
  return extension?.data[1] ?? STEREO;
}

function lettersOf(data: Uint8Array): string {
  return String.fromCharCode(...data.subarray(0, 4)).trimEnd();
}
