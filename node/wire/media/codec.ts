import {
  audioCodecSchema,
  codecStringSchema,
  partLeafSchema,
  pricedPullSchema,
  renditionsSchema,
  sourceVideoCodecSchema,
} from "@leat/sdk/protocol/job.ts";
import {
  MAX_CONFIG_BYTES,
  MAX_CUE_BYTES,
  MAX_CUES,
  MAX_DATE_MS,
  MAX_RECEIPT_LEAVES,
  MAX_RENDITIONS,
  MAX_SESSION_MESSAGE_BYTES,
} from "@leat/sdk/protocol/limits.ts";
import {
  addressSchema,
  bytesSchema,
  closedObject,
  countSchema,
  listSchema,
  publicCodeSchema,
  signedSchema,
  structureSchema,
  uint32Schema,
} from "@leat/sdk/protocol/schemas.ts";
import { assignmentStructure, quoteStructure, receiptStructure } from "@leat/sdk/protocol/signed.ts";
import { type TSchema, Type } from "typebox";
import { type Codec, createCodec } from "../cbor.ts";
import { WireError } from "../errors.ts";
import { decodeFrame, encodeFrame } from "./frame-codec.ts";
import type { FrameMessage, MediaMessage, MediaMessageType } from "./message.ts";

/** A media message is one byte of type and its body: a frame's is a fixed header and the data, all others are CBOR. */

const timestampSchema = Type.Integer({ minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER });
const sideSchema = Type.Integer({ minimum: 1, maximum: 16_384 });

const videoConfigSchema = closedObject({
  kind: Type.Literal("video"),
  codec: sourceVideoCodecSchema,
  timescale: Type.Literal(90_000),
  width: sideSchema,
  height: sideSchema,
  description: bytesSchema(MAX_CONFIG_BYTES),
  codecString: codecStringSchema,
});

const audioConfigSchema = closedObject({
  kind: Type.Literal("audio"),
  codec: audioCodecSchema,
  timescale: Type.Integer({ minimum: 1, maximum: 768_000 }),
  sampleRate: Type.Integer({ minimum: 1, maximum: 768_000 }),
  channels: Type.Integer({ minimum: 1, maximum: 64 }),
  description: bytesSchema(MAX_CONFIG_BYTES),
  codecString: codecStringSchema,
});

const boundarySchema = closedObject({
  sequence: uint32Schema,
  epoch: uint32Schema,
  pts: timestampSchema,
  forced: Type.Boolean(),
  discontinuity: Type.Boolean(),
  firstFrame: countSchema,
});

const cueSchema = closedObject({
  atMs: Type.Integer({ minimum: 0, maximum: MAX_DATE_MS }),
  command: bytesSchema(MAX_CUE_BYTES),
});

const place = { rung: uint32Schema, sequence: uint32Schema };

/** Type bytes are for ever: a new message takes the next number. */
const bodies = {
  subscribe: {
    byte: 1,
    schema: closedObject({
      assignment: signedSchema(assignmentStructure),
      quote: structureSchema(quoteStructure),
      spec: pricedPullSchema,
      fromSequence: uint32Schema,
      origin: Type.Optional(addressSchema),
    }),
  },
  accepted: { byte: 2, schema: closedObject({}) },
  refused: { byte: 3, schema: closedObject({ code: publicCodeSchema }) },
  description: {
    byte: 4,
    schema: closedObject({
      renditions: renditionsSchema,
      partTargetMs: Type.Integer({ minimum: 1, maximum: 60_000 }),
      targetDurationS: Type.Integer({ minimum: 1, maximum: 3_600 }),
      ended: Type.Boolean(),
    }),
  },
  config: {
    byte: 5,
    schema: closedObject({
      rung: uint32Schema,
      version: uint32Schema,
      config: Type.Union([videoConfigSchema, audioConfigSchema]),
    }),
  },
  boundary: {
    byte: 6,
    schema: closedObject({
      boundary: boundarySchema,
      wallClockMs: countSchema,
      firstPart: Type.Optional(uint32Schema),
    }),
  },
  partMark: {
    byte: 8,
    schema: closedObject({
      ...place,
      part: uint32Schema,
      runningHash: bytesSchema(32, 32),
      signature: bytesSchema(65, 65),
    }),
  },
  segmentStart: {
    byte: 9,
    schema: closedObject({
      ...place,
      epoch: uint32Schema,
      configVersion: uint32Schema,
      firstFrame: countSchema,
      discontinuity: Type.Boolean(),
      wallClockMs: countSchema,
      cues: Type.Optional(listSchema(cueSchema, MAX_CUES)),
    }),
  },
  segmentEnd: {
    byte: 10,
    schema: closedObject({
      ...place,
      frames: uint32Schema,
      durationTicks: countSchema,
      signature: Type.Optional(bytesSchema(65, 65)),
    }),
  },
  receipt: {
    byte: 11,
    schema: closedObject({
      receipt: signedSchema(receiptStructure),
      leaves: listSchema(partLeafSchema, MAX_RECEIPT_LEAVES),
    }),
  },
  verdict: {
    byte: 12,
    schema: closedObject({ sequence: uint32Schema, ok: Type.Boolean(), code: Type.Optional(publicCodeSchema) }),
  },
  end: { byte: 13, schema: closedObject({ code: publicCodeSchema }) },
  partRestart: { byte: 14, schema: closedObject(place) },
  wish: { byte: 15, schema: closedObject({ rungs: listSchema(uint32Schema, MAX_RENDITIONS), hurry: Type.Boolean() }) },
  alive: { byte: 16, schema: closedObject({}) },
  progress: {
    byte: 17,
    schema: closedObject({ atMs: countSchema, ...place, parts: uint32Schema, signature: bytesSchema(65, 65) }),
  },
} satisfies Record<Exclude<MediaMessageType, "frame">, { byte: number; schema: TSchema }>;

const FRAME_BYTE = 7;

interface BodyCodec {
  readonly type: keyof typeof bodies;
  readonly byte: number;
  readonly codec: Codec<unknown>;
}

const bodyCodecs: readonly BodyCodec[] = Object.entries(bodies).map(([type, { byte, schema }]) => ({
  type: type as keyof typeof bodies,
  byte,
  codec: createCodec(schema, MAX_SESSION_MESSAGE_BYTES),
}));
const codecByType = new Map(bodyCodecs.map((codec) => [codec.type, codec]));
const codecByByte = new Map(bodyCodecs.map((codec) => [codec.byte, codec]));

/** In pieces, so that a frame's data is not copied. Throws WIRE_MESSAGE_UNSENDABLE. */
export function encodeMediaMessage(message: MediaMessage): Uint8Array[] {
  if (message.type === "frame") return [Uint8Array.of(FRAME_BYTE), ...encodeFrame(message)];
  const { type, ...body } = message;
  const { byte, codec } = codecByType.get(type)!;
  return [Uint8Array.of(byte), codec.encode(body)];
}

/** Throws WIRE_MESSAGE_INVALID or WIRE_MESSAGE_TOO_LARGE. A frame's data is a view of `bytes`. */
export function decodeMediaMessage(bytes: Uint8Array): MediaMessage {
  const byte = bytes[0];
  if (byte === FRAME_BYTE) return decodeFrame(bytes.subarray(1)) satisfies FrameMessage;
  const found = byte === undefined ? undefined : codecByByte.get(byte);
  if (found === undefined)
    throw new WireError({ code: "WIRE_MESSAGE_INVALID", reason: "unknown type of media message" });
  return { type: found.type, ...(found.codec.decode(bytes.subarray(1)) as object) } as MediaMessage;
}
