import { readFileSync } from "node:fs";

/** One message of RTMP: what an FLV file calls a tag. */
export interface FlvMessage {
  /** 8 sound, 9 picture. */
  readonly type: number;
  readonly timeMs: number;
  readonly body: Buffer;
}

export interface FlvFile {
  /** What decoders need, to be said once. */
  readonly headers: readonly FlvMessage[];
  readonly frames: readonly FlvMessage[];
  /** How long it is when it is sent over and over. */
  readonly durationMs: number;
}

const FILE_HEADER_BYTES = 13;
const TAG_HEADER_BYTES = 11;
const TAIL_BYTES = 4;
const SOUND = 8;
const PICTURE = 9;

/** Reads a file of H.264, with AAC or without, whole into memory. */
export function readFlv(path: string): FlvFile {
  const bytes = readFileSync(path);
  const headers: FlvMessage[] = [];
  const frames: FlvMessage[] = [];
  for (let at = FILE_HEADER_BYTES; at + TAG_HEADER_BYTES <= bytes.length; ) {
    const size = bytes.readUIntBE(at + 1, 3);
    const timeMs = bytes.readUIntBE(at + 4, 3) + bytes[at + 7]! * 2 ** 24;
    const body = bytes.subarray(at + TAG_HEADER_BYTES, at + TAG_HEADER_BYTES + size);
    const type = bytes[at]!;
    at += TAG_HEADER_BYTES + size + TAIL_BYTES;
    if (type !== SOUND && type !== PICTURE) continue;
    // The second byte of both: 0 is what a decoder needs first, 1 is what it decodes, 2 the end of pictures.
    if (body[1] === 0) headers.push({ type, timeMs: 0, body });
    else if (body[1] === 1) frames.push({ type, timeMs, body });
  }
  const pictures = frames.filter(({ type }) => type === PICTURE);
  const [first, second, last] = [pictures[0], pictures[1], pictures.at(-1)];
  if (first === undefined || second === undefined || last === undefined) throw new Error(`${path} holds no pictures`);
  return { headers, frames, durationMs: last.timeMs - first.timeMs + (second.timeMs - first.timeMs) };
}
