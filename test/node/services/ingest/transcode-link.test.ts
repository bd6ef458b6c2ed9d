import assert from "node:assert/strict";
import { type Clock, systemClock } from "@leat/node/kernel/clock.ts";
import { nativeStatements } from "@leat/node/kernel/secp.ts";
import { CheckingService } from "@leat/node/services/checking/checking-service.ts";
import { IngestError } from "@leat/node/services/ingest/errors.ts";
import { FamilyPublisher } from "@leat/node/services/ingest/family-publisher.ts";
import { FamilyTrack } from "@leat/node/services/ingest/family-track.ts";
import type { BegunSegment } from "@leat/node/services/ingest/made-range.ts";
import { PublishedLog } from "@leat/node/services/ingest/published-log.ts";
import type { SourceFacts } from "@leat/node/services/ingest/source-segments.ts";
import { type StartOfWork, TranscodeLink, type TranscodeSource } from "@leat/node/services/ingest/transcode-link.ts";
import type { OutboxItem } from "@leat/node/services/jobs/outbox.ts";
import { packSegment } from "@leat/node/services/jobs/packed-segment.ts";
import { ReplayLogError } from "@leat/node/services/jobs/replay-log.ts";
import type { MediaConnection, MediaMessage } from "@leat/node/wire/media/message.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import { createDomain } from "@leat/sdk/protocol/eip712.ts";
import type { Frame, VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { zeroHash } from "@leat/sdk/protocol/hex.ts";
import { receiptStructure } from "@leat/sdk/protocol/signed.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import { codeOf } from "../../../support/fake-market.ts";
import { encodeFragmented } from "../../../support/media/ffmpeg.ts";
import { readTrack } from "../../../support/media/mp4-reader.ts";
import { plainConfig as config } from "../../../support/plain-config.ts";

const domain = createDomain(31_337, `0x${"e5".repeat(20)}`);
const signer = nativeStatements.createSigner(new Uint8Array(32).fill(7));
const renditions = [{ rung: 1, name: "r1", kind: "video", codec: "h264", family: "h264", bitrate: 1 } as RenditionInfo];
const frames = [0, 1, 2, 3].map((at): Frame => {
  const dts = at * 3_000;
  const data = Uint8Array.of(at);
  const place = { epoch: 0, dts, pts: dts, duration: 3_000, configVersion: 0, arrivalMs: 0 };
  return { kind: "video", ...place, key: at === 0, data };
});
const boundary = { sequence: 0, epoch: 0, pts: 0, forced: false, discontinuity: false, firstFrame: 0 };
const begun: BegunSegment = { boundary, wallClockMs: 0, shownAt: frames.map(({ pts }) => pts), isComplete: true };
const source = { boundary, wallClockMs: 0, config, frames };
const facts: SourceFacts = { ...source, inputHash: () => zeroHash, durationTicks: 12_000 };

describe("transcode link", () => {
  let publisher: FamilyPublisher;
  let taken: number[];
  /** Of each result that was posted: what was taken by then. */
  let takenAtPost: number[][];
  let verdicts: MediaMessage[];
  /** What the transcoder sends: its last message is the receipt. */
  let said: MediaMessage[];
  let link: TranscodeLink;
  /** What happens while the result is being written, and while the facts are awaited. */
  let duringPost: () => void;
  let duringFacts: () => void;
  /** What happens when all its pictures came, and its receipt did not. */
  let beforeReceipt: () => void;
  let firstToRead: number | undefined;
  let started: StartOfWork | undefined;
  /** What its reader wants next is gone. */
  let isBehind: boolean;
  /** It reads nothing that the origin sends. */
  let isDeaf: boolean;
  let clock: Clock;

  beforeEach(async () => {
    [taken, takenAtPost, verdicts] = [[], [], []];
    [firstToRead, started, isBehind, isDeaf] = [undefined, undefined, false, false];
    clock = systemClock;
    [duringPost, duringFacts, beforeReceipt] = [() => {}, () => {}, () => {}];
    const statement = { stream: zeroHash, signer, domain, onFault: assert.ifError };
    publisher = new FamilyPublisher(new FamilyTrack("h264", renditions, 0), {
      log: new PublishedLog({ ...statement, partTargetMs: () => 250, keptSegments: 5 }),
      begun: () => begun,
      isGone: () => false,
      onAbandoned: () => assert.fail("abandoned"),
    });
    const origin: TranscodeSource = {
      readFrom: (start) => {
        started = start;
        return (async function* () {
          if (isBehind) throw new ReplayLogError({ code: "INGEST_READER_BEHIND", wanted: 0, first: 1 });
          yield* [];
        })();
      },
      factsOf: async () => {
        duringFacts();
        return facts;
      },
      restOf: () => undefined,
      publisherOfJob: () => publisher,
      publisherOf: () => publisher,
      isNextGone: () => false,
      firstToRead: () => firstToRead,
      beginAt: ({ track }, sequence) => track.skipTo(sequence),
      take: ({ track }, sequence) => {
        taken.push(sequence);
        track.published(sequence);
        publisher.settle(sequence);
      },
      tellTaken: (_publisher, _sequence, reported) => reported,
      description: () => ({ type: "end", code: "NOT_READ" }),
      partTargetMs: () => 250,
    };
    const work = { job: zeroHash, attempt: 1, quoteHash: zeroHash };
    const totals = { firstFrame: 0n, frames: 4, durationMs: 133, sizeBytes: 4n };
    const value = { ...work, seq: 0n, inputHash: zeroHash, outputRoot: zeroHash, ...totals };
    const receipt = { value, signature: await signer.sign(receiptStructure, domain, value) };
    said = [
      { type: "config", rung: 1, version: 0, config },
      ...frames.map((frame): MediaMessage => ({ type: "frame", rung: 1, sequence: 0, frame })),
      { type: "receipt", receipt, leaves: [] },
    ];
    const connection = {
      remoteAddress: signer.address,
      messages: (async function* () {
        for (const message of said) {
          if (message.type === "receipt") beforeReceipt();
          yield message;
        }
      })(),
      send: async (message: MediaMessage) => {
        if (isDeaf) await new Promise(() => {});
        if (message.type === "verdict") verdicts.push(message);
      },
      close: async () => {},
      abort: () => {},
    };
    const checking = new CheckingService({
      findFault: () => undefined,
      outbox: {
        post: async (_: string, item: OutboxItem) => {
          assert.equal(item.method, "check.submit");
          takenAtPost.push([...taken]);
          duringPost();
        },
        countWaiting: () => 0,
      },
      signer,
      domain,
      clock: systemClock,
      logger: silentLogger,
      metrics: silentMetrics,
    });
    const components = {
      statements: nativeStatements,
      domain,
      checking,
      pack: packSegment,
      clock: { nowMs: () => clock.nowMs(), sleep: (ms: number, signal?: AbortSignal) => clock.sleep(ms, signal) },
    };
    const spec = { primitive: "transcode", rungs: [{ rung: 1 }] };
    const subscribe = { assignment: { value: work }, spec, fromSequence: 0 } as never;
    link = new TranscodeLink(connection as unknown as MediaConnection, subscribe, origin, components, {
      intakeBytes: 100_000,
    });
  });

  const takeOver = () => {
    link.stop(new IngestError({ code: "INGEST_ATTEMPT_REPLACED" }));
    return publisher.attach("other/2", 0);
  };

  it("takes a segment before it says that it passed, and nobody makes it again", async () => {
    let start: unknown;
    duringPost = () => {
      start = takeOver();
    };
    await link.run();
    assert.deepEqual(takenAtPost, [[0]]);
    assert.deepEqual(start, { sequence: 1 });
  });

  it("says nothing of a segment whose maker was replaced before it was judged", async () => {
    duringFacts = takeOver;
    await link.run();
    assert.deepEqual([takenAtPost, taken], [[], []]);
  });

  it("tells the maker of one that was taken", async () => {
    await link.run();
    assert.deepEqual(verdicts, [{ type: "verdict", sequence: 0, ok: true }]);
  });

  it("passes once what viewers have, however late its receipt comes", async () => {
    // Pictures that can be told to be good, so that they go out as they come.
    const input = ["-f", "lavfi", "-i", "testsrc2=size=64x48:rate=30", "-frames:v", "4"];
    const coder = ["-c:v", "libx264", "-preset", "veryfast", "-bf", "0", "-pix_fmt", "yuv420p"];
    const made = readTrack(await encodeFragmented(input, coder));
    said[0] = { type: "config", rung: 1, version: 0, config: made.config as VideoConfig };
    for (const [at, message] of said.entries()) {
      if (message.type !== "frame") continue;
      said[at] = { ...message, frame: { ...message.frame, data: made.frames[at - 1]!.data } };
    }
    said.push(said.at(-1)!);
    beforeReceipt = () => publisher.track.skipTo(5);
    await link.run();
    const published = { type: "verdict", sequence: 0, ok: false, code: "INGEST_SEGMENT_PUBLISHED" };
    assert.deepEqual(verdicts, [{ type: "verdict", sequence: 0, ok: true }, published]);
    assert.deepEqual([takenAtPost, publisher.track.next], [[[0]], 5]);
  });

  const tooLate = { type: "verdict", sequence: 0, ok: false, code: "INGEST_SEGMENT_TOO_LATE" };
  const untilLate = codeOf("INGEST_TRANSCODER_LATE");

  it("passes nothing that came too late to be shown", async () => {
    said.splice(-2, 1);
    beforeReceipt = () => publisher.track.skipTo(5);
    await link.run();
    assert.deepEqual(verdicts, [tooLate]);
    assert.deepEqual(takenAtPost, []);
  });

  it("ends when three in a row came too late, after their verdicts", async () => {
    const receipt = said.at(-1)!;
    beforeReceipt = () => publisher.track.skipTo(5);
    said = [receipt, receipt, receipt];
    await assert.rejects(link.run(), untilLate);
    assert.deepEqual(verdicts, [tooLate, tooLate, tooLate]);
  });

  it("ends so also where its transcoder reads nothing any more", async () => {
    const receipt = said.at(-1)!;
    beforeReceipt = () => publisher.track.skipTo(5);
    said = [receipt, receipt, receipt];
    isDeaf = true;
    clock = { ...systemClock, sleep: async () => {} };
    await assert.rejects(link.run(), untilLate);
  });

  it("does not count what its transcoder made before it began", async () => {
    const receipt = said.at(-1)!;
    firstToRead = 3;
    said = [receipt, receipt, receipt];
    await link.run();
    assert.deepEqual(verdicts, [tooLate, tooLate, tooLate]);
  });

  it("ends when its reader lost its place", async () => {
    isBehind = true;
    said = [];
    await assert.rejects(link.run(), untilLate);
  });

  it("begins where its reader keeps its place, and lacks what was before", async () => {
    firstToRead = 3;
    said = [];
    await link.run();
    assert.deepEqual(started, { sequence: 3 });
    assert.deepEqual([publisher.track.next, publisher.track.isSkipped(2)], [3, true]);
  });
});
