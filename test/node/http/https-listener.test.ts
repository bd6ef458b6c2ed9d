import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import type { OutgoingHttpHeaders, Server as PlainServer } from "node:http";
import { type ClientHttp2Stream, constants } from "node:http2";
import { request as requestHttps } from "node:https";
import { connect, createServer as createTcpServer } from "node:net";
import { Readable } from "node:stream";
import { connect as connectTls, type Server, type TLSSocket } from "node:tls";
import { Http2Request } from "@leat/node/http/http2-messages.ts";
import { IDLE_MS, REQUEST_MS } from "@leat/node/http/listening.ts";
import { listenerUrl } from "@leat/node/http/options.ts";
import { SLICE_BYTES } from "@leat/node/media-io/hls/counted-body.ts";
import { LONGEST_TRANSFER_MS } from "@leat/node/media-io/hls/open-body.ts";
import { addLive, type HlsDoor } from "@leat/node/media-io/hls/routes.ts";
import type { VideoConfig } from "@leat/sdk/protocol/frame.ts";
import type { FastifyInstance, FastifyReply } from "fastify";
import { Type } from "typebox";
import { makeCertificate, writeCertificate } from "../../support/certificate.ts";
import { TestStream } from "../../support/hls-stream.ts";
import { readAnswer, untilClosed, useHttps } from "../../support/https-scene.ts";
import { noteInto } from "../../support/noting-logger.ts";

const config = {
  kind: "video",
  codec: "h264",
  timescale: 90_000,
  width: 320,
  height: 240,
  description: Uint8Array.of(1, 0x64, 0, 0x1f),
  codecString: "avc1.64001f",
} as VideoConfig;
/** More than a connection takes at once. */
const LARGE = 32 * 2 ** 20;

describe("http over tls", function () {
  this.timeout(60_000);
  const { on, start, dial, open, nameOf } = useHttps();
  let stream: TestStream;
  let door: HlsDoor | undefined;
  let added: number;
  /** What Node says of wrong use. */
  const warnings: string[] = [];
  const note = ({ message }: Error) => void warnings.push(message);

  before(() => void process.on("warning", note));
  after(() => void process.off("warning", note));
  afterEach(() => assert.deepEqual(warnings.splice(0), []));
  beforeEach(() => {
    stream = new TestStream();
    stream.window.describe([{ rung: 1, name: "240p", kind: "video", codec: "h264", family: "h264", bitrate: 1 }]);
    stream.window.setConfig(1, 0, config);
    [added, door] = [0, undefined];
    add();
  });

  function add(sizeBytes = 100): void {
    const facts = { index: 0, frames: 60, pixels: 1, durationTicks: 180_000, startTicks: added * 180_000 };
    const part = { ...facts, bytes: new Uint8Array(sizeBytes), independent: true, headSizeBytes: 50 };
    stream.addSegment(1, added, [part], 180_000);
    added += 1;
  }

  const live = (app: FastifyInstance) => addLive(app, { findStream: () => stream }, { clock: on.clock, door });
  const withResolvers = () => Promise.withResolvers<void>();
  const until = async (isTrue: () => boolean) => {
    while (!isTrue()) await new Promise((resolve) => setImmediate(resolve));
  };
  /** Resolves with Node's own server, which a client of HTTP/1.1 leads to. */
  const startProbed = async (add: (app: FastifyInstance) => unknown): Promise<Server> => {
    const found = Promise.withResolvers<Server>();
    await start((app) => {
      app.get("/server", async ({ raw }) => {
        found.resolve((raw.socket as unknown as { readonly server: Server }).server);
        return {};
      });
      return add(app);
    });
    const outgoing = requestHttps({ port: on.service.tlsPort, path: "/server", ca: on.files.cert, agent: false });
    outgoing.end();
    const [answer] = await once(outgoing, "response");
    await once(answer.resume(), "end");
    return found.promise;
  };
  /** Sleepers beside the watch over the certificate and those over sessions. */
  const sleeping = () => on.clock.sleeping - 1 - on.sessions.length;

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
    door = {
      isPaid: () => stream.isUnbudgeted,
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
    assert.deepEqual(stream.counted, []);
    assert.equal((await readAnswer(open(session, "/live/slug/240p/1.m4s"))).body.length, 200_000);
    await until(() => stream.counted.length === 1);
    stream.isUnbudgeted = true;
    await giveUp();
    await until(() => settled.length > 1);
    assert.deepEqual(settled, [0, 0]);
  });

  it("settles what a viewer paid that was gone before it was let in", async () => {
    const settled: number[] = [];
    const [asked, closed, letIn] = [withResolvers(), withResolvers(), withResolvers()];
    door = {
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
    stream.addPart(1, 1, part(1, 0));
    const whole = open(session, "/live/slug/240p/0-180000.m4s");
    assert.equal((await once(whole, "data"))[0].length, 100);
    // More than the listeners that a stream may have before Node warns.
    for (let index = 1; index < 13; index += 1) {
      stream.addPart(1, 1, part(1, index));
      assert.equal((await once(whole, "data"))[0].length, 100 + index);
    }
    const parts = Array.from({ length: 13 }, (_, index) => part(1, index));
    stream.addSegment(1, 1, parts, 13 * 21_000);
    await untilClosed(whole);
    assert.equal(whole.rstCode, constants.NGHTTP2_NO_ERROR);
    await until(() => stream.counted.length === 13);
    stream.addPart(1, 2, part(2, 0));
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

  it("ends every session when it stops, those too that wait, take nothing or are in their handshake", async () => {
    await start(live);
    add(LARGE);
    const { tlsPort } = on.service;
    const silent = connect(tlsPort!, "127.0.0.1");
    silent.on("error", () => {});
    await once(silent, "connect");
    const session = await dial();
    const idle = await dial();
    const stalled = open(session, "/live/slug/240p/1.m4s");
    await once(stalled, "response");
    const held = open(session, "/live/slug/240p/index.m3u8?_HLS_msn=2");
    await until(() => sleeping() === 1);
    const closed = Promise.all([session, idle, silent.resume(), held.resume()].map((one) => once(one, "close")));
    await on.service.stop();
    await on.service.stop();
    await closed;
    assert.equal(on.clock.sleeping, 0);
    const next = createTcpServer().listen(tlsPort, "127.0.0.1");
    await once(next, "listening");
    next.close();
  });

  it("bounds what a session may ask for", async () => {
    await start(live);
    const session = await dial();
    const settings = session.remoteSettings;
    assert.deepEqual([settings.maxConcurrentStreams, settings.maxHeaderListSize], [100, 16_384]);
    const long = open(session, "/live/slug/master.m3u8", { "x-long": "a".repeat(20_000) });
    await untilClosed(long);
    assert.notEqual(long.rstCode, constants.NGHTTP2_NO_ERROR);
    assert.equal((await readAnswer(open(session, "/live/slug/master.m3u8"))).status, 200);
  });

  it("gives each of a session's hundred requests what it asks for, however slowly it takes it", async () => {
    await start(live);
    add(2 ** 20);
    const session = await dial();
    const asked = Array.from({ length: 100 }, () => open(session, "/live/slug/240p/1.m4s"));
    const heads = await Promise.all(asked.map((one) => Promise.race([once(one, "response"), untilClosed(one)])));
    assert.equal(heads.filter((head) => head?.[0][":status"] === 200).length, 100);
  });

  it("lets go of a body that does not come, and tells a client whose body nobody wants", async () => {
    await start((app) => app.post("/echo", { schema: { body: Type.Object({}) } }, async () => ({})), {
      bodyLimitBytes: 1_024,
    });
    const session = await dial();
    const post = { ":method": "POST", "content-type": "application/json" };
    const slow = open(session, "/echo", post);
    slow.write("{");
    await until(() => sleeping() === 1);
    const cut = untilClosed(slow);
    await on.clock.advance(REQUEST_MS);
    await cut;
    assert.equal(slow.rstCode, constants.NGHTTP2_CANCEL);
    const endless = open(session, "/echo", post);
    endless.write("x".repeat(2_000));
    const [head] = (await once(endless.resume(), "response")) as [Record<string, unknown>];
    assert.equal(head[":status"], 413);
    await untilClosed(endless);
    const whole = open(session, "/echo", post);
    whole.end("{}");
    assert.equal((await readAnswer(whole)).status, 200);
    await until(() => sleeping() === 0);
  });

  it("closes a session on which nothing is asked, whatever pings it sends", async () => {
    await start(live);
    const session = await dial();
    assert.equal((await readAnswer(open(session, "/live/slug/master.m3u8"))).status, 200);
    await on.clock.advance(IDLE_MS);
    assert.equal((await readAnswer(open(session, "/live/slug/master.m3u8"))).status, 200);
    await on.clock.advance(IDLE_MS);
    const closed = once(session, "close");
    await new Promise<void>((resolve) => session.ping(() => resolve()));
    await on.clock.advance(IDLE_MS);
    await closed;
  });

  it("ends a session that takes nothing of what it asked for, and leaves those that take it slowly", async () => {
    await start((app) => {
      live(app);
      app.get("/whole", (_request, reply) => {
        reply.hijack();
        reply.raw.writeHead(200);
        reply.raw.end(Buffer.alloc(LARGE / 2));
      });
    });
    add(LARGE);
    const [idle, sliced, whole] = [await dial(), await dial(), await dial()];
    // As browsers do: what it takes of an answer comes long before it widens the window of all.
    whole.setLocalWindowSize(LARGE);
    const stalled = Array.from({ length: 100 }, () => open(idle, "/live/slug/240p/1.m4s"));
    const taken = [open(sliced, "/live/slug/240p/1.m4s"), open(whole, "/whole")];
    await Promise.all([...stalled, ...taken].map((one) => once(one, "response")));
    const take = async (stream: ClientHttp2Stream, sizeBytes: number) => {
      for (let size = 0; size < sizeBytes; ) {
        const chunk = stream.read();
        if (chunk === null) await once(stream, "readable");
        else size += chunk.length;
      }
    };
    const ended = once(idle, "close");
    for (let period = 0; period < 4; period += 1) {
      await Promise.all([take(taken[0]!, 2 * SLICE_BYTES), take(taken[1]!, SLICE_BYTES)]);
      if (!idle.destroyed) idle.ping(() => {});
      await on.clock.advance(IDLE_MS);
    }
    await ended;
    for (const session of [sliced, whole]) {
      assert.equal((await readAnswer(open(session, "/live/slug/master.m3u8"))).status, 200);
    }
  });

  it("ends the connection of one who does not even read", async () => {
    const server = await startProbed((app) => {
      app.get("/", async (_request, reply) => reply.send(Buffer.alloc(LARGE / 2)));
    });
    const accepted = once(server, "secureConnection") as Promise<[TLSSocket]>;
    const deaf = connectTls({ port: on.service.tlsPort!, ca: on.files.cert, ALPNProtocols: ["h2"] });
    deaf.on("error", () => {});
    await once(deaf, "secureConnect");
    const frame = (type: number, flags: number, id: number, ...body: number[]) =>
      Buffer.from([0, 0, body.length, type, flags, 0, 0, 0, id, ...body]);
    // Windows without an end for a stream and for all; GET / of the authority "a".
    const wide = [frame(4, 0, 0, 0, 4, 0x7f, 0xff, 0xff, 0xff), frame(8, 0, 0, 0x7f, 0, 0, 0)];
    const ask = frame(1, 5, 1, 0x82, 0x87, 0x84, 0x41, 1, 0x61);
    deaf.write(Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), ...wide, ask]));
    await once(deaf, "data");
    deaf.pause();
    const cutOff = untilClosed((await accepted)[0]);
    for (let period = 0; period < 4; period += 1) await on.clock.advance(IDLE_MS);
    await cutOff;
    deaf.destroy();
  });

  it("ends the connection of one who answers no farewell", async () => {
    const server = await startProbed(live);
    const accepted = once(server, "secureConnection") as Promise<[TLSSocket]>;
    // What either side says passes, that it hangs up does not.
    const relay = createTcpServer({ allowHalfOpen: true }, (near) => {
      const far = connect({ port: on.service.tlsPort!, host: "127.0.0.1", allowHalfOpen: true });
      for (const socket of [near, far]) socket.on("error", () => {});
      near.on("data", (data) => far.write(data));
      far.on("data", (data) => near.write(data));
      near.once("close", () => far.destroy());
    }).listen(0, "127.0.0.1");
    await once(relay, "listening");
    const { port } = relay.address() as { port: number };
    const client = connectTls({ port, ca: on.files.cert, ALPNProtocols: ["h2"] });
    try {
      client.on("error", () => {});
      await once(client, "secureConnect");
      client.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0004\0\0\0\0\0");
      await once(client, "data");
      client.pause();
      const cutOff = untilClosed((await accepted)[0]);
      await on.clock.advance(2 * IDLE_MS);
      await cutOff;
    } finally {
      client.destroy();
      relay.close();
    }
  });

  it("bounds connections, and requests of HTTP/1.1 as the plain listener does", async () => {
    const server = await startProbed(() => {});
    const secure = server as Server & Pick<PlainServer, "headersTimeout" | "requestTimeout">;
    // Node takes the longer of the two for a whole request.
    assert.deepEqual([secure.headersTimeout, secure.requestTimeout], [REQUEST_MS, REQUEST_MS]);
    assert.equal(secure.maxConnections, 4_096);
  });

  it("outlives those who speak no TLS, and answers what is no HTTP as everywhere", async () => {
    const lines: string[] = [];
    await start(live, { logger: noteInto(lines) });
    const rude = connect(on.service.tlsPort!, "127.0.0.1");
    rude.on("error", () => {});
    rude.write("GET / HTTP/1.1\r\n\r\n");
    await once(rude.resume(), "close");
    assert.match(
      lines.join("\n"),
      /^debug Complete TLS handshake failed .*"listener":"https","code":"ERR_SSL_HTTP_REQUEST"/m,
    );
    const strange = connectTls({ port: on.service.tlsPort!, ca: on.files.cert });
    await once(strange, "secureConnect");
    strange.write("what is this\r\n\r\n");
    let answer = "";
    for await (const chunk of strange) answer += String(chunk);
    assert.match(answer, /^HTTP\/1\.1 400 .*"HTTP_INVALID"/s);
    assert.equal((await readAnswer(open(await dial(), "/live/slug/master.m3u8"))).status, 200);
  });

  it("sends viewers to it where there is a certificate", () => {
    const tls = { port: 8443, certFile: "", keyFile: "" };
    assert.equal(listenerUrl({ host: "192.0.2.1", port: 8080, tls }), "http://192.0.2.1:8080");
    const named = { ...tls, certFile: "cert.pem", keyFile: "key.pem" };
    assert.equal(listenerUrl({ host: "::1", port: 8080, tls: named }), "https://[::1]:8443");
  });
});
