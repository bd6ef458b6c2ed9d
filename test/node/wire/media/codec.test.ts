import assert from "node:assert/strict";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import {
  MAX_CUE_BYTES,
  MAX_CUES,
  MAX_DATE_MS,
  MAX_FRAME_BYTES,
  MAX_FRAME_TAGS,
  MAX_TAG_BYTES,
} from "@leat/sdk/protocol/limits.ts";
import fc from "fast-check";
import { decodeMediaMessage, encodeMediaMessage } from "../../../../node/wire/media/codec.ts";
import type { MediaMessage } from "../../../../node/wire/media/message.ts";
import { testCodec } from "../../../suites/codec.ts";

const uint32 = fc.nat(0xffff_ffff);
const hex = (size: number) =>
  fc.uint8Array({ minLength: size, maxLength: size }).map((bytes): Hex => `0x${Buffer.from(bytes).toString("hex")}`);
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const code = fc.constantFrom("STREAM_ENDED", "CHECK_FAILED");
const timestamp = fc.maxSafeInteger();
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record<T>(model, { noNullPrototype: true } as never);
const of = <K extends MediaMessage["type"]>(type: K) => fc.constant(type);

const config = fc.oneof(
  record({
    kind: fc.constant("video" as const),
    codec: fc.constantFrom("h264" as const, "vp8" as const, "vp9" as const),
    timescale: fc.constant(90_000 as const),
    width: fc.integer({ min: 1, max: 4_096 }),
    height: fc.integer({ min: 1, max: 4_096 }),
    description: fc.uint8Array({ maxLength: 64 }),
    codecString: fc.constant("avc1.64001f"),
  }),
  record({
    kind: fc.constant("audio" as const),
    codec: fc.constantFrom("aac" as const, "opus" as const),
    timescale: fc.constant(48_000),
    sampleRate: fc.constant(48_000),
    channels: fc.integer({ min: 1, max: 8 }),
    description: fc.uint8Array({ maxLength: 64 }),
    codecString: fc.constant("mp4a.40.2"),
  }),
);

const timed = {
  epoch: uint32,
  dts: timestamp,
  pts: timestamp,
  duration: uint32,
  key: fc.boolean(),
  configVersion: uint32,
  arrivalMs: fc.maxSafeNat(),
  data: fc.uint8Array({ maxLength: 300 }),
};
const tag = record({ pts: fc.maxSafeNat(), tag: fc.uint8Array({ maxLength: 100 }) });
const tags = fc.array(tag, { minLength: 1, maxLength: MAX_FRAME_TAGS });
const frame = fc.oneof(
  record({ kind: fc.constantFrom("video" as const, "audio" as const), ...timed }),
  record({ kind: fc.constantFrom("video" as const, "audio" as const), ...timed, tags }),
);

const place = { rung: uint32, sequence: uint32 };

const values: fc.Arbitrary<MediaMessage> = fc.oneof(
  record({
    type: of("subscribe"),
    assignment: record({
      value: record({
        job: hex(32),
        attempt: uint32,
        node: hex(20),
        quoteHash: hex(32),
        firstFrame: uint64,
        validUntil: uint64,
      }),
      signature: hex(65),
    }),
    quote: record({
      node: hex(20),
      payer: hex(20),
      token: hex(20),
      specHash: hex(32),
      pricesHash: hex(32),
      maxUnits: uint64,
      validUntil: uint64,
      nonce: uint64,
    }),
    spec: fc.oneof(
      record({ stream: hex(32), primitive: fc.constant("delivery" as const) }),
      record({
        stream: hex(32),
        primitive: fc.constant("transcode" as const),
        family: fc.constantFrom("h264" as const, "vp9" as const),
        rungs: fc.constant([
          {
            rung: 1,
            name: "a",
            codec: "vp9" as const,
            width: 320,
            height: 180,
            videoBitrate: 1,
            audioBitrate: 1,
            fps: 29.97,
          },
        ]),
        source: fc.constant({ video: { codec: "h264" as const, codecString: "avc1.640015", width: 320, height: 180 } }),
      }),
    ),
    fromSequence: uint32,
  }),
  record({ type: of("accepted") }),
  record({ type: of("alive") }),
  record({
    type: of("progress"),
    atMs: fc.maxSafeNat(),
    ...place,
    parts: uint32,
    signature: fc.uint8Array({ minLength: 65, maxLength: 65 }),
  }),
  record({ type: of("wish"), rungs: fc.array(uint32, { maxLength: 40 }), hurry: fc.boolean() }),
  record({ type: of("refused"), code }),
  record({
    type: of("description"),
    renditions: fc.constant([
      {
        rung: 1,
        name: "480p",
        kind: "video" as const,
        codec: "h264" as const,
        family: "h264" as const,
        width: 854,
        height: 480,
        bitrate: 1_000_000,
      },
      { rung: 100, name: "audio-aac", kind: "audio" as const, codec: "aac" as const, bitrate: 128_000 },
    ]),
    partTargetMs: fc.constant(250),
    targetDurationS: fc.constant(4),
    ended: fc.boolean(),
  }),
  record({ type: of("config"), rung: uint32, version: uint32, config }),
  record({
    type: of("boundary"),
    boundary: record({
      sequence: uint32,
      epoch: uint32,
      pts: timestamp,
      forced: fc.boolean(),
      discontinuity: fc.boolean(),
      firstFrame: fc.maxSafeNat(),
    }),
    wallClockMs: fc.maxSafeNat(),
  }),
  record({ type: of("frame"), ...place, frame }),
  record({
    type: of("partMark"),
    ...place,
    part: uint32,
    runningHash: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    signature: fc.uint8Array({ minLength: 65, maxLength: 65 }),
  }),
  record({
    type: of("segmentStart"),
    ...place,
    epoch: uint32,
    configVersion: uint32,
    firstFrame: fc.maxSafeNat(),
    discontinuity: fc.boolean(),
    wallClockMs: fc.maxSafeNat(),
  }),
  record({
    type: of("segmentStart"),
    ...place,
    epoch: uint32,
    configVersion: uint32,
    firstFrame: fc.maxSafeNat(),
    discontinuity: fc.boolean(),
    wallClockMs: fc.maxSafeNat(),
    cues: fc.array(
      record({ atMs: fc.integer({ min: 0, max: MAX_DATE_MS }), command: fc.uint8Array({ maxLength: MAX_CUE_BYTES }) }),
      {
        maxLength: MAX_CUES,
      },
    ),
  }),
  record({ type: of("segmentEnd"), ...place, frames: uint32, durationTicks: fc.maxSafeNat() }),
  record({
    ...{ type: of("segmentEnd"), ...place, frames: uint32, durationTicks: fc.maxSafeNat() },
    signature: fc.uint8Array({ minLength: 65, maxLength: 65 }),
  }),
  record({
    type: of("receipt"),
    receipt: record({
      value: record({
        job: hex(32),
        seq: uint64,
        attempt: uint32,
        quoteHash: hex(32),
        inputHash: hex(32),
        outputRoot: hex(32),
        firstFrame: uint64,
        frames: uint32,
        durationMs: uint32,
        sizeBytes: uint64,
      }),
      signature: hex(65),
    }),
    leaves: fc.array(
      record({ rung: uint32, part: uint32, frames: uint32, pixels: uint64, sizeBytes: uint64, sha256: hex(32) }),
      { maxLength: 4 },
    ),
  }),
  record({ type: of("verdict"), sequence: uint32, ok: fc.constant(true) }),
  record({ type: of("verdict"), sequence: uint32, ok: fc.constant(false), code }),
  record({ type: of("end"), code }),
  record({ type: of("partRestart"), ...place }),
);

testCodec<MediaMessage>({
  name: "media messages",
  codec: {
    encode: (message) => Uint8Array.from(Buffer.concat(encodeMediaMessage(message))),
    decode: decodeMediaMessage,
  },
  values,
  // Frame data has no end of its own: the length before the message gives it. So a cut frame reads as a shorter one.
  isOpenEnded: (message) => message.type === "frame",
  refusals: ["WIRE_MESSAGE_INVALID", "WIRE_MESSAGE_TOO_LARGE"],
  numRuns: 200,
});

describe("media messages", () => {
  const codeIs = (wanted: string) => (error: unknown) => isCodedError(error) && error.code === wanted;
  const whole: MediaMessage = {
    type: "frame",
    rung: 1,
    sequence: 2,
    frame: {
      kind: "video",
      epoch: 0,
      dts: 0,
      pts: 0,
      duration: 1,
      key: true,
      configVersion: 0,
      arrivalMs: 0,
      data: new Uint8Array(1),
    },
  };

  it("carry a frame of the largest size and no larger", () => {
    const sized = (size: number): MediaMessage => ({ ...whole, frame: { ...whole.frame, data: new Uint8Array(size) } });
    const encoded = Buffer.concat(encodeMediaMessage(sized(MAX_FRAME_BYTES)));
    const decoded = decodeMediaMessage(encoded);
    assert.ok(decoded.type === "frame" && decoded.frame.data.byteLength === MAX_FRAME_BYTES);
    assert.throws(() => encodeMediaMessage(sized(MAX_FRAME_BYTES + 1)), codeIs("WIRE_MESSAGE_UNSENDABLE"));
    assert.throws(
      () => decodeMediaMessage(Buffer.concat([encoded, Buffer.alloc(1)])),
      codeIs("WIRE_MESSAGE_TOO_LARGE"),
    );
  });

  it("do not copy a frame's data", () => {
    assert.equal(encodeMediaMessage(whole).at(-1), whole.frame.data);
  });

  it("refuse frames that no header can hold", () => {
    for (const wrong of [{ dts: 0.5 }, { duration: -1 }, { epoch: 2 ** 32 }, { arrivalMs: -1 }, { pts: Number.NaN }]) {
      assert.throws(
        () => encodeMediaMessage({ ...whole, frame: { ...whole.frame, ...wrong } }),
        codeIs("WIRE_MESSAGE_UNSENDABLE"),
      );
    }
  });

  it("refuse tags that are too many, too long and cut short", () => {
    const tag = (size: number) => ({ pts: 7, tag: new Uint8Array(size) });
    const sound = { ...whole.frame, kind: "audio" } as const;
    const encode = (frame: object) => Buffer.concat(encodeMediaMessage({ ...whole, frame: { ...sound, ...frame } }));
    for (const wrong of [
      { tags: Array.from({ length: MAX_FRAME_TAGS + 1 }, () => tag(1)) },
      { tags: [tag(MAX_TAG_BYTES + 1)] },
    ]) {
      assert.throws(() => encode(wrong), codeIs("WIRE_MESSAGE_UNSENDABLE"));
    }
    const good = encode({ tags: [tag(3)], data: new Uint8Array() });
    assert.equal(decodeMediaMessage(good).type, "frame");
    // The byte of the type and the header stand before them.
    const altered = (at: number, value: number) => Buffer.from(good).fill(value, at, at + 1);
    const cut = Array.from({ length: good.length - 46 }, (_, index) => good.subarray(0, 46 + index));
    for (const wrong of [altered(46, 0), altered(46, 9), altered(47, 0x80), altered(55, 1), ...cut]) {
      assert.throws(() => decodeMediaMessage(wrong), codeIs("WIRE_MESSAGE_INVALID"));
    }
  });

  it("refuse an unknown type and an empty message", () => {
    assert.throws(() => decodeMediaMessage(Uint8Array.of(200, 0xa0)), codeIs("WIRE_MESSAGE_INVALID"));
    assert.throws(() => decodeMediaMessage(new Uint8Array(0)), codeIs("WIRE_MESSAGE_INVALID"));
  });
});
