import type { PublishedTag } from "@leat/sdk/protocol/published.ts";
import { type AmfValue, decodeAmf } from "@leat/transcoder/rtmp/amf0.ts";
import { messageTypes, type RtmpMessage } from "@leat/transcoder/rtmp/chunk-reader.ts";
import { RtmpWireError } from "@leat/transcoder/rtmp/errors.ts";

type TimedMessage = Pick<RtmpMessage, "type" | "timestamp" | "payload">;

/** What publishers send to be heard of at its time. */
const TIMED = new Set(["onTextData", "onCuePoint"]);
const UTF8 = 3;

/**
 * A data message of RTMP as an ID3 tag: a frame TXXX with the message's name and its values as JSON. Undefined for other
 * messages, those that cannot be read too: no publish ends for what nobody needs.
 */
export function readTimedData({ type, timestamp, payload }: TimedMessage): PublishedTag | undefined {
  if (type !== messageTypes.dataAmf0 && type !== messageTypes.dataAmf3) return undefined;
  // AMF3 data carries AMF0 after one byte.
  const [first, ...rest] = readValues(type === messageTypes.dataAmf3 ? payload.subarray(1) : payload);
  const [name, ...values] = first === "@setDataFrame" ? rest : [first, ...rest];
  if (typeof name !== "string" || !TIMED.has(name)) return undefined;
  const shown = values.length === 1 ? values[0] : values;
  return { atMs: timestamp, tag: writeTag(name, JSON.stringify(toJson(shown)) ?? "null") };
}

function readValues(payload: Uint8Array): AmfValue[] {
  try {
    return decodeAmf(payload);
  } catch (error) {
    if (error instanceof RtmpWireError) return [];
    throw error;
  }
}

function toJson(value: AmfValue): unknown {
  if (value instanceof Map) return Object.fromEntries([...value].map(([name, item]) => [name, toJson(item)]));
  return Array.isArray(value) ? value.map(toJson) : value;
}

/** ID3v2.4 with one frame. */
function writeTag(description: string, value: string): Uint8Array {
  const body = Buffer.concat([Uint8Array.of(UTF8), Buffer.from(`${description}\0${value}`)]);
  const frame = Buffer.concat([Buffer.from("TXXX"), sizeOf(body.length), Uint8Array.of(0, 0), body]);
  return Buffer.concat([Buffer.from("ID3"), Uint8Array.of(4, 0, 0), sizeOf(frame.length), frame]);
}

/** Seven bits of each byte. */
function sizeOf(length: number): Uint8Array {
  return Uint8Array.of(length >> 21, (length >> 14) & 127, (length >> 7) & 127, length & 127);
}
