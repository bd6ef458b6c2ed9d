import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { isPublicAddress } from "@leat/node/kernel/net/address-policy.ts";
import { type PinnedRequestOptions, postPinned } from "@leat/node/kernel/net/pinned-request.ts";

const usual: PinnedRequestOptions = { allowPrivate: false, timeoutMs: 10_000, maxAnswerBytes: 64 };
const post = (url: string, options: Partial<PinnedRequestOptions> = {}) =>
  postPinned(url, { headers: { "x-mark": "1" }, body: "hello" }, { ...usual, ...options });

describe("pinned request", () => {
  let server: Server;
  let port: number;
  let asked: string[];
  let answer: (request: IncomingMessage, response: ServerResponse) => void;

  before(async () => {
    server = createServer((request, response) => {
      asked.push(`${request.method} ${request.headers.host}${request.url}`);
      answer(request, response);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    port = (server.address() as AddressInfo).port;
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  beforeEach(() => {
    asked = [];
    answer = (_request, response) => response.end("ok");
  });

  it("knows the ranges that lead inside", () => {
    const inside = [
      ["0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1"],
      ["172.31.255.255", "192.168.1.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "::", "::1", "fe80::1"],
      ["fc00::1", "fd12::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "2002:7f00:1::"],
      ["2001::1", "2001:db8::1", "localhost", "", "1.2.3", "0x7f.1"],
    ].flat();
    for (const address of inside) assert.equal(isPublicAddress(address), false, address);
    for (const address of ["8.8.8.8", "172.15.0.1", "172.32.0.1", "100.63.0.1", "2606:4700::1111", "2a00:1450::1"]) {
      assert.equal(isPublicAddress(address), true, address);
    }
  });

  it("waits for nothing from who changes the protocol", async () => {
    const upgrading = createServer((_request, response) => {
      response.socket!.end("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n");
    });
    await once(upgrading.listen(0, "127.0.0.1"), "listening");
    const url = `http://127.0.0.1:${(upgrading.address() as AddressInfo).port}/`;
    await assert.rejects(post(url, { allowPrivate: true }), { code: "OUTBOUND_FAILED" });
    upgrading.close();
  });

  it("refuses an inner address in every spelling before it connects", async () => {
    const hosts = ["127.0.0.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "127.1", "[::1]", "[::ffff:127.0.0.1]"];
    for (const host of hosts) {
      await assert.rejects(post(`https://${host}:${port}/`), { code: "OUTBOUND_ADDRESS_REFUSED" }, host);
    }
    assert.deepEqual(asked, []);
  });

  it("refuses a name of which one address is an inner one", async () => {
    const resolve = async () => [
      { address: "8.8.8.8", family: 4 },
      { address: "10.0.0.1", family: 4 },
    ];
    await assert.rejects(post("https://example.test/", { resolve }), { code: "OUTBOUND_ADDRESS_REFUSED" });
  });

  it("connects to the address that it looked at, and looks once", async () => {
    let looked = 0;
    const resolve = async () => {
      looked += 1;
      return [{ address: "127.0.0.1", family: 4 }];
    };
    const url = `http://rebinding.test:${port}/path`;
    const { status, body } = await post(url, { resolve, allowPrivate: true });
    assert.deepEqual([status, Buffer.from(body).toString(), looked], [200, "ok", 1]);
    assert.deepEqual(asked, [`POST rebinding.test:${port}/path`]);
  });

  it("speaks https alone where private ranges are not allowed, and no other scheme ever", async () => {
    await assert.rejects(post("http://8.8.8.8/"), { code: "OUTBOUND_SCHEME_REFUSED" });
    for (const url of ["file:///etc/passwd", "ftp://8.8.8.8/", "data:text/plain,x"]) {
      await assert.rejects(post(url, { allowPrivate: true }), { code: "OUTBOUND_SCHEME_REFUSED" });
    }
  });

  it("follows no redirect", async () => {
    answer = (_request, response) => response.writeHead(307, { location: `http://127.0.0.1:${port}/inner` }).end();
    const { status } = await post(`http://127.0.0.1:${port}/`, { allowPrivate: true });
    assert.equal(status, 307);
    assert.equal(asked.length, 1);
  });

  it("bounds the answer and the time, of the look-up too", async () => {
    const local = `http://127.0.0.1:${port}/`;
    answer = (_request, response) => response.end("x".repeat(65));
    await assert.rejects(post(local, { allowPrivate: true }), { code: "OUTBOUND_ANSWER_TOO_LARGE" });
    answer = (_request, response) => response.write("x");
    await assert.rejects(post(local, { allowPrivate: true, timeoutMs: 100 }), { code: "OUTBOUND_TIMEOUT" });
    const never = { timeoutMs: 50, resolve: () => new Promise<never>(() => {}) };
    await assert.rejects(post("https://slow.test/", never), { code: "OUTBOUND_TIMEOUT" });
    const nowhere = { resolve: () => Promise.reject(new Error("ENOTFOUND")) };
    await assert.rejects(post("https://nowhere.test/", nowhere), { code: "OUTBOUND_NAME_UNKNOWN" });
    answer = (request) => request.socket.destroy();
    await assert.rejects(post(local, { allowPrivate: true }), { code: "OUTBOUND_FAILED" });
  });
});
