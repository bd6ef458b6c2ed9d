import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { IngestService, ingestOptions } from "@leat/node/services/ingest/ingest-service.ts";
import { RemoteError } from "@leat/node/wire/errors.ts";
import type { NodeRequest } from "@leat/node/wire/session/messages.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import { defaultsOf } from "../../../support/defaults.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

describe("stream keys at an ingest node", () => {
  let clock: ManualClock;
  let ingest: IngestService;
  let asked: NodeRequest<"publish.request">[];
  /** What the balancer answers. */
  let code: string;

  beforeEach(() => {
    clock = new ManualClock();
    asked = [];
    code = "STREAM_KEY_UNKNOWN";
    const session = {
      welcome: undefined,
      call: async (method: string, body: NodeRequest<"publish.request">) => {
        asked.push(body);
        throw new RemoteError({ code, method });
      },
    };
    const components = { session, clock, logger: silentLogger, metrics: silentMetrics } as never;
    ingest = new IngestService(components, { ...defaultsOf(ingestOptions), wrongKeysPerMinute: 3 });
  });

  const publish = (key: string, address = "192.0.2.1") =>
    ingest.authorize(key, { protocol: "rtmp", address, signal: new AbortController().signal });
  const unknown = { code: "STREAM_KEY_UNKNOWN" };
  const limited = { code: "INGEST_KEYS_LIMITED" };

  it("go to the balancer as a hash, and never themselves", async () => {
    await assert.rejects(publish("a-key"), unknown);
    const keyHash = `0x${createHash("sha256").update("a-key").digest("hex")}`;
    assert.deepEqual(asked, [{ keyHash, protocol: "rtmp" }]);
  });

  it("may be guessed a few times a minute from one address, and from others meanwhile", async () => {
    for (const key of ["a", "b", "c"]) await assert.rejects(publish(key), unknown);
    await assert.rejects(publish("d"), limited);
    assert.equal(asked.length, 3);
    await assert.rejects(publish("d", "192.0.2.2"), unknown);
    await clock.advance(20_000);
    await assert.rejects(publish("d"), unknown);
    await assert.rejects(publish("e"), limited);
  });

  it("cost those who try many at once as many waits", async () => {
    await Promise.allSettled(Array.from({ length: 9 }, (_, at) => publish(`guess ${at}`)));
    assert.equal(asked.length, 9);
    await clock.advance(139_000);
    await assert.rejects(publish("more"), limited);
    await clock.advance(1_000);
    await assert.rejects(publish("more"), unknown);
  });

  it("that are right cost nothing, whatever else is in the way", async () => {
    code = "PUBLISH_LEASE_HELD";
    for (let at = 0; at < 10; at += 1) await assert.rejects(publish("right"), { code });
    assert.equal(asked.length, 10);
  });
});
