import assert from "node:assert/strict";
import { FrameRelay } from "@leat/node/media/live-frames.ts";
import { EdgeFeed } from "@leat/node/services/delivery/edge-feed.ts";
import { DeliveryError } from "@leat/node/services/delivery/errors.ts";
import type { MediaConnection, MediaMessage, SubscribeMessage } from "@leat/node/wire/media/message.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

const origin = `0x${"01".repeat(20)}` as const;
const limits = { feeds: 1, keptSegments: 3, unfedSegments: 3, lagMs: 6_000, silenceMs: 600 };

describe("edge feed", () => {
  let clock: ManualClock;
  let feed: EdgeFeed;
  let sent: MediaMessage[];
  let serving: Promise<void>;

  beforeEach(() => {
    clock = new ManualClock();
    feed = new EdgeFeed(origin, clock, limits, new FrameRelay(), () => {});
    sent = [];
    const gone = Promise.withResolvers<void>();
    const connection = {
      send: async (message: MediaMessage) => void sent.push(message),
      close: async () => gone.resolve(),
      abort: () => gone.resolve(),
      messages: { [Symbol.asyncIterator]: () => ({ next: () => gone.promise.then(() => ({ done: true })) }) },
    };
    const subscribe = {
      spec: { primitive: "delivery" },
      origin,
      assignment: { value: { job: "0xjob" } },
      fromSequence: 0,
    };
    serving = feed.serve(connection as unknown as MediaConnection, subscribe as unknown as SubscribeMessage) as never;
  });

  afterEach(async () => {
    feed.stop(new DeliveryError({ code: "DELIVERY_ENDED" }));
    await serving;
  });

  /** How often it says that it is there, while so much time passes. */
  async function beats(ms: number): Promise<number> {
    const before = sent.length;
    await clock.advance(ms);
    return sent.slice(before).filter(({ type }) => type === "alive").length;
  }

  it("is there again with each new word of the origin, behind a holder that brings nothing else", async () => {
    await clock.advance(2_000);
    assert.equal(await beats(1_000), 0);
    const told = { type: "progress", atMs: 1, rung: 0, sequence: 0, parts: 0, signature: new Uint8Array(65) } as const;
    feed.tell(told);
    assert.ok((await beats(1_000)) >= 4);
    assert.ok(sent.includes(told));
    feed.cutOff();
    await clock.advance(600);
    assert.equal(await beats(1_000), 0);
  });

  it("is there for as long behind a holder's word as behind the end of the one before, and once", async () => {
    // By the first beat it has said something else.
    await clock.advance(200);
    feed.heard();
    assert.equal(await beats(2_000), 10);
    feed.cutOff();
    assert.equal(await beats(400), 2);
    feed.promised();
    assert.equal(await beats(400), 2);
    feed.cutOff();
    feed.promised();
    assert.equal(await beats(1_000), 0);
    // Some of the stream came in, and another holder is lost.
    feed.heard();
    feed.cutOff();
    assert.equal(await beats(400), 2);
    feed.promised();
    assert.equal(await beats(1_000), 2);
  });
});
