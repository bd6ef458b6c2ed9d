import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { httpOptions } from "@leat/node/http/options.ts";
import { registerApi } from "@leat/node/http/rest/api.ts";
import { createServer } from "@leat/node/http/server.ts";
import { nativeStatements } from "@leat/node/kernel/secp.ts";
import type { ViewerRequest } from "@leat/node/media-io/access/viewer-access.ts";
import { AllottedDelegates } from "@leat/node/services/payment/delegates.ts";
import { WebhookService, webhookOptions } from "@leat/node/services/webhooks/webhook-service.ts";
import { AudienceStore } from "@leat/node/store/sql/audience-store.ts";
import type { SqlDatabase } from "@leat/node/store/sql/database.ts";
import { SqlIdempotencyStore } from "@leat/node/store/sql/idempotency.ts";
import { StreamStore } from "@leat/node/store/sql/stream-store.ts";
import { WebhookStore } from "@leat/node/store/sql/webhook-store.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import { signApiRequest } from "@leat/sdk/protocol/api-request.ts";
import { bytesToHex } from "@leat/sdk/protocol/hex.ts";
import { findNamedLadder } from "@leat/sdk/protocol/named-ladders.ts";
import type { Candidate } from "@leat/sdk/selection/candidate.ts";
import { defaultParameters } from "@leat/sdk/selection/parameters.ts";
import { createTable, verifyCandidate } from "@leat/sdk/selection/table.ts";
import { fromText } from "@leat/sdk/selection/text.ts";
import type { FastifyInstance } from "fastify";
import { usdc } from "../../../support/candidates.ts";
import { MemoryChannelView } from "../../../support/channel-view.ts";
import { defaultsOf } from "../../../support/defaults.ts";
import { openEmptyDatabase } from "../../../support/empty-database.ts";
import { type FakeMarket, randomHash, startMarket } from "../../../support/fake-market.ts";
import { clusterAccount, domain, FakeNode } from "../../../support/fake-node.ts";

const order = {
  ladder: [{ name: "480p", codec: "h264", height: 480, videoBitrate: 1_000_000, audioBitrate: 128_000 }],
  token: usdc,
  nonce: randomHash(9),
  unsignedBudgetBytes: "1000",
};

describe("rest", () => {
  let folder: string;
  let database: SqlDatabase;
  let market: FakeMarket;
  let app: FastifyInstance;
  let webhooks: WebhookService;
  const nodes = [new FakeNode(1, ["ingest", "delivery"]), new FakeNode(2, ["ingest", "transcode", "delivery"])];
  const buyer = new FakeNode(4, ["buyer"]);
  before(async function () {
    this.timeout(60_000);
    folder = await mkdtemp(join(tmpdir(), "leat-rest-"));
    database = await openEmptyDatabase(folder);
    market = await startMarket(database, { nodes });
    for (const node of [...nodes, buyer]) market.hub.join(node);
    const { balancer, clock } = market;
    app = await createServer(defaultsOf(httpOptions), { logger: silentLogger, metrics: silentMetrics });
    const limits = { requestsPerMinute: 1_000 };
    const idempotency = new SqlIdempotencyStore(database, clock);
    const chain = new MemoryChannelView(0n);
    const delegates = new AllottedDelegates({ chain, clock, payee: clusterAccount, tokens: [usdc] });
    const auth = { domain, cluster: 1n, statements: nativeStatements, delegates, clock };
    const resolve = async () => [{ address: "203.0.114.7", family: 4 }];
    const shared = { clock, logger: silentLogger, metrics: silentMetrics, resolve };
    webhooks = new WebhookService({ store: new WebhookStore(database), ...shared }, defaultsOf(webhookOptions));
    await webhooks.start();
    await registerApi(app, { balancer, idempotency, webhooks, ...auth }, limits);
  });
  after(async () => {
    await app.close();
    await webhooks.stop();
    await market.balancer.stop();
    await database.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function call(
    method: "GET" | "POST",
    url: string,
    options: { body?: object; key?: string; as?: FakeNode } = {},
  ) {
    const payload = options.body === undefined ? "" : JSON.stringify(options.body);
    const parts = { method, target: url, body: new TextEncoder().encode(payload) };
    const issuedAt = BigInt(Math.floor(market.clock.nowMs() / 1_000));
    const { signer } = options.as ?? buyer;
    const authorization = await signApiRequest(signer, domain, parts, {
      cluster: 1n,
      issuedAt,
      nonce: bytesToHex(randomBytes(32)),
    });
    return app.inject({
      method,
      url,
      headers: {
        authorization,
        ...(payload === "" ? {} : { "content-type": "application/json" }),
        ...(options.key === undefined ? {} : { "idempotency-key": options.key }),
      },
      ...(payload === "" ? {} : { payload }),
    });
  }

  it("lets a page of any origin call it and read what it says, refusals too", async () => {
    const origin = "https://page.example";
    const question = {
      origin,
      "access-control-request-method": "POST",
      "access-control-request-headers": "authorization,content-type,idempotency-key",
    };
    for (const url of ["/v1/streams", `/v1/streams/${randomHash(1)}/playback`, "/v1/webhooks"]) {
      const asked = await app.inject({ method: "OPTIONS", url, headers: question });
      assert.equal(asked.statusCode, 204, url);
      assert.equal(asked.headers["access-control-allow-origin"], "*");
      assert.match(String(asked.headers["access-control-allow-methods"]), /POST/);
      for (const name of ["Authorization", "Content-Type", "Idempotency-Key"]) {
        assert.ok(String(asked.headers["access-control-allow-headers"]).includes(name), name);
      }
    }
    const elsewhere = await app.inject({ method: "OPTIONS", url: "/outside", headers: question });
    assert.deepEqual(
      [elsewhere.statusCode, elsewhere.headers["access-control-allow-methods"]],
      [404, undefined],
      "about what is none of the API's",
    );
    for (const [url, status] of [
      ["/v1/cluster", 200],
      ["/v1/play/nothing", 404],
      ["/v1/streams", 401],
      ["/v1/webhooks", 401],
    ] as const) {
      const { statusCode, headers } = await app.inject({ url, headers: { origin } });
      assert.deepEqual([statusCode, headers["access-control-allow-origin"]], [status, "*"], url);
    }
    const { headers } = await app.inject({ url: "/outside", headers: { origin } });
    assert.equal(headers["access-control-allow-origin"], undefined);
  });

  it("makes one stream however often the same call is repeated", async () => {
    const first = await call("POST", "/v1/streams", { body: order, key: "one" });
    assert.equal(first.statusCode, 201, first.body);
    const again = await call("POST", "/v1/streams", { body: order, key: "one" });
    assert.deepEqual(again.json(), first.json());
    const { streams } = (await call("GET", "/v1/streams")).json();
    assert.deepEqual(
      streams.map(({ id }: { id: string }) => id),
      [first.json().id],
    );
  });

  it("makes streams of a ladder by its name, and refuses one that nothing is called", async () => {
    const as = { as: new FakeNode(11, ["buyer"]) };
    const make = (ladder: unknown, key: string) =>
      call("POST", "/v1/streams", { ...as, body: { ...order, ladder }, key });
    const made = await make("h264+vp9", "named");
    assert.equal(made.statusCode, 201, made.body);
    const { ladder } = (await call("GET", `/v1/streams/${made.json().id}`, as)).json();
    assert.deepEqual(ladder, findNamedLadder("h264+vp9"));
    const alone = await make(order.ladder, "rung");
    assert.equal(alone.statusCode, 201, alone.body);
    assert.deepEqual((await call("GET", `/v1/streams/${alone.json().id}`, as)).json().ladder, order.ladder);
    for (const wrong of ["h265", "", [{ name: "h264" }], "h264+", 264]) {
      assert.equal((await make(wrong, `wrong-${typeof wrong}-${String(wrong).length}`)).statusCode, 400, String(wrong));
    }
  });

  it("lists streams of one millisecond over pages, each once", async () => {
    const store = new StreamStore(database);
    const as = { as: new FakeNode(9, ["buyer"]) };
    const row = (await store.list(buyer.address, 1))[0]!;
    const ids = [5, 3, 8, 1].map((digit) => randomHash(digit));
    for (const [at, id] of ids.entries()) {
      await store.insert(
        { ...row, state: "ended", id, slug: `paged-${at}xx`, buyer: as.as.address },
        randomHash(40 + at),
      );
    }
    const found: string[] = [];
    for (let before = ""; found.length < 9; ) {
      const { streams } = (await call("GET", `/v1/streams?limit=2${before}`, as)).json();
      if (streams.length === 0) break;
      found.push(...streams.map(({ id }: { id: string }) => id));
      before = `&before=${streams.at(-1).createdAtMs}.${streams.at(-1).id}`;
    }
    assert.deepEqual(found, [...ids].sort().reverse());
    const older = (await call("GET", `/v1/streams?before=${row.createdAtMs}`, as)).json();
    assert.deepEqual(older.streams, []);
    assert.equal((await call("GET", "/v1/streams?before=x", as)).statusCode, 400);
  });

  it("says what a new stream will cost, and what may not be as its buyer meant it", async () => {
    const made = (await call("POST", "/v1/streams", { body: order, key: "priced" })).json();
    const { deliveredByte } = made.quote.prices;
    assert.equal(made.estimate.deliveryMostExact, (1_000n * BigInt(deliveredByte)).toString());
    assert.ok(BigInt(made.estimate.transcodePerMinuteExact) > 0n);
    assert.deepEqual(made.warnings, []);
    const budget = { ...order, region: "mars", unsignedBudgetBytes: "9".repeat(18) };
    const far = await call("POST", "/v1/streams", { body: budget, key: "far" });
    const codes = far.json().warnings.map(({ code }: { code: string }) => code);
    assert.deepEqual([far.statusCode, codes], [201, ["STREAM_REGION_EMPTY", "STREAM_BUDGET_ABOVE_RESERVE"]]);
    assert.deepEqual(far.json().warnings[0].regions, ["local"]);
    for (const { id } of [made, far.json()]) await call("POST", `/v1/streams/${id}/end`, { body: {} });
  });

  it("shows and changes who may watch, to its owner alone, and keeps the secret", async () => {
    const secret = "sixteen-characters-and-more";
    const playback = { type: "webhook", url: "https://owner.test/may", secret };
    const made = (await call("POST", "/v1/streams", { body: { ...order, playback }, key: "guarded" })).json();
    const shown = await call("GET", `/v1/streams/${made.slug}`);
    assert.deepEqual(shown.json().playback, { type: "webhook", url: "https://owner.test/may", failOpen: false });
    assert.ok(!shown.body.includes(secret));
    const admit = market.access.admit.bind(market.access);
    const viewers: ViewerRequest[] = [];
    market.access.admit = (guarded, viewer) => {
      viewers.push(viewer);
      return admit(guarded, viewer);
    };
    const asked = await app.inject({ url: `/v1/play/${made.slug}?token=t`, remoteAddress: "192.0.2.7" });
    assert.deepEqual(viewers, [{ token: "t", origin: undefined, from: "192.0.2.7", protocol: "play" }]);
    assert.deepEqual([asked.statusCode, asked.json().error.code], [503, "PLAYBACK_WEBHOOK_UNREACHABLE"]);
    const url = `/v1/streams/${made.slug}/playback`;
    assert.equal((await call("POST", url, { body: { type: "public" }, as: nodes[0]! })).statusCode, 404);
    assert.equal((await call("POST", url, { body: { type: "secret" } })).statusCode, 400);
    assert.equal((await call("POST", url, { body: { type: "jwt", keys: [] } })).statusCode, 400);
    const inner = await call("POST", url, { body: { ...playback, url: "https://127.0.0.1/x" } });
    assert.deepEqual([inner.statusCode, inner.json().error.code], [400, "PLAYBACK_WEBHOOK_ADDRESS_REFUSED"]);
    assert.equal((await call("GET", `/v1/streams/${made.slug}`)).json().playback.url, "https://owner.test/may");
    assert.deepEqual((await call("POST", url, { body: { type: "public" } })).json().playback, { type: "public" });
    assert.equal((await app.inject({ url: `/v1/play/${made.slug}` })).statusCode, 200);
    assert.equal((await call("POST", `/v1/streams/${made.slug}/end`, { body: {} })).statusCode, 200);
    assert.equal((await call("POST", url, { body: { type: "public" } })).json().error.code, "STREAM_ENDED");
  });

  it("makes a stream that is pulled, shows its source without what is secret, and refuses sources by their code", async () => {
    const url = "http://me:quiet@camera.example/live.ts?token=hush";
    const made = await call("POST", "/v1/streams", {
      body: { ...order, pull: { url, when: "always" } },
      key: "pulled",
    });
    assert.equal(made.statusCode, 201, made.body);
    const shown = await call("GET", `/v1/streams/${made.json().slug}`);
    const pull = { url: "http://***@camera.example/live.ts?***", when: "always", code: null };
    assert.deepEqual(shown.json().pull, pull);
    assert.doesNotMatch(shown.body + made.body, /quiet|hush/);
    const refused = await call("POST", "/v1/streams", {
      body: { ...order, pull: { url: "file:///etc/passwd" } },
      key: "f",
    });
    assert.deepEqual([refused.statusCode, refused.json().error.code], [400, "PULL_SCHEME_REFUSED"]);
    for (const node of nodes) node.refusals.set("pull.check", "PULL_ADDRESS_PRIVATE");
    const inner = await call("POST", "/v1/streams", {
      body: { ...order, pull: { url: "http://10.0.0.1/" } },
      key: "p",
    });
    for (const node of nodes) node.refusals.clear();
    assert.deepEqual([inner.statusCode, inner.json().error.code], [403, "PULL_ADDRESS_PRIVATE"]);
    assert.match(inner.json().error.message, /private network/);
  });

  it("has a stream sent on to targets, and shows them without their keys", async () => {
    const target = { name: "one", url: "rtmp://live.example/app/s3cr3t" };
    const made = await call("POST", "/v1/streams", { body: { ...order, targets: [target] }, key: "sent-on" });
    assert.equal(made.statusCode, 201, made.body);
    const shown = await call("GET", `/v1/streams/${made.json().slug}`);
    const masked = { name: "one", url: "rtmp://live.example/***", rung: null, code: "RESTREAM_WAITING" };
    assert.deepEqual(shown.json().targets, [masked]);
    const url = `/v1/streams/${made.json().slug}/targets`;
    const changed = await call("POST", url, { body: { targets: [target, { ...target, name: "two", rung: "480p" }] } });
    assert.deepEqual(changed.json().targets, [masked, { ...masked, name: "two", rung: "480p" }]);
    const refused = await call("POST", url, { body: { targets: [{ ...target, url: "file://s3cr3t/x/y" }] } });
    assert.deepEqual([refused.statusCode, refused.json().error.code], [400, "RESTREAM_SCHEME_REFUSED"]);
    const twice = await call("POST", url, { body: { targets: [target, target] } });
    assert.deepEqual([twice.statusCode, twice.json().error.code], [400, "RESTREAM_NAME_TWICE"]);
    const many = Array.from({ length: 9 }, (_, index) => ({ ...target, name: `n${index}` }));
    assert.equal((await call("POST", url, { body: { targets: many } })).statusCode, 400);
    const spaced = await call("POST", url, { body: { targets: [{ ...target, url: "rtmp://a b/s3cr3t/x" }] } });
    assert.equal(spaced.statusCode, 400);
    for (const { body } of [made, shown, changed, refused, twice, spaced]) assert.doesNotMatch(body, /s3cr3t/);
    assert.equal((await call("POST", url, { body: { targets: [] }, as: nodes[0]! })).statusCode, 404);
    assert.deepEqual((await call("POST", url, { body: { targets: [] } })).json().targets, []);
  });

  it("adds, shows and removes webhooks for their account alone, and shows no secret", async () => {
    const body = { url: "https://owner.test/events", secret: "sixteen-characters-and-more", events: ["stream.ended"] };
    const made = await call("POST", "/v1/webhooks", { body });
    const { id } = made.json();
    assert.equal(made.statusCode, 201);
    const shown = await call("GET", "/v1/webhooks");
    const { url, events } = body;
    assert.deepEqual(shown.json().webhooks, [
      { id, url, events, createdAtMs: market.clock.nowMs(), lastFailure: null },
    ]);
    assert.deepEqual((await call("GET", "/v1/webhooks", { as: nodes[0]! })).json().webhooks, []);
    const remove = `/v1/webhooks/${id}/remove`;
    assert.equal(
      (await call("POST", remove, { body: {}, as: nodes[0]! })).json().error.code,
      "WEBHOOK_ENDPOINT_UNKNOWN",
    );
    for (const wrong of [
      { ...body, secret: "short" },
      { ...body, events: ["all"] },
      { ...body, url: "ftp://x.test/" },
      { ...body, url: "http://x.test/" },
      { ...body, url: "https://10.0.0.1/x" },
    ]) {
      assert.equal((await call("POST", "/v1/webhooks", { body: wrong })).statusCode, 400);
    }
    assert.equal((await call("POST", remove, { body: {} })).statusCode, 200);
    assert.deepEqual((await call("GET", "/v1/webhooks")).json().webhooks, []);
    assert.equal((await app.inject({ url: "/v1/webhooks" })).statusCode, 401);
  });

  it("answers failures with their code", async () => {
    const codeOf = async (response: ReturnType<typeof call>) => (await response).json().error.code;
    assert.equal(
      await codeOf(call("POST", "/v1/streams", { body: { ...order, more: 1 }, key: "a" })),
      "REQUEST_INVALID",
    );
    const ceilings = { ...order, priceCeilings: { pixelH264: "1" } };
    assert.equal(await codeOf(call("POST", "/v1/streams", { body: ceilings, key: "b" })), "PRICE_ABOVE_CEILING");
    market.books.reserve = 0n;
    const unfunded = await call("POST", "/v1/streams", { body: order, key: "c" });
    market.books.reserve = 10n ** 12n;
    assert.deepEqual([unfunded.statusCode, unfunded.json().error.code], [402, "BUYER_UNFUNDED"]);
    assert.match(unfunded.json().error.message, /whole tokens of USDC, and /);
    assert.equal((await app.inject({ url: "/v1/streams" })).statusCode, 401);
    const viewer = await app.inject({ url: "/v1/play/unknown-stream" });
    const owner = await call("GET", "/v1/streams/unknown-stream");
    // No stream can have these names.
    const others = await Promise.all(
      ["nosuch", "%00unknown-stream", "x".repeat(90)].map((slug) => app.inject({ url: `/v1/play/${slug}` })),
    );
    for (const { statusCode, json } of [viewer, owner, ...others]) {
      assert.deepEqual([statusCode, json().error.code], [404, "STREAM_UNKNOWN"]);
    }
    // Who watches has no list of streams, and may be no owner.
    assert.match(viewer.json().error.message, /^there is no stream unknown-stream; look at the address/);
    assert.match(
      owner.json().error.message,
      /^you have no stream unknown-stream; "scripts\/leat stream list" shows yours$/,
    );
  });

  it("shows a stream, its jobs, receipts and payments to its owner alone, and ends it", async () => {
    const { id, slug } = (await call("POST", "/v1/streams", { body: order, key: "mine" })).json();
    for (const path of ["", "/jobs", "/receipts", "/payments"]) {
      assert.equal((await call("GET", `/v1/streams/${slug}${path}`)).statusCode, 200);
      assert.equal((await call("GET", `/v1/streams/${id}${path}`, { as: nodes[0] })).statusCode, 404);
    }
    assert.equal((await app.inject({ url: `/v1/play/${slug}` })).json().state, "created");
    const ended = await call("POST", `/v1/streams/${id}/end`, { body: {} });
    assert.equal(ended.json().state, "ended", ended.body);
  });

  it("shows to its owner who watches a stream and what viewers got, in lists and when it has ended too", async () => {
    const made = (await call("POST", "/v1/streams", { body: order, key: "watched" })).json();
    const none = { viewers: 0, peakViewers: 0, peakAtMs: null, watchedMs: "0", servedBytes: "0" };
    const url = `/v1/streams/${made.slug}`;
    assert.deepEqual((await call("GET", url)).json().audience, none);
    assert.equal((await call("POST", `${url}/end`, { body: {} })).json().state, "ended");
    const totals = { stream: made.id, watchedMs: 2n ** 60n, servedBytes: 70n };
    const attempts = [1, 2].map((attempt) => ({ ...totals, job: randomHash(77), attempt }));
    await new AudienceStore(database).put(attempts, [{ stream: made.id, viewers: 12, atMs: 1_700_000_000_001 }]);
    const watchedMs = (2n ** 61n).toString();
    const all = { viewers: 0, peakViewers: 12, peakAtMs: 1_700_000_000_001, watchedMs, servedBytes: "140" };
    assert.deepEqual((await call("GET", url)).json().audience, all);
    const { streams } = (await call("GET", "/v1/streams")).json();
    const listed = new Map(streams.map(({ id, audience }: { id: string; audience: object }) => [id, audience]));
    assert.deepEqual(listed.get(made.id), all);
    assert.deepEqual([...new Set([...listed.values()].map((one) => JSON.stringify(one)))].length, 2);
    assert.equal((await call("GET", url, { as: nodes[0]! })).statusCode, 404);
  });

  it("publishes decisions with their tables, so that a row can be proved", async () => {
    const { id } = (await call("POST", "/v1/streams", { body: order, key: "explained" })).json();
    const row = await database.sql.query.selections.findFirst({ where: (table, { eq }) => eq(table.stream, id) });
    const published = (await app.inject({ url: `/v1/selections/${row!.id}` })).json();
    const { tableRoot } = published.receipt.value;
    const page = (await app.inject({ url: `/v1/candidates/${tableRoot}` })).json();
    const rows = page.rows.map((text: string) => fromText(text) as Candidate);
    assert.equal(createTable(rows, defaultParameters).root, tableRoot);
    const leaf = (await app.inject({ url: `/v1/candidates/${tableRoot}/${nodes[0]!.address}` })).json();
    assert.ok(verifyCandidate(tableRoot, { ...leaf, row: fromText(leaf.row) as Candidate }));
    assert.equal((await app.inject({ url: "/v1/nodes" })).json().total, 2);
    assert.equal((await app.inject({ url: "/v1/cluster" })).json().cluster, "1");
  });
});
