import assert from "node:assert/strict";
import { setImmediate as immediate } from "node:timers/promises";
import { type OutboxItem, OutboxService, outboxOptions } from "@leat/node/services/jobs/outbox.ts";
import type { JobSession } from "@leat/node/services/jobs/ports.ts";
import { RemoteError, WireError } from "@leat/node/wire/errors.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import { zeroHash } from "@leat/sdk/protocol/hex.ts";
import { defaultsOf } from "../../../support/defaults.ts";

function itemOf(seq: bigint): OutboxItem {
  const value = {
    job: zeroHash,
    seq,
    attempt: 1,
    quoteHash: zeroHash,
    inputHash: zeroHash,
    outputRoot: zeroHash,
    firstFrame: 0n,
    frames: 0,
    durationMs: 0,
    sizeBytes: 0n,
  };
  return { method: "receipt.submit", body: { receipt: { value, signature: "0x" }, leaves: [], kind: "ingest" } };
}

describe("outbox", () => {
  let held: Map<string, OutboxItem>;
  let sent: unknown[];
  let answers: (() => unknown)[];
  /** Milliseconds of each sleep. None takes any time. */
  let slept: number[];
  const open: OutboxService[] = [];

  beforeEach(() => {
    held = new Map();
    sent = [];
    answers = [];
    slept = [];
  });

  afterEach(async () => {
    await Promise.all(open.splice(0).map((outbox) => outbox.stop()));
  });

  async function start(): Promise<OutboxService> {
    const call = (async (_: unknown, body: unknown) => {
      sent.push(body);
      return answers.shift()?.() ?? { accepted: true };
    }) as JobSession["call"];
    const store = {
      put: async (key: string, item: OutboxItem) => void held.set(key, item),
      delete: async (key: string) => void held.delete(key),
      list: async () => [...held].map(([key, item]) => ({ key, item })),
    };
    const clock = {
      nowMs: () => 0,
      sleep: async (ms: number, signal?: AbortSignal) => {
        signal?.throwIfAborted();
        slept.push(ms);
        await immediate();
      },
    };
    const components = { store, session: { call }, clock, logger: silentLogger, metrics: silentMetrics };
    const outbox = new OutboxService(components, defaultsOf(outboxOptions, { retryMs: 10, sendsAtOnce: 1 }));
    open.push(outbox);
    await outbox.start();
    return outbox;
  }

  it("sends an item word for word until it is answered, and then forgets it", async () => {
    const lost = () => {
      throw new WireError({ code: "WIRE_CONNECTION_LOST" });
    };
    answers = [lost, lost];
    const outbox = await start();
    const item = itemOf(1n);
    await outbox.post("a", item);
    await outbox.drained();
    assert.deepEqual(sent, [item.body, item.body, item.body]);
    assert.equal(held.size, 0);
  });

  it("sends after a start what was on disk before it", async () => {
    held.set("a", itemOf(1n));
    held.set("b", itemOf(2n));
    const outbox = await start();
    await outbox.drained();
    assert.deepEqual(sent, [itemOf(1n).body, itemOf(2n).body]);
  });

  it("counts what was neither taken nor refused, also from before its start", async () => {
    held.set("check/a/1", itemOf(1n));
    const answered = Promise.withResolvers<unknown>();
    answers = [() => answered.promise, () => answered.promise];
    const outbox = await start();
    await outbox.post("check/b/1", itemOf(2n));
    assert.deepEqual(
      ["check/", "check/a/", "check/c/"].map((prefix) => outbox.countWaiting(prefix)),
      [2, 1, 0],
    );
    answered.resolve({});
    await outbox.drained();
    assert.equal(outbox.countWaiting("check/"), 0);
  });

  it("takes a refusal of the receipt itself for an answer, and no other", async () => {
    const refuse = (code: string) => () => {
      throw new RemoteError({ code, method: "receipt.submit" });
    };
    answers = [refuse("INTERNAL"), refuse("RECEIPT_RANGE_WRONG")];
    const outbox = await start();
    await outbox.post("a", itemOf(1n));
    await outbox.drained();
    assert.equal(sent.length, 2);
    assert.equal(held.size, 0);
  });

  it("lets others pass while the balancer cannot tell whose a segment is", async () => {
    answers = [
      () => {
        throw new RemoteError({ code: "ATTEMPT_END_UNKNOWN", method: "receipt.submit" });
      },
    ];
    const outbox = await start();
    await Promise.all([outbox.post("a", itemOf(1n)), outbox.post("b", itemOf(2n))]);
    await outbox.drained();
    assert.deepEqual(sent, [itemOf(1n).body, itemOf(2n).body, itemOf(1n).body]);
  });

  it("asks less and less often whose a segment is", async () => {
    answers = Array.from({ length: 12 }, () => () => {
      throw new RemoteError({ code: "ATTEMPT_END_UNKNOWN", method: "receipt.submit" });
    });
    const outbox = await start();
    await outbox.post("a", itemOf(1n));
    await outbox.drained();
    assert.deepEqual(slept, [10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 5_120, 10_000, 10_000]);
  });
});
