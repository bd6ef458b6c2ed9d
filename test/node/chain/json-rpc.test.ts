import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { ResponseBodyTooLargeError, RpcRequestError } from "viem";
import { HttpStatusError, JsonRpc } from "../../../node/chain/json-rpc.ts";

describe("JSON-RPC over HTTP", () => {
  let server: Server;
  let answer: (request: IncomingMessage, response: ServerResponse) => void;
  let asked: { authorization: string | undefined; url: string | undefined; body: string }[];
  let connections: number;
  beforeEach(async () => {
    asked = [];
    connections = 0;
    server = createServer(async (request, response) => {
      let body = "";
      for await (const chunk of request) body += chunk;
      asked.push({ authorization: request.headers.authorization, url: request.url, body });
      answer(request, response);
    });
    server.on("connection", () => {
      connections += 1;
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });
  const open = (login = "") =>
    new JsonRpc(`http://${login}127.0.0.1:${(server.address() as AddressInfo).port}/v2/key?x=1`, {
      name: "endpoint 0",
      timeoutMs: 500,
    });
  const says = (status: number, body: string, headers: Record<string, string> = {}) => {
    answer = (_, response) => response.writeHead(status, headers).end(body);
  };

  it("keeps its connections, and numbers its calls", async () => {
    says(200, '{"jsonrpc":"2.0","id":1,"result":"0x7"}');
    const client = open();
    assert.deepEqual([await client.call("one", []), await client.call("two", [{ a: 1 }])], ["0x7", "0x7"]);
    const bodies = asked.map(({ body }) => JSON.parse(body));
    assert.deepEqual(bodies, [
      { jsonrpc: "2.0", id: 1, method: "one", params: [] },
      { jsonrpc: "2.0", id: 2, method: "two", params: [{ a: 1 }] },
    ]);
    for (let at = 0; at < 8; at += 1) await client.call("more", []);
    assert.ok(connections <= 2, `${connections} connections`);
  });

  it("takes a login out of the address", async () => {
    says(200, '{"result":null}');
    assert.equal(await open("me:p%40ss@").call("one", []), null);
    assert.deepEqual(asked[0], { ...asked[0], authorization: "Basic bWU6cEBzcw==", url: "/v2/key?x=1" });
  });

  it("tells what an endpoint refuses from what fails", async () => {
    for (const status of [200, 400, 500]) {
      says(status, '{"error":{"code":-32000,"message":"nonce too low"}}');
      await assert.rejects(
        open().call("one", []),
        (error) => error instanceof RpcRequestError && error.code === -32_000,
      );
    }
    for (const [status, body] of [
      [200, "<html>"],
      [200, "[]"],
      [200, '{"error":"busy"}'],
      [502, '{"result":"0x1"}'],
      [308, ""],
    ] as const) {
      says(status, body);
      await assert.rejects(
        open().call("one", []),
        (error) => error instanceof HttpStatusError && error.status === status,
      );
    }
  });

  it("keeps what a busy endpoint asks for, also where it says more", async () => {
    for (const status of [429, 503]) {
      says(status, '{"error":{"code":-32005,"message":"limit"}}', { "retry-after": "7" });
      const isBusy = (error: unknown) => error instanceof HttpStatusError && error.retryAfter === "7";
      await assert.rejects(open().call("one", []), isBusy);
    }
  });

  it("reads no answer without end, and waits for none that stalls after its head", async () => {
    answer = (_, response) => {
      const write = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536, " ")));
      };
      response.on("drain", write);
      write();
    };
    await assert.rejects(open().call("one", []), ResponseBodyTooLargeError);
    answer = (_, response) => void response.writeHead(200).write("{");
    await assert.rejects(open().call("one", []), { name: "TimeoutError" });
  });
});
