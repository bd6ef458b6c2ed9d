import assert from "node:assert/strict";
import { nativeStatements } from "@leat/node/kernel/secp.ts";
import { FrameRelay } from "@leat/node/media/live-frames.ts";
import { EdgeIntake } from "@leat/node/services/delivery/edge-intake.ts";
import { EdgeStream, keepPart } from "@leat/node/services/delivery/edge-stream.ts";
import { RelayedLog } from "@leat/node/services/delivery/relayed-log.ts";
import { isAltered } from "@leat/node/services/jobs/altered.ts";
import type {
  FrameMessage,
  MediaMessage,
  ProgressMessage,
  SegmentStartMessage,
} from "@leat/node/wire/media/message.ts";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { DeliverySpec } from "@leat/sdk/protocol/job.ts";
import type { Statements } from "@leat/sdk/protocol/statements.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import { plainConfig as config } from "../../../support/plain-config.ts";
import {
  domain,
  frameOf,
  framesPerSegment,
  progressOf,
  publishSegments,
  rendition,
  signer,
  stream,
} from "../../../support/published-segments.ts";

const spec = { stream, renditions: [rendition] } as unknown as DeliverySpec;
const far = 4_000_000_000;
const maxCut = 2;

describe("edge intake", () => {
  let honest: readonly (readonly MediaMessage[])[];
  let served: EdgeStream;
  let log: RelayedLog;
  /** Of what a viewer by frames was told, what was not taken back: segment and number of each frame. */
  let seen: string[];
  /** When the origin said what was believed of how far the stream is, on its own count. */
  let believed: number[];
  let published = 0;
  /** Signatures that were checked. */
  let checked = 0;
  const statements: Statements = {
    ...nativeStatements,
    verifySigned: (...args) => {
      checked += 1;
      nativeStatements.verifySigned(...args);
    },
  };

  beforeEach(async () => {
    honest = await publishSegments(4);
    const frames = new FrameRelay();
    served = createStream(frames);
    log = new RelayedLog(frames, { keptSegments: 20 });
    [seen, believed, published] = [[], [], 0];
    frames.follow(1, {
      config: () => {},
      frame: ({ data }) => seen.push([...data].join(".")),
      takeBack: (count) => seen.splice(seen.length - count),
      end: () => {},
    });
  });

  function createStream(frames = new FrameRelay()): EdgeStream {
    const created = new EdgeStream(keepPart, { id: stream, slug: "slug-slug", policy: { type: "public" } }, frames);
    created.describe(spec.renditions, 250);
    return created;
  }

  /** What one holder sends, from its first word until it is gone or left: why, if it is left. */
  function pull(messages: readonly MediaMessage[], fromSequence = 0): string | undefined {
    const rules = { spec, origin: signer.address, statements, domain, fromSequence, maxCut, published };
    const hooks = { onProgress: ({ atMs }: ProgressMessage) => believed.push(atMs) };
    const parts = { ...rules, ...hooks, maxBytes: 10_000, onPart: () => {}, onServed: () => {}, onSegment: () => {} };
    const intake = new EdgeIntake({ ...parts, stream: served, feed: log.feed() } as never);
    try {
      for (const message of messages) intake.take(message);
      return undefined;
    } catch (error) {
      if (!isCodedError(error)) throw error;
      return error.code;
    }
  }

  const startOf = (sequence: number) => honest[sequence]!.find(({ type }) => type === "segmentStart")!;
  const configOf = (sequence: number) => honest[sequence]![0]!;
  /** A segment's messages until so many frames came. */
  function until(sequence: number, frames: number): MediaMessage[] {
    let left = frames;
    return honest[sequence]!.filter((message) => left > 0 && (message.type !== "frame" || left-- > 0));
  }

  /** Whoever follows by frames, reads files or asks as another edge has all of it, once, whatever came before. */
  async function assertWhole(segments = honest.length): Promise<void> {
    const wanted = honest.slice(0, segments).flatMap((_, sequence) => {
      return Array.from({ length: framesPerSegment }, (_, at) => `${sequence}.${at}`);
    });
    assert.deepEqual(seen, wanted);
    assert.deepEqual(
      served.window.held(1).map(({ sequence, frames }) => [sequence, frames]),
      Array.from({ length: segments }, (_, sequence) => [sequence, framesPerSegment]),
    );
    log.close();
    // Read as the next edge does, from one that is honest.
    const below = new EdgeStream(keepPart, { id: stream, slug: "slug-slug", policy: { type: "public" } });
    below.describe(spec.renditions, 250);
    const next = new RelayedLog(below.frames, { keptSegments: 20 });
    const rules = { spec, origin: signer.address, statements, domain, fromSequence: 0, maxCut };
    const parts = { ...rules, maxBytes: 10_000, onPart: () => {}, onServed: () => {}, onSegment: () => {} };
    const intake = new EdgeIntake({ ...parts, stream: below, feed: next.feed() } as never);
    for await (const message of log.readFrom(0, new AbortController().signal)) intake.take(message);
    const partsOf = ({ window }: EdgeStream) => window.held(1).map((segment) => segment.parts);
    assert.deepEqual(partsOf(below), partsOf(served));
  }

  it("loses nothing to a holder that names a segment far ahead", async () => {
    const start = { ...startOf(1), sequence: far } as SegmentStartMessage;
    const frame: FrameMessage = { type: "frame", rung: 1, sequence: far, frame: frameOf(200, 0) };
    assert.equal(pull([...honest[0]!, configOf(1), start, frame]), undefined);
    assert.equal(pull(honest.flat()), undefined);
    await assertWhole();
  });

  it("loses nothing to a holder that begins the next segment in the middle of one", async () => {
    assert.equal(pull([...honest[0]!, ...until(1, 9), ...until(2, 3)]), undefined);
    assert.equal(pull(honest.flat()), undefined);
    await assertWhole();
  });

  it("shows what is honest behind false pictures, and none of those whose time nobody can go back from", async () => {
    const lieAt = (dts: number, byte: number): MediaMessage => {
      const frame = { ...frameOf(1, 9), dts, pts: dts, data: Uint8Array.of(byte) };
      return { type: "frame", rung: 1, sequence: 1, frame };
    };
    const { dts } = frameOf(1, 9);
    assert.equal(pull([...honest[0]!, ...until(1, 9), lieAt(dts, 66), lieAt(dts + 2_000_000_000, 67)]), undefined);
    assert.equal(seen.at(-1), "66");
    assert.equal(pull(until(1, 10)), undefined);
    assert.ok(!seen.includes("66"));
    assert.equal(pull(honest.slice(1).flat()), undefined);
    await assertWhole();
  });

  it("hands on no frame that it did not take", () => {
    const large = { ...frameOf(1, 3), data: new Uint8Array(10_000) };
    const code = pull([...honest[0]!, ...until(1, 3), { type: "frame", rung: 1, sequence: 1, frame: large }]);
    assert.deepEqual([code, seen.at(-1)], ["DELIVERY_SEGMENT_TOO_LARGE", "1.2"]);
  });

  it("leaves a holder at the first word of a rung that the job does not name", () => {
    const rung = { ...configOf(0), rung: 2 } as MediaMessage;
    assert.equal(pull([...honest[0]!, rung]), "DELIVERY_MESSAGE_UNEXPECTED");
  });

  it("leaves a holder at a codec that no rung has", () => {
    const vp8 = { ...configOf(1), config: { ...config, codec: "vp8" } } as MediaMessage;
    assert.equal(pull([...honest[0]!, vp8]), "DELIVERY_MESSAGE_UNEXPECTED");
  });

  it("leaves a holder whose frames, marks or ends are of another segment than the one that it began", () => {
    const [, start, ...inner] = honest[1]!;
    for (const type of ["frame", "partMark", "segmentEnd"]) {
      const found = inner.find((message) => message.type === type)!;
      const moved = { ...found, sequence: 7 } as MediaMessage;
      assert.equal(pull([configOf(1), start!, moved]), "DELIVERY_MESSAGE_UNEXPECTED", type);
    }
    for (const change of [{ epoch: 3 }, { configVersion: 3 }]) {
      const frame: MediaMessage = { type: "frame", rung: 1, sequence: 1, frame: { ...frameOf(1, 0), ...change } };
      assert.equal(pull([configOf(1), start!, frame]), "DELIVERY_MESSAGE_UNEXPECTED");
    }
  });

  it("leaves a holder that sends again what it sent, or what is older than it was asked for", async () => {
    const old = "DELIVERY_MESSAGE_UNEXPECTED";
    assert.equal(pull([...honest[0]!, ...honest[1]!, ...honest[0]!]), old);
    assert.equal(pull(honest[1]!, 2), old);
    assert.equal(pull([...honest[2]!, ...honest[2]!]), old);
    // A part of it was marked.
    assert.equal(pull([...until(3, 9), startOf(3)]), old);
    assert.equal(pull(honest[3]!), undefined);
    await assertWhole();
  });

  it("believes the origin how far the stream is once it has all of that, each word once", async () => {
    const told = (sequence: number, parts: number, atMs: number) => progressOf(sequence, parts, atMs);
    assert.equal(pull([await told(0, 0, 100), ...honest[0]!, await told(1, 1, 300), await told(0, 2, 500)]), undefined);
    assert.deepEqual(believed, [100, 500]);
    // With the first frame of its second part; the newest part alone may still be on its way to be checked.
    believed = [];
    assert.equal(pull([...until(1, 7), await told(1, 1, 700), await told(1, 3, 900)], 1), undefined);
    assert.deepEqual(believed, []);
    assert.equal(
      pull([...until(1, 8), await told(1, 1, 1_100), await told(1, 2, 1_300), await told(1, 3, 1_500)], 1),
      undefined,
    );
    assert.deepEqual(believed, [1_100, 1_300]);
    checked = 0;
    const old = await told(0, 2, 1_000);
    assert.equal(
      pull([await told(0, 2, 1_099), old, await told(0, 2, 1_198), { ...old, signature: new Uint8Array(65) }]),
      undefined,
    );
    assert.deepEqual([believed.slice(2), checked], [[1_099], 1]);
  });

  it("believes nothing older than what was published before it came", async () => {
    published = 2;
    const words = [await progressOf(0, 0, 100), await progressOf(1, 2, 300), await progressOf(2, 2, 500)];
    assert.equal(pull([...honest.slice(0, 3).flat(), ...words]), undefined);
    assert.deepEqual(believed, [500]);
  });

  it("leaves a holder that makes up how far the stream is", async () => {
    const made = { ...(await progressOf(0, 2, 100)), atMs: 60_000 };
    const code = pull([...honest[0]!, made])!;
    assert.deepEqual([code, isAltered(code), believed], ["STATEMENT_SIGNER_WRONG", true, []]);
  });

  it("looks at nothing of a segment that it has, which comes since another rung lacks it", async () => {
    const other: RenditionInfo = { ...rendition, rung: 2, name: "480p" };
    assert.equal(pull(honest.slice(0, 3).flat()), undefined);
    served.describe([rendition, other], 250);
    checked = 0;
    assert.equal(pull(honest.flat()), undefined);
    // Two parts a segment and its end: those of the last one are new.
    assert.equal(checked, 3);
    const large: MediaMessage = {
      type: "frame",
      rung: 1,
      sequence: 0,
      frame: { ...frameOf(0, 0), data: new Uint8Array(5_001) },
    };
    assert.equal(pull([...honest[0]!.slice(0, 2), large, large]), "DELIVERY_SEGMENT_TOO_LARGE");
    await assertWhole();
  });

  it("leaves a holder that goes on again and again before the end of a segment, and takes that from the next", async () => {
    honest = await publishSegments(30);
    const cut = (sequence: number) => honest[sequence]!.filter(({ type }) => type !== "segmentEnd");
    const sent = (isCut: (sequence: number) => boolean) =>
      honest.flatMap((messages, sequence) => (isCut(sequence) ? cut(sequence) : messages));
    // Two in twenty are those of one that is slow, and one of which nobody signed a part is none.
    const begun = honest.flatMap((messages) => [...messages.slice(0, 4), { type: "alive" } as const]);
    assert.equal(pull(begun), undefined);
    assert.equal(pull(sent((sequence) => sequence % 10 === 3)), undefined);
    assert.equal(served.newest, 29);
    [served, log] = [createStream(), new RelayedLog(new FrameRelay(), { keptSegments: 20 })];
    assert.equal(pull(sent((sequence) => [3, 10, 22].includes(sequence))), "DELIVERY_SEGMENTS_CUT");
    assert.equal(served.newest, 22);
    assert.ok(!isAltered("DELIVERY_SEGMENTS_CUT"));
  });

  it("takes no segment for over of which nobody signed a part", async () => {
    const end: MediaMessage = { type: "segmentEnd", rung: 1, sequence: 1, frames: 0, durationTicks: 0 };
    assert.equal(pull([...honest[0]!, configOf(1), startOf(1), end]), "DELIVERY_PART_UNMARKED");
    assert.equal(pull(honest.flat()), undefined);
    await assertWhole();
  });

  it("leaves a holder that begins again and again, having held and handed on the first of it alone", async () => {
    const restart: MediaMessage = { type: "partRestart", rung: 1, sequence: 1 };
    const rounds = Array.from({ length: 200 }, (_, round): MediaMessage[] => [
      { type: "frame", rung: 1, sequence: 1, frame: { ...frameOf(1, 0), data: Uint8Array.of(66, round) } },
      round % 2 === 0 ? restart : ({ ...startOf(1), wallClockMs: round } as MediaMessage),
    ]);
    assert.equal(pull([...honest[0]!, configOf(1), startOf(1), ...rounds.flat()]), "DELIVERY_MESSAGE_UNEXPECTED");
    assert.ok(log.size <= honest[0]!.length + 3, `${log.size}`);
    assert.equal(pull(honest.flat()), undefined);
    await assertWhole();
  });

  it("leaves a holder whose part never ends, since its frames last no time", async () => {
    const endless = Array.from({ length: 251 }, (_, at): MediaMessage => {
      const frame = { ...frameOf(1, 0), dts: frameOf(1, 0).dts + at, duration: 0, data: new Uint8Array(0) };
      return { type: "frame", rung: 1, sequence: 1, frame };
    });
    assert.equal(pull([...honest[0]!, configOf(1), startOf(1), ...endless.slice(1)]), undefined);
    assert.equal(pull([configOf(1), startOf(1), ...endless]), "DELIVERY_PART_UNMARKED");
    assert.equal(pull(honest.flat()), undefined);
    await assertWhole();
  });

  it("leaves a holder for a frame that no origin can publish", () => {
    const frame: MediaMessage = { type: "frame", rung: 1, sequence: 1, frame: { ...frameOf(1, 0), pts: -1 } };
    const code = pull([...honest[0]!, configOf(1), startOf(1), frame])!;
    assert.deepEqual([code, isAltered(code)], ["PACKAGER_FRAME_TIME", true]);
  });

  it("goes on with another configuration in the middle of the stream, and believes none before a part", async () => {
    const wide = { ...config, width: 640 };
    honest = await publishSegments(4, [config, config, wide, wide]);
    const forged = { ...configOf(1), config: { ...config, width: 2 } } as MediaMessage;
    assert.equal(pull([...honest[0]!, forged, startOf(1)]), undefined);
    assert.deepEqual(served.window.config("240p", 0), config);
    assert.equal(pull(honest.flat()), undefined);
    await assertWhole();
    assert.deepEqual(served.window.config("240p", 1), wide);
  });
});
