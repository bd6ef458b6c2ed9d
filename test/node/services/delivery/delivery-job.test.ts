import assert from "node:assert/strict";
import { systemClock } from "@leat/node/kernel/clock.ts";
import { DeliveryJob, type DeliveryJobComponents } from "@leat/node/services/delivery/delivery-job.ts";
import { deliveryOptions } from "@leat/node/services/delivery/delivery-service.ts";
import { keepPart } from "@leat/node/services/delivery/edge-stream.ts";
import { DeliveryError } from "@leat/node/services/delivery/errors.ts";
import type { MediaMessage } from "@leat/node/wire/media/message.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import type { Frame } from "@leat/sdk/protocol/frame.ts";
import { defaultsOf } from "../../../support/defaults.ts";
import { HolderLine } from "../../../support/holder-line.ts";
import { LinedEdge, type LinedEdgeOptions } from "../../../support/lined-edge.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { plainConfig as config } from "../../../support/plain-config.ts";
import { progressOf, publishSegments, signer } from "../../../support/published-segments.ts";

describe("delivery job", () => {
  const limits = {
    ...defaultsOf(deliveryOptions),
    ...{ segmentBytes: 1, originRetryMs: 1, originRetryMaxMs: 1, creditWaitMs: 0 },
  };
  const report = { accepted: () => {}, failed: () => {} };
  const jobOf = (unsignedBudgetBytes: bigint, more: object = {}, parts: object = {}) => {
    const spec = { stream: "0xid", slug: "slug-slug", renditions: [], origin: {}, unsignedBudgetBytes, ...more };
    const known = { keep: keepPart, report, clock: systemClock, logger: silentLogger, ...parts };
    const components = known as unknown as DeliveryJobComponents;
    const assignment = { value: { node: "0xedge" } };
    return new DeliveryJob({ spec, assignment } as never, components, limits);
  };

  it("cuts off a holder that sends what it does not take, and asks again", async () => {
    const frameOf = (dts: number): Frame => {
      const data = Uint8Array.of(1);
      return { kind: "video", epoch: 0, dts, pts: dts, duration: 1, key: true, configVersion: 0, arrivalMs: 0, data };
    };
    const place = { rung: 1, sequence: 0, epoch: 0, firstFrame: 0, discontinuity: false, wallClockMs: 0 };
    const pulls: MediaMessage[][] = [
      [
        { type: "config", rung: 1, version: 0, config },
        { type: "segmentStart", ...place, configVersion: 0 },
        { type: "frame", rung: 1, sequence: 0, frame: frameOf(0) },
        // More bytes than a segment may have here.
        { type: "frame", rung: 1, sequence: 0, frame: frameOf(1) },
      ],
      [{ type: "end", code: "STREAM_ENDED" }],
    ];
    const aborted: unknown[] = [];
    const openMedia = async () => {
      const messages = pulls.shift()!;
      return { send: async () => {}, close: async () => {}, abort: (error: unknown) => aborted.push(error), messages };
    };
    const job = jobOf(0n, { renditions: [{ rung: 1 }] }, { media: { openMedia } });
    assert.deepEqual(await job.run(), { code: undefined });
    assert.deepEqual(
      aborted.map((error) => (error as DeliveryError).code),
      ["DELIVERY_SEGMENT_TOO_LARGE"],
    );
  });

  it("waits for the next picture of a source that sends one now and then, before it takes its holder for gone", async () => {
    const clock = new ManualClock();
    const failed: unknown[] = [];
    const openMedia = async (_: unknown, peer: string) => {
      const gone = Promise.withResolvers<void>();
      const answers: MediaMessage[] = peer === "0xorigin" ? [{ type: "end", code: "ENDED" }] : [{ type: "accepted" }];
      const messages = (async function* () {
        yield* answers;
        await gone.promise;
      })();
      return { send: async () => {}, close: async () => {}, abort: (error: Error) => gone.reject(error), messages };
    };
    const told = { accepted: () => {}, failed: (node: string, code: string) => failed.push([node, code]) };
    const sources = { origin: { node: "0xorigin" }, parents: [{ node: "0xholder" }] };
    const job = jobOf(0n, { ...sources, partTargetMs: 1_000 }, { clock, media: { openMedia }, report: told });
    const running = job.run();
    // Counted by beats, from the one that heard its answer.
    await clock.advance(2_000);
    assert.deepEqual(failed, []);
    await clock.advance(200);
    assert.deepEqual(failed, [["0xholder", "DELIVERY_PARENT_SILENT"]]);
    assert.deepEqual(await running, { code: undefined });
  });

  it("stays with its own node for as long as that says nothing, though others could be asked", async () => {
    const clock = new ManualClock();
    const asked: string[] = [];
    const gone = Promise.withResolvers<void>();
    const openMedia = async (_: unknown, peer: string) => {
      asked.push(peer);
      if (peer !== "0xedge") throw new DeliveryError({ code: "DELIVERY_ORIGIN_LOST" });
      const messages = (async function* () {
        yield { type: "accepted" } as const;
        await gone.promise;
      })();
      return { send: async () => {}, close: async () => {}, abort: (error: Error) => gone.reject(error), messages };
    };
    const sources = { origin: { node: "0xedge" }, parents: [{ node: "0xholder" }] };
    const job = jobOf(0n, sources, { clock, media: { openMedia } });
    const running = job.run();
    await clock.advance(60_000);
    assert.deepEqual(asked, ["0xholder", "0xedge"]);
    await job.end();
    assert.deepEqual(await running, { code: undefined });
  });

  describe("below another edge", () => {
    let published: readonly (readonly MediaMessage[])[];
    let edge: LinedEdge;
    let fed: HolderLine;
    let nowMs: number;

    before(async () => {
      published = await publishSegments(40);
    });

    afterEach(() => edge.stop());

    async function begin(options: LinedEdgeOptions = {}): Promise<void> {
      edge = new LinedEdge(["0xfirst", "0xsecond"], options);
      [fed, nowMs] = [new HolderLine(), 0];
      const subscribe = {
        spec: { primitive: "delivery" },
        origin: signer.address,
        assignment: { value: { job: "0x" } },
        fromSequence: 0,
      };
      edge.job.hold(fed.connection, subscribe as never);
      await edge.clock.advance(0);
    }

    /** Time passes, during which the origin says every 200 ms that the stream is there, and whoever is asked tells it on. */
    async function pass(ms: number, sequence: number): Promise<void> {
      for (let left = ms; left > 0; left -= 200) {
        edge.current.line.say(await progressOf(sequence, 2, nowMs));
        await edge.clock.advance(200);
        nowMs += 200;
      }
    }

    /** What the edge that it feeds heard of it since then. */
    const heard = (from: number) => fed.told.slice(from).map((message) => message.type);
    const holders = () => edge.lines.map(({ holder }) => holder);

    it("stays a holder of others when its own is lost while the source pauses", async () => {
      await begin();
      edge.current.line.say(...published[0]!, ...published[1]!);
      await pass(5_000, 1);
      edge.current.line.breakOff();
      await edge.clock.advance(0);
      assert.deepEqual(holders(), ["0xfirst", "0xsecond"]);
      for (let round = 0; round < 20; round += 1) {
        const from = fed.told.length;
        await pass(400, 1);
        assert.ok(heard(from).includes("progress"), `${round}`);
      }
      const { told } = fed;
      edge.current.line.say(...published[2]!);
      await pass(200, 2);
      const sequences = told.flatMap((message) => (message.type === "segmentStart" ? [message.sequence] : []));
      assert.deepEqual([sequences, holders().length], [[0, 1, 2], 2]);
    });

    it("says no more that it is there when the one that feeds it only says so of itself", async () => {
      await begin({ limits: { behindMs: 60_000 } });
      edge.current.line.say(...published[0]!);
      await pass(1_000, 0);
      edge.current.line.breakOff();
      for (let beats = 0; beats < 10; beats += 1) {
        edge.current.line.say({ type: "alive" });
        await edge.clock.advance(200);
      }
      const from = fed.told.length;
      edge.current.line.say({ type: "alive" });
      await edge.clock.advance(400);
      assert.deepEqual([heard(from), holders()], [[], ["0xfirst", "0xsecond"]]);
    });

    /** A segment of 400 ms is published every 400 ms, and comes in as often as that. */
    async function trickle(everyMs: number, words: (sequence: number, atMs: number) => Promise<MediaMessage>) {
      for (let sequence = 0; sequence < 40; sequence += 1) {
        if (holders().length > 1) return sequence;
        edge.current.line.say(...published[sequence]!, await words(sequence, sequence * 400));
        for (let left = everyMs; left > 0; left -= 100) {
          edge.current.line.say({ type: "alive" });
          await edge.clock.advance(100);
        }
      }
      return 40;
    }

    it("leaves one that brings the stream at half its speed a second after it is behind, and stays with one in time", async () => {
      await begin();
      assert.equal(await trickle(400, (sequence, atMs) => progressOf(sequence, 2, atMs)), 40);
      await edge.stop();
      await begin();
      // At 1,600 ms the newest word is of 400.
      const at = await trickle(800, (sequence, atMs) => progressOf(sequence, 2, atMs));
      assert.deepEqual([at, edge.failed], [2, [["0xfirst", "DELIVERY_PARENT_LATE"]]]);
    });

    it("leaves as soon one that tells in time how far the stream is, and brings it late", async () => {
      await begin();
      const at = await trickle(800, (sequence, atMs) => progressOf(sequence * 2, 2, atMs * 2));
      // At 1,200 ms it lacks what the origin said at 800, and at 0 it lacked nothing.
      assert.deepEqual([at, edge.failed], [2, [["0xfirst", "DELIVERY_PARENT_LATE"]]]);
    });

    it("takes no old stretch of the stream when it is new to it", async () => {
      await begin({ published: 30 });
      const subscribed = edge.current.line.told[0]!;
      assert.equal(subscribed.type === "subscribe" && subscribed.fromSequence, 11);
      edge.current.line.say(...published[10]!);
      await edge.clock.advance(0);
      assert.deepEqual(edge.failed, [["0xfirst", "DELIVERY_MESSAGE_UNEXPECTED"]]);
      assert.equal(edge.job.sequence, null);
    });

    it("leaves one that begins where it may and goes on as at that time, with the words that were right then", async () => {
      await begin({ published: 30 });
      for (let sequence = 11; edge.failed.length === 0; sequence += 1) {
        assert.ok(sequence < 20);
        edge.current.line.say(...published[sequence]!);
        // Its segments last two seconds.
        for (let beats = 0; beats < 10; beats += 1) {
          edge.current.line.say(await progressOf(sequence, 2, sequence * 2_000 + beats * 200));
          await edge.clock.advance(200);
        }
      }
      assert.deepEqual([edge.failed, edge.job.sequence], [[["0xfirst", "DELIVERY_PARENT_LATE"]], 12]);
    });
  });

  it("says of its stream whether the buyer pays for viewers, as that changes", () => {
    const job = jobOf(0n);
    assert.equal(job.stream.isUnbudgeted, true);
    job.change({ unsignedBudgetBytes: 5n });
    assert.equal(job.stream.isUnbudgeted, false);
    job.change({ unsignedBudgetBytes: 0n });
    assert.equal(job.stream.isUnbudgeted, true);
    assert.equal(jobOf(1n).stream.isUnbudgeted, false);
  });

  it("says of its stream who may watch, as that changes and as nothing else does", () => {
    const names = { id: "0xid", slug: "slug-slug" };
    assert.deepEqual(jobOf(0n).stream.guarded, { ...names, policy: { type: "public" } });
    const job = jobOf(0n, { playback: { type: "jwt", keys: [] } });
    job.change({ unsignedBudgetBytes: 5n });
    assert.deepEqual(job.stream.guarded, { ...names, policy: { type: "jwt", keys: [] } });
    job.change({ playback: { type: "public" } });
    assert.deepEqual(job.stream.guarded, { ...names, policy: { type: "public" } });
  });
});
