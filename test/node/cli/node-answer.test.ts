import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { askPayments, presentAnswer } from "@leat/node/cli/node-answer.ts";

describe("asking a node", () => {
  const servers: Server[] = [];
  afterEach(async () => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    }
  });

  async function listen(answer: RequestListener): Promise<number> {
    const server = createServer(answer).listen(0, "127.0.0.1");
    await once(server, "listening");
    servers.push(server);
    return (server.address() as AddressInfo).port;
  }
  const ask = async (port: number, timeoutMs?: number) =>
    askPayments({ node: { httpUrl: "" }, http: { host: "127.0.0.1", port } }, timeoutMs);

  it("tells what it said", async () => {
    const payments = { channels: [], totals: [] };
    const port = await listen((_request, response) => void response.end(JSON.stringify(payments)));
    const answer = await ask(port);
    assert.deepEqual(answer.payments, payments);
    const url = `http://127.0.0.1:${port}`;
    assert.deepEqual(presentAnswer(answer), { url, answered: true, reason: null });
  });

  it("tells why it said nothing, and for how long it was waited for", async () => {
    const never = await listen(() => {});
    const silence = async (port: number, timeoutMs?: number) => (await ask(port, timeoutMs)).silence;
    assert.equal(await silence(never, 50), "did not answer within 0.05 s");
    assert.equal(
      await silence(await listen((_request, response) => void response.writeHead(404).end())),
      "answers 404",
    );
    const other = await listen((_request, response) => void response.end("{}"));
    assert.equal(await silence(other), "answers as no node does");
    const page = await listen((_request, response) => void response.end("<html>"));
    assert.equal(await silence(page), "answers as no node does");
    const cut = await listen((request) => void request.socket.destroy());
    assert.match((await silence(cut))!, /^cannot be reached \(\w+\)$/);
    const server = servers.pop()!;
    server.closeAllConnections();
    await once(server.close(), "close");
    const { url, ...told } = presentAnswer(await ask(cut));
    assert.deepEqual([url, told.answered], [`http://127.0.0.1:${cut}`, false]);
    assert.equal(told.reason, "does not run (nobody listens there)");
  });
});
