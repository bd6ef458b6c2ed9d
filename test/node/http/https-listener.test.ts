import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import type { OutgoingHttpHeaders } from "node:http";
import { constants } from "node:http2";
import { request as requestHttps } from "node:https";
import { createServer as createTcpServer } from "node:net";
import { Readable } from "node:stream";
import { connect as connectTls } from "node:tls";
import { Http2Request } from "@leat/node/http/http2-messages.ts";
import { listenerUrl } from "@leat/node/http/options.ts";
import { LONGEST_TRANSFER_MS } from "@leat/node/media-io/hls/open-body.ts";
import type { FastifyReply } from "fastify";
import { makeCertificate, writeCertificate } from "../../support/certificate.ts";
import { readAnswer, untilClosed } from "../../support/https-scene.ts";
import { useHttpsStream } from "../../support/https-stream.ts";
import { noteInto } from "../../support/noting-logger.ts";

describe("http over tls", function () {
  this.timeout(60_000);
  const { on, start, dial, open, nameOf, served, add, live, withResolvers, until, startProbed, sleeping } =
    useHttpsStream();

  it("serves what the plain listener serves, by HTTP/2 and by HTTP/1.1", async () => {
    await start(live);
    const path = "/live/slug/240p/index.m3u8";
    const plain = await fetch(`http://127.0.0.1:${on.service.port}${path}`, {
      headers: { "accept-encoding": "identity" },
    });
    const body = await plain.text();
    assert.match(body, /\n0\.m4s\n/);
    const second = await readAnswer(open(await dial(), path));
    assert.deepEqual([second.status, second.body.toString()], [200, body]);
    assert.equal(second.headers.etag, plain.headers.get("etag"));
    const outgoing = requestHttps({ port: on.service.tlsPort, path, ca: on.files.cert, agent: false });
    outgoing.end();
    const [first] = await once(outgoing, "response");
    const chunks: Buffer[] = [];
    for await (const chunk of first) chunks.push(chunk);
    assert.deepEqual([first.httpVersion, Buffer.concat(chunks).toString()], ["1.1", body]);
    const missing = await readAnswer(open(await dial(), "/nowhere"));
    assert.equal(missing.status, 404);
    // A browser would ask the plain listener by TLS from then on.
    assert.equal(missing.headers["strict-transport-security"], undefined);
    assert.match(String(missing.headers["content-security-policy"]), /default-src/);
  });

  it("holds a reload back while others on its session are answered, and answers it when its segment comes", async () => {
    await start(live);
    const session = await dial();
    const held = readAnswer(open(session, "/live/slug/240p/index.m3u8?_HLS_msn=1"));
    await until(() => sleeping() === 1);
    assert.equal((await readAnswer(open(session, "/live/slug/master.m3u8"))).status, 200);
    assert.equal((await readAnswer(open(session, "/live/slug/240p/0.m4s"))).body.length, 100);
    add();
    const { status, body } = await held;
    assert.equal(status, 200);
    assert.match(body.toString(), /\n1\.m4s\n/);
    assert.equal(sleeping(), 0);
  });

  it("waits no more for a viewer that gives its request up and keeps its session", async () => {
    await start(live);
    const session = await dial();
    const held = open(session, "/live/slug/240p/index.m3u8?_HLS_msn=1");
    await until(() => sleeping() === 1);
    held.close(constants.NGHTTP2_CANCEL);
    await until(() => sleeping() === 0);
    assert.equal((await readAnswer(open(session, "/live/slug/master.m3u8"))).status, 200);
  });

  it("counts nothing for a viewer that gives up before it took it, and settles what it paid", async () => {
    const settled: number[] = [];
    served.door = {
      isPaid: () => served.stream.isUnbudgeted,
      requestHeaders: [],
      responseHeaders: [],
      admit: async () => ({ settle: (sentBytes) => void settled.push(sentBytes) }),
    };
    await start(live);
    // Goes out in one, and is more than a client that reads nothing lets in.
    add(200_000);
    const session = await dial();
    const giveUp = async () => {
      const answer = open(session, "/live/slug/240p/1.m4s");
      await once(answer, "response");
      answer.close(constants.NGHTTP2_CANCEL);
      await untilClosed(answer);
      // What is answered after it was given up after it.
      await readAnswer(open(session, "/live/slug/master.m3u8"));
    };
    await giveUp();
    assert.deepEqual(served.stream.counted, []);
    assert.equal((await readAnswer(open(session, "/live/slug/240p/1.m4s"))).body.length, 200_000);
    await until(() => served.stream.counted.length === 1);
    served.stream.isUnbudgeted = true;
    await giveUp();
    await until(() => settled.length > 1);
    assert.deepEqual(settled, [0, 0]);
  });

  it("settles what a viewer paid that was gone before it was let in", async () => {
    const settled: number[] = [];
    const [asked, closed, letIn] = [withResolvers(), withResolvers(), withResolvers()];
    served.door = {
      isPaid: () => true,
      requestHeaders: [],
      responseHeaders: [],
      admit: async (_request, reply) => {
        reply.raw.once("close", closed.resolve);
        asked.resolve();
        await letIn.promise;
        return { settle: (sentBytes) => void settled.push(sentBytes) };
      },
    };
    await start(live);
    const answer = open(await dial(), "/live/slug/240p/0.m4s");
    await asked.promise;
    answer.close(constants.NGHTTP2_CANCEL);
    await closed.promise;
    letIn.resolve();
    await until(() => settled.length === 1);
    assert.deepEqual(settled, [0]);
  });

  it("gives a segment part by part while it is written, and ends it with an error where parts stop coming", async () => {
    const facts = { frames: 7, pixels: 1, durationTicks: 21_000, headSizeBytes: 50, independent: false };
    const part = (sequence: number, index: number) => {
      const startTicks = sequence * 180_000 + index * 21_000;
      return { ...facts, index, startTicks, bytes: new Uint8Array(100 + index) };
    };
    await start(live);
    const session = await dial();
    served.stream.addPart(1, 1, part(1, 0));
    const whole = open(session, "/live/slug/240p/0-180000.m4s");
    assert.equal((await once(whole, "data"))[0].length, 100);
    // More than the listeners that a stream may have before Node warns.
    for (let index = 1; index < 13; index += 1) {
      served.stream.addPart(1, 1, part(1, index));
      assert.equal((await once(whole, "data"))[0].length, 100 + index);
    }
    const parts = Array.from({ length: 13 }, (_, index) => part(1, index));
    served.stream.addSegment(1, 1, parts, 13 * 21_000);
    await untilClosed(whole);
    assert.equal(whole.rstCode, constants.NGHTTP2_NO_ERROR);
    await until(() => served.stream.counted.length === 13);
    served.stream.addPart(1, 2, part(2, 0));
    const half = open(session, "/live/slug/240p/0-360000.m4s");
    await once(half, "data");
    await until(() => on.clock.isSlept(LONGEST_TRANSFER_MS));
    const closed = untilClosed(half);
    await on.clock.advance(LONGEST_TRANSFER_MS);
    await closed;
    assert.equal(half.rstCode, constants.NGHTTP2_INTERNAL_ERROR);
    await until(() => sleeping() === 0);
  });

  it("tells of a client that gives up before it is answered", async () => {
    const [asked, closed] = [withResolvers(), withResolvers()];
    let answer: FastifyReply["raw"] | undefined;
    await start((app) => {
      app.post("/slow", async (_request, reply) => {
        answer = reply.raw.once("close", closed.resolve);
        asked.resolve();
        await closed.promise;
      });
    });
    const slow = open(await dial(), "/slow", { ":method": "POST" });
    slow.end();
    await asked.promise;
    slow.close(constants.NGHTTP2_CANCEL);
    await closed.promise;
    assert.equal(answer!.writableFinished, false);
  });

  it("lets nobody take for the whole what was cut off", async () => {
    await start((app) => {
      app.get("/cut", (_request, reply) => {
        reply.hijack();
        reply.raw.writeHead(200);
        reply.raw.write("half");
        on.app.server.once("cut", () => reply.raw.destroy());
      });
    });
    const answer = open(await dial(), "/cut");
    assert.equal(String((await once(answer, "data"))[0]), "half");
    on.app.server.emit("cut");
    await untilClosed(answer);
    assert.equal(answer.rstCode, constants.NGHTTP2_INTERNAL_ERROR);
  });

  it("leaves out what only connections of HTTP/1 have, however a route says it", async () => {
    await start((app) => {
      app.get("/stream", (_request, reply) => reply.header("connection", "close").send(Readable.from(["all"])));
      app.get<{ Querystring: { form: string } }>("/raw", (request, reply) => {
        reply.hijack();
        if (request.query.form === "none") reply.raw.writeHead(200, "OK");
        if (request.query.form === "flat") reply.raw.writeHead(200, ["Connection", "close", "x-a", "1", "x-b", "2"]);
        const pairs: unknown = [
          ["x-a", "1"],
          ["Connection", "close"],
          ["x-b", "2"],
        ];
        if (request.query.form === "pairs") reply.raw.writeHead(200, pairs as OutgoingHttpHeaders);
        reply.raw.end("all");
      });
    });
    const session = await dial();
    const ask = async (path: string) => {
      const { status, headers, body } = await readAnswer(open(session, path));
      assert.deepEqual([status, String(body), headers.connection], [200, "all", undefined]);
      return [headers["x-a"], headers["x-b"], headers["0"]];
    };
    await ask("/stream");
    assert.deepEqual(await ask("/raw?form=flat"), ["1", "2", undefined]);
    assert.deepEqual(await ask("/raw?form=pairs"), ["1", "2", undefined]);
    assert.deepEqual(await ask("/raw?form=none"), [undefined, undefined, undefined]);
  });

  it("knows a viewer's address, behind a proxy that is trusted too, also when the viewer has gone", async () => {
    const seen: string[] = [];
    const [asked, closed, goOn] = [withResolvers(), withResolvers(), withResolvers()];
    await start(
      (app) => {
        app.get("/who", async (request) => ({ ip: request.ip, protocol: request.protocol }));
        app.get("/slow", async (request, reply) => {
          reply.raw.once("close", closed.resolve);
          asked.resolve();
          await goOn.promise;
          seen.push(request.ip);
        });
      },
      { trustedProxies: ["127.0.0.1", "::1"] },
    );
    const session = await dial();
    const near = JSON.parse(String((await readAnswer(open(session, "/who"))).body));
    assert.match(near.ip, /^(127\.0\.0\.1|::1)$/);
    assert.equal(near.protocol, "https");
    const headers = { "x-forwarded-for": "192.0.2.7" };
    assert.equal(JSON.parse(String((await readAnswer(open(session, "/who", headers))).body)).ip, "192.0.2.7");
    const slow = open(session, "/slow");
    await asked.promise;
    slow.close(constants.NGHTTP2_CANCEL);
    await closed.promise;
    goOn.resolve();
    await until(() => seen.length === 1);
    assert.equal(seen[0], near.ip);
  });

  it("drops what is gone before it is served", async () => {
    let asked: Http2Request[] = [];
    const goOn = withResolvers();
    const server = await startProbed((app) => {
      app.get("/one", async (request) => {
        asked.push(request.raw as unknown as Http2Request);
        await goOn.promise;
        return {};
      });
    });
    const sessions = [await dial(), await dial()];
    for (const session of sessions) open(session, "/one");
    await until(() => asked.length === 2);
    const [one, other] = asked.map(({ stream }) => stream);
    asked = [];
    one!.destroy();
    other!.session!.destroy();
    for (const stream of [one!, other!]) {
      const gone = new Http2Request(stream, {}, {}, []);
      assert.equal(gone.socket.remoteAddress, undefined);
      server.emit("stream", stream, { ":method": "GET", ":path": "/one" }, 0, []);
    }
    assert.equal(asked.length, 0);
    goOn.resolve();
    assert.equal((await readAnswer(open(await dial(), "/one"))).status, 200);
  });

  it("shows a renewed certificate to those who come after it, and goes on with those who are there", async () => {
    await start(live);
    const old = await dial();
    assert.equal(nameOf(old), "first");
    const held = readAnswer(open(old, "/live/slug/240p/index.m3u8?_HLS_msn=1"));
    await until(() => sleeping() === 1);
    const renewed = await writeCertificate(on.directory, makeCertificate("second"));
    // Reading files takes time of its own; whoever comes meanwhile still sees the first.
    let seen = "first";
    while (seen === "first") {
      await on.clock.advance(10_000);
      const socket = connectTls({ port: on.service.tlsPort!, rejectUnauthorized: false });
      await once(socket, "secureConnect");
      seen = String(socket.getPeerCertificate().subject.CN);
      socket.destroy();
    }
    assert.equal(nameOf(await dial(renewed.cert)), "second");
    assert.equal((await held).status, 200);
    assert.equal((await readAnswer(open(old, "/live/slug/master.m3u8"))).status, 200);
  });

  it("keeps its certificate where the new one cannot be used, and says so", async () => {
    const lines: string[] = [];
    await start(live, { logger: noteInto(lines) });
    await writeFile(on.files.certFile, "-----BEGIN CERTIFICATE-----\nhalf");
    const warnings = () => lines.filter((line) => line.startsWith("warn"));
    while (warnings().length === 0) await on.clock.advance(10_000);
    assert.match(warnings()[0]!, /^warn Read renewed certificate failed .*"CERTIFICATE_INVALID"/);
    assert.equal(nameOf(await dial()), "first");
  });

  it("does not start with a certificate that cannot be used, or beside another at its port", async () => {
    const { keyFile, certFile } = on.files;
    await assert.rejects(start(live, { tls: { port: 0, certFile: keyFile, keyFile } }), {
      code: "CERTIFICATE_INVALID",
    });
    await assert.rejects(start(live, { tls: { port: 0, certFile, keyFile: "" } }), { code: "CERTIFICATE_INCOMPLETE" });
    const other = createTcpServer().listen(0, "127.0.0.1");
    try {
      await once(other, "listening");
      const { port } = other.address() as { port: number };
      await assert.rejects(start(live, { tls: { port, certFile, keyFile } }), ({ code, message }: never) => {
        assert.deepEqual([code, /--http\.tls\.port/.test(message)], ["HTTP_PORT_BUSY", true]);
        return true;
      });
      // Nothing of it listens.
      assert.equal(on.service.port, 0);
      await on.service.stop();
      await assert.rejects(start(live, { port }), { code: "HTTP_PORT_BUSY" });
      await on.service.stop();
      assert.equal(on.clock.sleeping, 0);
    } finally {
      other.close();
    }
  });

  it("sends viewers to it where there is a certificate", () => {
    const tls = { port: 8443, certFile: "", keyFile: "" };
    assert.equal(listenerUrl({ host: "192.0.2.1", port: 8080, tls }), "http://192.0.2.1:8080");
    const named = { ...tls, certFile: "cert.pem", keyFile: "key.pem" };
    assert.equal(listenerUrl({ host: "::1", port: 8080, tls: named }), "https://[::1]:8443");
  });
});
