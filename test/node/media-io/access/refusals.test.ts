import assert from "node:assert/strict";
import { RefusalBook, RefusalReporter, type StreamRefusals } from "@leat/node/media-io/access/refusals.ts";
import { PolicyAccess } from "@leat/node/media-io/access/viewer-access.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

describe("refused viewers", () => {
  it("are counted by stream and code, and told once a minute, again where nobody heard it", async () => {
    const clock = new ManualClock();
    const book = new RefusalBook();
    const told: StreamRefusals[] = [];
    const send = async (refusals: StreamRefusals) => {
      told.push(refusals);
      if (refusals.stream === "0xa" && told.length <= 2) throw new Error("no balancer");
    };
    const reporter = new RefusalReporter({ book, send, clock, logger: silentLogger });
    await reporter.start();
    const onRefused = (stream: string, code: Parameters<RefusalBook["note"]>[1]) => book.note(stream, code);
    const owners = { ask: async () => {} };
    const access = new PolicyAccess({ owners, clock, metrics: silentMetrics, onRefused });
    const policy = { type: "jwt", keys: [] } as const;
    const watch = (id: string, token?: string) =>
      access.admit({ id, slug: id, policy }, { token, protocol: "hls" }).catch(() => {});
    for (const token of [undefined, undefined, "no.to-ken"]) await watch("0xa", token);
    await watch("0xb");
    await access.admit({ id: "0xc", slug: "0xc", policy: { type: "public" } }, { protocol: "hls" });
    await clock.advance(59_999);
    assert.deepEqual(told, []);
    await clock.advance(1);
    const missing = (count: number) => ({ code: "PLAYBACK_TOKEN_MISSING", count });
    assert.deepEqual(told, [
      { stream: "0xa", refusals: [missing(2), { code: "PLAYBACK_TOKEN_INVALID", count: 1 }] },
      { stream: "0xb", refusals: [missing(1)] },
    ]);
    await watch("0xa");
    await clock.advance(60_000);
    assert.deepEqual(told.slice(2), [
      { stream: "0xa", refusals: [missing(3), { code: "PLAYBACK_TOKEN_INVALID", count: 1 }] },
    ]);
    await clock.advance(60_000);
    assert.equal(told.length, 3);
    await reporter.stop();
  });

  it("take so much room and no more", () => {
    const book = new RefusalBook();
    for (let at = 0; at < 20_000; at += 1) book.note(`${at}`, "PLAYBACK_TOKEN_MISSING");
    book.note("0", "PLAYBACK_TOKEN_EXPIRED");
    const taken = book.take();
    assert.equal(taken.length, 10_000);
    assert.equal(taken[0]!.refusals.length, 2);
    assert.deepEqual(book.take(), []);
  });
});
