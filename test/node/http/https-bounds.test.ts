import assert from "node:assert/strict";
import { once } from "node:events";
import type { Server as PlainServer } from "node:http";
import { type ClientHttp2Stream, constants } from "node:http2";
import { connect, createServer as createTcpServer } from "node:net";
import { connect as connectTls, type Server, type TLSSocket } from "node:tls";
import { IDLE_MS, REQUEST_MS } from "@leat/node/http/listening.ts";
import { SLICE_BYTES } from "@leat/node/media-io/hls/counted-body.ts";
import { Type } from "typebox";
import { readAnswer, untilClosed } from "../../support/https-scene.ts";
import { useHttpsStream } from "../../support/https-stream.ts";
import { noteInto } from "../../support/noting-logger.ts";

/** More than a connection takes at once. */
const LARGE = 32 * 2 ** 20;

describe("bounds of http over tls", function () {
  this.timeout(60_000);
  const { on, start, dial, open, add, live, until, startProbed, sleeping } = useHttpsStream();

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
});
