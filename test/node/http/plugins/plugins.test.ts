import assert from "node:assert/strict";
import { httpOptions } from "@leat/node/http/options.ts";
import { addHealth } from "@leat/node/http/plugins/health.ts";
import { addIdempotency, MemoryIdempotencyStore } from "@leat/node/http/plugins/idempotency.ts";
import { addMetrics } from "@leat/node/http/plugins/metrics.ts";
import { addRateLimit } from "@leat/node/http/plugins/rate-limit.ts";
import { createServer } from "@leat/node/http/server.ts";
import { createMetrics } from "@leat/node/kernel/metrics.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import type { FastifyInstance } from "fastify";
import { defaultsOf } from "../../../support/defaults.ts";

describe("http/plugins", () => {
  let app: FastifyInstance;
  const metrics = createMetrics({ processMetrics: false });
  beforeEach(async () => {
    app = await createServer(defaultsOf(httpOptions), { logger: silentLogger, metrics });
  });
  afterEach(() => app.close());
  after(() => metrics.close());

  it("health: is alive at once and ready when every check holds", async () => {
    let reason: string | undefined = "no session yet";
    addHealth(app, [
      { name: "balancer", check: () => reason },
      {
        name: "store",
        check: async () => {
          if (reason !== undefined) throw new Error("/secret/path");
          return undefined;
        },
      },
    ]);
    assert.equal((await app.inject("/healthz")).statusCode, 200);
    const waiting = await app.inject("/readyz");
    assert.equal(waiting.statusCode, 503);
    assert.deepEqual(waiting.json(), { ready: false, checks: { balancer: "no session yet", store: "failed" } });
    reason = undefined;
    const ready = await app.inject("/readyz");
    assert.deepEqual([ready.statusCode, ready.json().ready], [200, true]);
  });

  it("health: shows a condition that does not decide, and is ready without it", async () => {
    addHealth(app, [
      { name: "store", check: () => undefined },
      { name: "srt", decides: false, check: () => "SRT_THREAD_LOST" },
    ]);
    const answer = await app.inject("/readyz");
    const shown = { ready: true, checks: { store: "ok", srt: "SRT_THREAD_LOST" } };
    assert.deepEqual([answer.statusCode, answer.json()], [200, shown]);
  });

  it("metrics: counts requests by route pattern, never by what was asked for", async () => {
    addMetrics(app, metrics);
    app.get("/item/:id", async () => ({}));
    await app.inject("/item/personal");
    await app.inject("/unknown/personal");
    const { body, headers } = await app.inject("/metrics");
    assert.match(String(headers["content-type"]), /^text\/plain/);
    assert.match(body, /leat_http_request_seconds_count\{method="GET",route="\/item\/:id",status="2xx"\} 1/);
    assert.match(body, /leat_http_request_seconds_count\{method="other",route="none",status="4xx"\} 1/);
    assert.ok(!body.includes("personal"));
  });

  it("rate-limit: refuses one address beyond its bound with a code, and nobody else", async () => {
    await app.register(async (group) => {
      await addRateLimit(group, { requestsPerMinute: 2 });
      group.get("/api", async () => ({}));
    });
    app.get("/free", async () => ({}));
    const ask = (remoteAddress: string) => app.inject({ url: "/api", remoteAddress });
    assert.equal((await ask("198.51.100.1")).statusCode, 200);
    assert.equal((await ask("198.51.100.1")).statusCode, 200);
    const refused = await ask("198.51.100.1");
    assert.deepEqual([refused.statusCode, refused.json().error.code], [429, "REQUEST_RATE_LIMITED"]);
    assert.ok(refused.headers["retry-after"] !== undefined);
    assert.equal((await ask("198.51.100.2")).statusCode, 200);
    assert.equal((await app.inject({ url: "/free", remoteAddress: "198.51.100.1" })).statusCode, 200);
  });

  describe("idempotency", () => {
    let created: number;
    let gate: Promise<void> | undefined;
    let fail: boolean;
    beforeEach(async () => {
      created = 0;
      gate = undefined;
      fail = false;
      await app.register(async (group) => {
        addIdempotency(group, { store: new MemoryIdempotencyStore() });
        group.post("/things", async (_request, reply) => {
          await gate;
          if (fail) throw new Error("broken");
          created += 1;
          reply.code(201);
          return { id: created };
        });
      });
    });
    // Async, since what inject gives starts only when it is awaited.
    const post = async (key: string | undefined, payload: object = { a: 1 }) =>
      app.inject({
        method: "POST",
        url: "/things",
        payload,
        headers: key === undefined ? {} : { "idempotency-key": key },
      });

    it("gives the stored answer to the same request and creates once", async () => {
      const first = await post("k");
      const again = await post("k");
      assert.deepEqual([first.statusCode, first.json()], [201, { id: 1 }]);
      assert.deepEqual([again.statusCode, again.json()], [201, { id: 1 }]);
      assert.equal(again.headers["content-type"], first.headers["content-type"]);
      assert.deepEqual(
        [first.headers["idempotency-replayed"], again.headers["idempotency-replayed"]],
        [undefined, "true"],
      );
      assert.equal((await post("other")).json().id, 2);
      assert.equal((await post(undefined)).json().id, 3);
    });

    it("refuses the key for another body, and a malformed key", async () => {
      await post("k");
      const reused = await post("k", { a: 2 });
      assert.deepEqual([reused.statusCode, reused.json().error.code], [409, "IDEMPOTENCY_KEY_REUSED"]);
      assert.equal((await post("a b")).json().error.code, "IDEMPOTENCY_KEY_INVALID");
      assert.equal((await post("x".repeat(129))).json().error.code, "IDEMPOTENCY_KEY_INVALID");
      assert.equal(created, 1);
    });

    it("refuses a second call while the first runs", async () => {
      const open = Promise.withResolvers<void>();
      gate = open.promise;
      const first = post("k");
      const second = await post("k");
      assert.equal(second.json().error.code, "IDEMPOTENCY_IN_PROGRESS");
      open.resolve();
      assert.equal((await first).statusCode, 201);
      const third = await post("k");
      assert.deepEqual([third.statusCode, created], [201, 1]);
    });

    it("forgets a call that failed", async () => {
      fail = true;
      assert.equal((await post("k")).statusCode, 500);
      fail = false;
      assert.deepEqual((await post("k")).json(), { id: 1 });
    });
  });
});
