import { MAX_FRAME_BYTES } from "@leat/sdk/protocol/limits.ts";
import { WireError } from "../errors.ts";
import type { FrameMessage } from "./message.ts";

/**
 * A frame on the wire, big-endian, then its data:
 *
 *     0  uint8   flags: 1 audio, 2 key
 *     1  uint32  rung
 *     5  uint32  sequence
 *     9  uint32  epoch
 *    13  uint32  configuration version
 *    17  int64   dts
 *    25  int64   pts
 *    33  uint32  duration
 *    37  uint64  arrival, milliseconds since 1970
 */
const HEADER_BYTES = 45;
const AUDIO = 1;
const KEY = 2;

export function encodeFrame({ rung, sequence, frame }: FrameMessage): [header: Uint8Array, data: Uint8Array] {
  if (frame.data.byteLength > MAX_FRAME_BYTES) throw unsendable(`data of ${frame.data.byteLength} bytes`);
  const header = new Uint8Array(HEADER_BYTES);
  const view = new DataView(header.buffer);
  view.setUint8(0, (frame.kind === "audio" ? AUDIO : 0) | (frame.key ? KEY : 0));
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
  return [header, frame.data];
}

export function decodeFrame(bytes: Uint8Array): FrameMessage {
  if (bytes.byteLength < HEADER_BYTES) throw invalid("frame header cut short");
  if (bytes.byteLength - HEADER_BYTES > MAX_FRAME_BYTES) {
    throw new WireError({ code: "WIRE_MESSAGE_TOO_LARGE", sizeBytes: bytes.byteLength, maxBytes: MAX_FRAME_BYTES });
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const flags = view.getUint8(0);
  if (flags > (AUDIO | KEY)) throw invalid("unknown frame flags");
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
      data: bytes.subarray(HEADER_BYTES),
    },
  };
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
