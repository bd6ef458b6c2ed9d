import assert from "node:assert/strict";
import { createServer as createTcpServer } from "node:net";
import { declareErrors } from "@leat/node/http/errors.ts";
import { httpOptions } from "@leat/node/http/options.ts";
import { createServer, HttpService } from "@leat/node/http/server.ts";
import { CodedError } from "@leat/sdk/base/errors.ts";
import { type Logger, silentLogger } from "@leat/sdk/base/logger.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import type { FastifyInstance, InjectOptions } from "fastify";
import { Type } from "typebox";
import { defaultsOf } from "../../support/defaults.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const options = defaultsOf(httpOptions, { port: 0, bodyLimitBytes: 1_024 });
const components = { clock: new ManualClock(), logger: silentLogger, metrics: silentMetrics };

describe("http/server", () => {
  let app: FastifyInstance;
  let logged: unknown[];
  beforeEach(async () => {
    logged = [];
    const logger: Logger = { ...silentLogger, error: (_message, fields) => void logged.push(fields) };
    app = await createServer(options, { logger, metrics: silentMetrics });
    declareErrors(app, { TEST_SHORT: 402 });
    app.get("/short", async () => {
      throw new CodedError({ code: "TEST_SHORT", held: 4n }, { message: "4 held, 6 needed" });
    });
    app.get("/inner", async () => {
      throw new CodedError({ code: "TEST_INNER", path: "/secret/place" });
    });
    app.get("/bug", async () => {
      throw new Error("secret place");
    });
    app.post(
      "/echo",
      { schema: { body: Type.Object({ n: Type.Integer() }, { additionalProperties: false }) } },
      async (request) => ({
        body: request.body,
        raw: Buffer.from(request.rawBody).toString(),
        big: 12n,
      }),
    );
  });
  afterEach(() => app.close());

  async function errorOf(request: string | InjectOptions): Promise<[number, string]> {
    const response = await app.inject(request);
    return [response.statusCode, response.json().error.code];
  }

  it("answers a declared code with its status and sentence", async () => {
    const response = await app.inject("/short");
    assert.equal(response.statusCode, 402);
    assert.deepEqual(response.json(), { error: { code: "TEST_SHORT", message: "4 held, 6 needed" } });
    assert.equal(logged.length, 0);
  });

  it("tells nothing of a bug or of a code of its own but a number that the log has too", async () => {
    for (const url of ["/bug", "/inner"]) {
      const response = await app.inject(url);
      assert.equal(response.statusCode, 500);
      assert.equal(response.json().error.code, "INTERNAL");
      assert.ok(!response.body.includes("secret"));
      const { requestId } = logged.at(-1) as { requestId: string };
      assert.ok(response.json().error.message.includes(requestId));
    }
  });

  it("gives what callers do wrong a code", async () => {
    const post = (payload: string, type = "application/json") =>
      errorOf({ method: "POST", url: "/echo", payload, headers: { "content-type": type } });
    assert.deepEqual(await errorOf("/nowhere"), [404, "ROUTE_UNKNOWN"]);
    assert.deepEqual(await post('{"n":'), [400, "REQUEST_INVALID"]);
    assert.deepEqual(await post('{"n":"x"}'), [400, "REQUEST_INVALID"]);
    assert.deepEqual(await post('{"n":1,"other":2}'), [400, "REQUEST_INVALID"]);
    assert.deepEqual(await post('{"n":1,"__proto__":{}}'), [400, "REQUEST_INVALID"]);
    assert.deepEqual(await post("n=1", "text/plain"), [415, "REQUEST_TYPE_UNSUPPORTED"]);
    assert.deepEqual(await post(JSON.stringify({ n: 1, pad: "x".repeat(2_000) })), [413, "REQUEST_TOO_LARGE"]);
  });

  it("keeps the body as it came and writes bigints as text", async () => {
    const response = await app.inject({
      method: "POST",
      url: "/echo",
      payload: '{ "n" : 1 }',
      headers: { "content-type": "application/json" },
    });
    assert.deepEqual(response.json(), { body: { n: 1 }, raw: '{ "n" : 1 }', big: "12" });
  });

  it("sends security headers that let a page play media from elsewhere", async () => {
    const { headers } = await app.inject("/short");
    assert.match(String(headers["content-security-policy"]), /media-src \* blob:/);
    assert.equal(headers["cross-origin-resource-policy"], "cross-origin");
    assert.equal(headers["strict-transport-security"], undefined);
  });

  it("listens from start to stop", async () => {
    const service = new HttpService(app, options, components);
    await service.start();
    const response = await fetch(`http://127.0.0.1:${service.port}/short`);
    assert.equal(response.status, 402);
    await response.arrayBuffer();
    await service.stop();
    await service.stop();
    await assert.rejects(fetch(`http://127.0.0.1:${service.port}/short`));
  });

  it("says that its port is busy", async () => {
    const other = createTcpServer().listen(0, "127.0.0.1");
    try {
      await new Promise((resolve) => other.once("listening", resolve));
      const { port } = other.address() as { port: number };
      await assert.rejects(new HttpService(app, { ...options, port }, components).start(), { code: "HTTP_PORT_BUSY" });
    } finally {
      other.close();
    }
  });

  it("says that its address is not of this machine", async () => {
    const service = new HttpService(app, { ...options, host: "192.0.2.1" }, components);
    await assert.rejects(service.start(), { code: "HTTP_ADDRESS_UNUSABLE" });
  });

  it("does not let two parts give one code two statuses", () => {
    assert.throws(() => declareErrors(app, { TEST_SHORT: 409 }), /TEST_SHORT/);
  });

  it("answers what no route ever sees in the shape of every other refusal", async () => {
    const service = new HttpService(app, options, components);
    await service.start();
    const base = `http://127.0.0.1:${service.port}`;
    try {
      const address = await fetch(`${base}/%ff`);
      assert.deepEqual(
        [address.status, ((await address.json()) as { error: { code: string } }).error.code],
        [400, "HTTP_URL_INVALID"],
      );
      const headers = await fetch(`${base}/short`, { headers: { "x-long": "a".repeat(100_000) } });
      assert.deepEqual(
        [headers.status, ((await headers.json()) as { error: { code: string } }).error.code],
        [431, "HTTP_HEADERS_TOO_LARGE"],
      );
    } finally {
      await service.stop();
    }
  });
});
