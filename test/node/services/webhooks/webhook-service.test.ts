import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@leat/node/kernel/clock.ts";
import type { ResolveName } from "@leat/node/kernel/net/name-lookup.ts";
import { type WebhookOptions, WebhookService, webhookOptions } from "@leat/node/services/webhooks/webhook-service.ts";
import { SqlDatabase } from "@leat/node/store/sql/database.ts";
import { WebhookStore } from "@leat/node/store/sql/webhook-store.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import type { EventType } from "@leat/sdk/protocol/events.ts";
import { sql } from "drizzle-orm";
import { defaultsOf } from "../../../support/defaults.ts";
import { emptyTables, openEmptyDatabase } from "../../../support/empty-database.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { WebhookReceiver } from "../../../support/webhook-receiver.ts";

const account = `0x${"aa".repeat(20)}` as const;
const other = `0x${"bb".repeat(20)}` as const;

describe("webhooks", () => {
  let folder: string;
  let database: SqlDatabase;
  let store: WebhookStore;
  let clock: ManualClock;
  let receiver: WebhookReceiver;
  let service: WebhookService;

  before(async function () {
    this.timeout(60_000);
    folder = await mkdtemp(join(tmpdir(), "leat-webhooks-"));
    database = await openEmptyDatabase(folder);
    store = new WebhookStore(database);
  });
  after(async () => {
    await database.close();
    await rm(folder, { recursive: true, force: true });
  });
  beforeEach(async () => {
    clock = new ManualClock();
    receiver = new WebhookReceiver();
    await receiver.start();
    await begin();
  });
  afterEach(async () => {
    await service.stop();
    await receiver.stop();
    await emptyTables(database);
  });

  async function begin(options: Partial<WebhookOptions> = {}, resolve?: ResolveName) {
    const components = { store, clock, logger: silentLogger, metrics: silentMetrics, ...(resolve && { resolve }) };
    const settings = { ...defaultsOf(webhookOptions), allowPrivate: true, ...options };
    service = new WebhookService(components, settings);
    await service.start();
  }
  const add = (events?: readonly EventType[], owner: typeof account | typeof other = account) =>
    service.add(owner, { url: receiver.url, secret: receiver.secret, ...(events && { events }) });
  const tell = (id: string, type: EventType = "stream.started", owner: typeof account | typeof other = account) =>
    service.tell({ id, type, account: owner, data: { id, big: 12n } });
  /** The loop has looked at its queue and waits for time to pass. FORGET's own sleeper is the other. */
  const untilWaiting = async () => {
    while (clock.sleeping < 2) await new Promise((resolve) => setTimeout(resolve, 1));
  };
  const untilDone = async (count: number) => {
    for (;;) {
      const [row] = (await database.sql.execute(
        sql`select count(*)::int as done from webhook_events where done_at_ms is not null`,
      )) as { done: number }[];
      if (row!.done >= count) return;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  };

  it("refuse what they could never be sent to, unless a private network is allowed", async () => {
    await service.stop();
    const names: Record<string, string> = { "inner.test": "10.1.2.3", "owner.test": "203.0.114.7" };
    const resolve = async (host: string) => {
      if (names[host] === undefined) throw new Error("ENOTFOUND");
      return [{ address: names[host], family: 4 }];
    };
    await begin({ allowPrivate: false }, resolve);
    const codeOf = (url: string) =>
      service.add(account, { url, secret: receiver.secret }).then(
        () => "taken",
        ({ code }: { code: string }) => code,
      );
    for (const [url, code] of [
      ["http://owner.test/x", "WEBHOOK_SCHEME_REFUSED"],
      ["http://127.0.0.1:9/x", "WEBHOOK_SCHEME_REFUSED"],
      ["https://10.0.0.1/x", "WEBHOOK_ADDRESS_REFUSED"],
      ["https://[::1]/x", "WEBHOOK_ADDRESS_REFUSED"],
      // Where a name leads is not told, neither now nor when an event is sent.
      ["https://inner.test/x", "taken"],
      ["https://owner.test/x", "taken"],
      ["https://not-yet.test/x", "taken"],
    ] as const) {
      assert.equal(await codeOf(url), code, url);
    }
    await tell("a");
    const failed = () => service.list(account).filter(({ lastFailure }) => lastFailure !== null);
    while (failed().filter(({ url }) => !url.includes("owner")).length < 2) await new Promise(setImmediate);
    const reasons = failed().flatMap(({ url, lastFailure }) => (url.includes("owner") ? [] : [lastFailure!.reason]));
    assert.deepEqual(reasons, ["WEBHOOK_NAME_REFUSED", "WEBHOOK_NAME_REFUSED"]);
  });

  it("show why the last event was not taken, until one is", async () => {
    await add();
    assert.equal(service.list(account)[0]!.lastFailure, null);
    receiver.answers.push(500);
    const atMs = clock.nowMs();
    await tell("a");
    await receiver.until(1);
    await untilWaiting();
    assert.deepEqual(service.list(account)[0]!.lastFailure, { reason: "status 500", atMs });
    await clock.advance(10_000);
    await untilDone(1);
    assert.equal(service.list(account)[0]!.lastFailure, null);
  });

  it("tell an account's server what happened, signed, in order, and nobody else's", async () => {
    await add();
    await add(undefined, other);
    for (const id of ["a", "b", "c"]) await tell(id);
    await receiver.until(3);
    assert.deepEqual(receiver.ids, ["a", "b", "c"]);
    const { event, timestamp } = receiver.received[0]!;
    const createdAtMs = clock.nowMs();
    assert.deepEqual(event, { id: "a", type: "stream.started", createdAtMs, data: { id: "a", big: "12" } });
    assert.equal(timestamp, String(createdAtMs / 1_000));
  });

  it("tell an endpoint what it asked for, each event once", async () => {
    await add(["stream.ended"]);
    await tell("a");
    await tell("b", "stream.ended");
    await tell("b", "stream.ended");
    await untilDone(1);
    await tell("b", "stream.ended");
    await tell("c", "stream.ended");
    await untilDone(2);
    assert.deepEqual(receiver.ids, ["b", "c"]);
  });

  it("send again what was not acknowledged, later each time, and nothing before it", async () => {
    await add();
    receiver.answers.push(500, 302, 204);
    await tell("a");
    await receiver.until(1);
    await tell("b");
    await untilWaiting();
    await clock.advance(4_999);
    assert.equal(receiver.received.length, 1);
    await clock.advance(1);
    await receiver.until(2);
    await untilWaiting();
    await clock.advance(9_999);
    assert.equal(receiver.received.length, 2);
    await clock.advance(1);
    await receiver.until(4);
    assert.deepEqual(receiver.ids, ["a", "a", "a", "b"]);
    // Signed anew: what the receiver sees is as old as its sending.
    assert.equal(Number(receiver.received[2]!.timestamp) - Number(receiver.received[0]!.timestamp), 15);
  });

  it("go on by themselves after a pause where the disk fails, and tell again what was not noted as told", async () => {
    await add();
    for (const [at, method] of (["next", "finish", "postpone"] as const).entries()) {
      store[method] = async () => {
        Reflect.deleteProperty(store, method);
        throw new Error("no space left on device");
      };
      if (method === "postpone") receiver.answers.push(500);
      await tell(method);
      await untilWaiting();
      await clock.advance(5_000);
      await untilDone(at + 1);
    }
    assert.deepEqual(receiver.ids, ["next", "finish", "finish", "postpone", "postpone"]);
  });

  it("give an event up after a day, and go on with the next", async () => {
    await service.stop();
    await begin({ retryMinMs: 3_600_000, retryMaxMs: 36_000_000 });
    await add();
    receiver.answers.push(500, 500, 500, 500);
    await tell("a");
    let sent = 0;
    for (const hours of [1, 2, 4]) {
      sent += 1;
      await receiver.until(sent);
      await untilWaiting();
      await clock.advance(hours * 3_600_000);
    }
    await receiver.until(4);
    await tell("b");
    await untilWaiting();
    // Eight hours more would be the next try, and then ten; a day is over before.
    receiver.answers.push(500);
    await clock.advance(8 * 3_600_000);
    await receiver.until(5);
    await untilWaiting();
    await clock.advance(9 * 3_600_000);
    await receiver.until(6);
    assert.deepEqual(receiver.ids, ["a", "a", "a", "a", "a", "b"]);
  });

  it("go on after a restart where they were", async () => {
    await add();
    receiver.answers.push(503);
    await tell("a");
    await tell("b");
    await receiver.until(1);
    await untilWaiting();
    await service.stop();
    await begin();
    await untilWaiting();
    await clock.advance(5_000);
    await receiver.until(3);
    assert.deepEqual(receiver.ids, ["a", "a", "b"]);
    assert.equal(service.list(account).length, 1);
    assert.ok(!JSON.stringify(service.list(account)).includes(receiver.secret));
  });

  it("hold so many events for a server that does not answer, and no more", async () => {
    await service.stop();
    await begin({ queuedEvents: 3 });
    await add();
    receiver.answers.push(500);
    for (const id of ["a", "b", "c", "d", "e"]) await tell(id);
    assert.equal((await database.sql.execute(sql`select * from webhook_events`)).length, 3);
    await untilWaiting();
    await clock.advance(5_000);
    await untilDone(3);
    assert.deepEqual(receiver.ids, ["a", "a", "b", "c"]);
  });

  it("refuse an endpoint too many, a bad address and what is another account's; end with their endpoint", async () => {
    await service.stop();
    await begin({ endpointsPerAccount: 2 });
    const [first] = await Promise.all([add(), add()]);
    await assert.rejects(add(), { code: "WEBHOOK_ENDPOINTS_MANY" });
    const secret = receiver.secret;
    await assert.rejects(service.add(other, { url: "https://name:word@x.test/", secret }), {
      code: "WEBHOOK_URL_INVALID",
    });
    await assert.rejects(service.remove(other, first!.id), { code: "WEBHOOK_ENDPOINT_UNKNOWN" });
    receiver.answers.push(undefined, undefined);
    await tell("a");
    await receiver.until(2);
    for (const { id } of service.list(account)) await service.remove(account, id);
    assert.deepEqual(await database.sql.execute(sql`select * from webhook_events`), []);
    await tell("b");
    assert.deepEqual(receiver.ids, ["a", "a"]);
  });

  it("are of so many accounts together, and make room with each that goes", async () => {
    await service.stop();
    await begin({ endpoints: 2 });
    const [first] = await Promise.all([add(), add(undefined, other)]);
    await assert.rejects(add(undefined, other), { code: "WEBHOOK_ENDPOINTS_FULL" });
    await service.remove(account, first!.id);
    await add(undefined, other);
    assert.deepEqual([service.list(account).length, service.list(other).length], [0, 2]);
  });

  it("forget what was still put for an endpoint that was removed meanwhile", async () => {
    const { id } = await add();
    await add(undefined, other);
    const { promise: isRemoved, resolve: removed } = Promise.withResolvers<void>();
    store.put = async (...event) => {
      Reflect.deleteProperty(store, "put");
      await isRemoved;
      return store.put(...event);
    };
    const telling = tell("a");
    await service.remove(account, id);
    removed();
    await telling;
    receiver.answers.push(undefined);
    await tell("b", "stream.started", other);
    await store.forget(0);
    assert.deepEqual(await database.sql.execute(sql`select id from webhook_events`), [{ id: "b" }]);
  });

  it("do not reach into this machine's network", async () => {
    // Taken while it was allowed: it is judged again with each event.
    await add();
    await service.stop();
    await begin({ allowPrivate: false });
    await tell("a");
    await untilWaiting();
    assert.deepEqual(receiver.ids, []);
    assert.equal(service.list(account)[0]!.lastFailure?.reason, "OUTBOUND_SCHEME_REFUSED");
  });
});

describe("webhooks of a process that is killed", () => {
  it("tell every event that was on disk, at least once and in order", async function () {
    this.timeout(60_000);
    const folder = await mkdtemp(join(tmpdir(), "leat-webhooks-"));
    const receiver = new WebhookReceiver();
    await receiver.start();
    try {
      const script = join(import.meta.dirname, "../../../support/webhook-process.ts");
      const child = fork(script, [join(folder, "sql"), receiver.url, receiver.secret]);
      let written = 0;
      child.on("message", (count: number) => {
        written = count;
        if (count >= 30) child.kill("SIGKILL");
      });
      await once(child, "exit");
      assert.ok(written >= 30);
      const database = await SqlDatabase.open(join(folder, "sql"));
      const components = { clock: systemClock, logger: silentLogger, metrics: silentMetrics };
      const options = { ...defaultsOf(webhookOptions), allowPrivate: true, retryMinMs: 10 };
      const service = new WebhookService({ ...components, store: new WebhookStore(database) }, options);
      await service.start();
      const isTold = () => receiver.ids.includes(String(written - 1));
      while (!isTold()) await receiver.until(receiver.received.length + 1);
      await service.stop();
      await database.close();
      const firsts = [...new Set(receiver.ids)].map(Number);
      assert.deepEqual(
        firsts.slice(0, written),
        Array.from({ length: written }, (_, at) => at),
      );
    } finally {
      await receiver.stop();
      await rm(folder, { recursive: true, force: true });
    }
  });
});
