import type { TimedTag } from "@leat/sdk/protocol/frame.ts";
import { MAX_FRAME_BYTES, MAX_FRAME_TAGS, MAX_TAG_BYTES } from "@leat/sdk/protocol/limits.ts";
import { WireError } from "../errors.ts";
import type { FrameMessage } from "./message.ts";

/**
 * A frame on the wire, big-endian, then its tags where it has some, then its data:
 *
 *     0  uint8   flags: 1 audio, 2 key, 4 tags
 *     1  uint32  rung
 *     5  uint32  sequence
 *     9  uint32  epoch
 *    13  uint32  configuration version
 *    17  int64   dts
 *    25  int64   pts
 *    33  uint32  duration
 *    37  uint64  arrival, milliseconds since 1970
 *
 * Tags: uint8 how many, then of each int64 pts, uint16 length and the tag.
 */
const HEADER_BYTES = 45;
const AUDIO = 1;
const KEY = 2;
const TAGS = 4;
const TAG_HEAD_BYTES = 10;

export function encodeFrame({ rung, sequence, frame }: FrameMessage): [header: Uint8Array, data: Uint8Array] {
  if (frame.data.byteLength > MAX_FRAME_BYTES) throw unsendable(`data of ${frame.data.byteLength} bytes`);
  const tags = frame.tags ?? [];
  const header = new Uint8Array(HEADER_BYTES + tagsSize(tags));
  const view = new DataView(header.buffer);
  const flags = (frame.kind === "audio" ? AUDIO : 0) | (frame.key ? KEY : 0);
  view.setUint8(0, flags | (tags.length > 0 ? TAGS : 0));
  view.setUint32(1, requireUint32("rung", rung));
  view.setUint32(5, requireUint32("sequence", sequence));
  view.setUint32(9, requireUint32("epoch", frame.epoch));
  view.setUint32(13, requireUint32("configVersion", frame.configVersion));
  writeSafeInteger(view, 17, "dts", frame.dts);
  writeSafeInteger(view, 25, "pts", frame.pts);
  view.setUint32(33, requireUint32("duration", frame.duration));
  if (frame.arrivalMs < 0) throw unsendable(`arrivalMs ${frame.arrivalMs}`);
  // A wall clock may give fractions; whole milliseconds travel.
  writeSafeInteger(view, 37, "arrivalMs", Math.floor(frame.arrivalMs));
  if (tags.length > 0) writeTags(header, tags);
  return [header, frame.data];
}

export function decodeFrame(bytes: Uint8Array): FrameMessage {
  if (bytes.byteLength < HEADER_BYTES) throw invalid("frame header cut short");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const flags = view.getUint8(0);
  if (flags > (AUDIO | KEY | TAGS)) throw invalid("unknown frame flags");
  const { tags, end } = (flags & TAGS) === 0 ? { tags: undefined, end: HEADER_BYTES } : readTags(bytes);
  if (bytes.byteLength - end > MAX_FRAME_BYTES) {
    throw new WireError({ code: "WIRE_MESSAGE_TOO_LARGE", sizeBytes: bytes.byteLength, maxBytes: MAX_FRAME_BYTES });
  }
  const arrivalMs = readSafeInteger(view, 37);
  if (arrivalMs < 0) throw invalid("negative arrival");
  return {
    type: "frame",
    rung: view.getUint32(1),
    sequence: view.getUint32(5),
    frame: {
      kind: (flags & AUDIO) !== 0 ? "audio" : "video",
      epoch: view.getUint32(9),
      dts: readSafeInteger(view, 17),
      pts: readSafeInteger(view, 25),
      duration: view.getUint32(33),
      key: (flags & KEY) !== 0,
      configVersion: view.getUint32(13),
      arrivalMs,
      data: bytes.subarray(end),
      ...(tags && { tags }),
    },
  };
}

function tagsSize(tags: readonly TimedTag[]): number {
  if (tags.length === 0) return 0;
  const isLong = tags.some(({ tag }) => tag.length > MAX_TAG_BYTES);
  if (tags.length > MAX_FRAME_TAGS || isLong) throw unsendable(`${tags.length} tags`);
  return tags.reduce((sum, { tag }) => sum + TAG_HEAD_BYTES + tag.length, 1);
}

function writeTags(header: Uint8Array, tags: readonly TimedTag[]): void {
  const view = new DataView(header.buffer);
  view.setUint8(HEADER_BYTES, tags.length);
  let at = HEADER_BYTES + 1;
  for (const { pts, tag } of tags) {
    writeSafeInteger(view, at, "pts", pts);
    view.setUint16(at + 8, tag.length);
    header.set(tag, at + TAG_HEAD_BYTES);
    at += TAG_HEAD_BYTES + tag.length;
  }
}

function readTags(bytes: Uint8Array): { readonly tags: readonly TimedTag[]; readonly end: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.byteLength === HEADER_BYTES) throw invalid("tags cut short");
  const count = view.getUint8(HEADER_BYTES);
  if (count === 0 || count > MAX_FRAME_TAGS) throw invalid(`${count} tags`);
  const tags: TimedTag[] = [];
  let at = HEADER_BYTES + 1;
  while (tags.length < count) {
    if (bytes.byteLength < at + TAG_HEAD_BYTES) throw invalid("tags cut short");
    const length = view.getUint16(at + 8);
    const end = at + TAG_HEAD_BYTES + length;
    if (length > MAX_TAG_BYTES || end > bytes.byteLength) throw invalid(`a tag of ${length} bytes`);
    const pts = readSafeInteger(view, at);
    if (pts < 0) throw invalid("negative time of a tag");
    tags.push({ pts, tag: bytes.subarray(at + TAG_HEAD_BYTES, end) });
    at = end;
  }
  return { tags, end: at };
}

// Two halves: a bigint per timestamp and frame would be garbage by the hundred thousand.
function writeSafeInteger(view: DataView, at: number, name: string, value: number): void {
  if (!Number.isSafeInteger(value)) throw unsendable(`${name} ${value}`);
  view.setInt32(at, Math.floor(value / 2 ** 32));
  view.setUint32(at + 4, value >>> 0);
}

function readSafeInteger(view: DataView, at: number): number {
  const value = view.getInt32(at) * 2 ** 32 + view.getUint32(at + 4);
  if (!Number.isSafeInteger(value)) throw invalid("timestamp out of range");
  return value;
}

function requireUint32(name: string, value: number): number {
  if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) throw unsendable(`${name} ${value}`);
  return value;
}

function unsendable(reason: string): WireError {
  return new WireError({ code: "WIRE_MESSAGE_UNSENDABLE", reason: `frame: ${reason}` });
}

function invalid(reason: string): WireError {
  return new WireError({ code: "WIRE_MESSAGE_INVALID", reason });
}
