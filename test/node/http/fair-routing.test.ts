import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import { text } from "node:stream/consumers";
import { httpOptions } from "@leat/node/http/options.ts";
import { createServer } from "@leat/node/http/server.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import type { FastifyInstance } from "fastify";
import { defaultsOf } from "../../support/defaults.ts";

describe("routing in turns", () => {
  let app: FastifyInstance;
  const routed: number[] = [];

  beforeEach(async () => {
    routed.length = 0;
    app = await createServer(defaultsOf(httpOptions), { logger: silentLogger, metrics: silentMetrics });
    app.get<{ Params: { number: string } }>("/:number", async ({ params }) => {
      routed.push(Number(params.number));
      return params.number;
    });
    await app.listen({ host: "127.0.0.1", port: 0 });
  });
  afterEach(() => app.close());

  const open = () => connect((app.server.address() as AddressInfo).port, "127.0.0.1");
  const requestOf = (number: number, more = "") => `GET /${number} HTTP/1.1\r\nHost: a\r\n${more}\r\n`;

  it("answers all of a thousand requests that one client sends at once, in order", async () => {
    const socket = open();
    const numbers = Array.from({ length: 1_000 }, (_, at) => at);
    const requests = numbers.map((number) => requestOf(number, number === 999 ? "Connection: close\r\n" : ""));
    socket.write(requests.join(""));
    const answers = await text(socket);
    assert.equal(answers.match(/HTTP\/1\.1 200 OK/g)?.length, 1_000);
    assert.deepEqual(routed, numbers);
  });

  it("answers all of a crowd that asks in one moment", async () => {
    const sockets = Array.from({ length: 60 }, open);
    await Promise.all(sockets.map((socket) => once(socket, "connect")));
    for (const [at, socket] of sockets.entries()) socket.write(requestOf(at));
    const answers = await Promise.all(sockets.map(async (socket) => String((await once(socket, "data"))[0])));
    assert.ok(answers.every((answer, at) => answer.endsWith(`\r\n\r\n${at}`)));
    for (const socket of sockets) socket.destroy();
  });
});
