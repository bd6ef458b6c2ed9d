import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls, type TLSSocket } from "node:tls";
import type { PublishInfo } from "@leat/node/media-io/publish-sink.ts";
import { createRtmpServer, type RtmpServer } from "@leat/node/media-io/rtmp/server.ts";
import { type Logger, silentLogger } from "@leat/sdk/base/logger.ts";
import { encodeAmf } from "@leat/transcoder/rtmp/amf0.ts";
import { writeMessage } from "@leat/transcoder/rtmp/chunk-writer.ts";
import { RtmpPublisher } from "@leat/transcoder/tools/rtmp-client.ts";
import { makeCertificate, type WrittenCertificate, writeCertificate } from "../../../support/certificate.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { noteInto } from "../../../support/noting-logger.ts";
import { RecorderSink } from "../../../support/recorder-sink.ts";

describe("rtmp over tls", () => {
  let directory = "";
  let server: RtmpServer | undefined;
  let child: ChildProcess | undefined;
  let files: WrittenCertificate;
  let clock: ManualClock;
  let sinks: RecorderSink[] = [];
  let infos: PublishInfo[] = [];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "leat-rtmps-"));
    files = await writeCertificate(directory, makeCertificate("first"));
    clock = new ManualClock(Date.now());
    [sinks, infos, child] = [[], [], undefined];
  });

  afterEach(async () => {
    child?.kill("SIGKILL");
    await server?.stop();
    server = undefined;
    await rm(directory, { recursive: true, force: true });
  });

  async function startServer(
    options: { port?: number; tlsPort?: number; maxConnections?: number; logger?: Logger } = {},
  ) {
    const { port = 0, tlsPort = 0, ...more } = options;
    server = createRtmpServer({
      host: "127.0.0.1",
      port,
      tls: { port: tlsPort, certFile: files.certFile, keyFile: files.keyFile },
      authorize: async (_, info) => {
        const sink = new RecorderSink();
        sinks.push(sink);
        infos.push(info);
        return sink;
      },
      clock,
      logger: silentLogger,
      ...more,
    });
    await server.start();
    return { port: server.port, tlsPort: server.tlsPort! };
  }

  async function dial(port: number, ca: string): Promise<TLSSocket> {
    const socket = connectTls({ host: "127.0.0.1", port, ca });
    socket.on("error", () => {});
    await once(socket, "secureConnect");
    return socket;
  }

  const nameOf = (socket: TLSSocket) => String(socket.getPeerCertificate().subject.CN);

  it("takes what the ffmpeg program publishes by RTMPS, every frame of it", async function () {
    this.timeout(20_000);
    const { tlsPort } = await startServer();
    assert.equal(server!.url, `rtmps://127.0.0.1:${tlsPort}/live`);
    const source = ["-f", "lavfi", "-i", "testsrc2=size=160x120:rate=30:duration=2", "-c:v", "libx264"];
    const target = ["-preset", "ultrafast", "-g", "30", "-pix_fmt", "yuv420p", "-f", "flv", `${server!.url}/key`];
    child = spawn("ffmpeg", ["-v", "error", "-nostdin", ...source, ...target], { stdio: "ignore" });
    assert.deepEqual(await once(child, "exit"), [0, null]);
    assert.deepEqual(await sinks[0]!.ended.promise, { clean: true });
    assert.equal(sinks[0]!.videos.length, 60);
    assert.equal(infos[0]!.protocol, "rtmps");
  });

  it("serves plain RTMP beside it, and says which one it was", async () => {
    const { port } = await startServer();
    const publisher = await RtmpPublisher.open(`rtmp://127.0.0.1:${port}/live/key`);
    await publisher.unpublish();
    assert.deepEqual(
      infos.map(({ protocol }) => protocol),
      ["rtmp"],
    );
  });

  it("gives those who come after a renewal the new certificate, and keeps those who publish", async () => {
    const { tlsPort } = await startServer();
    const old = await dial(tlsPort, files.cert);
    assert.equal(nameOf(old), "first");
    old.write(Buffer.concat([Buffer.of(3), Buffer.alloc(3072)]));
    old.write(writeMessage(3, 20, 0, encodeAmf(["connect", 1, new Map([["app", "live"]])])));
    const renewed = await writeCertificate(directory, makeCertificate("second"));
    // Reading files takes time of its own; whoever comes meanwhile still sees the first.
    for (let seen = "first"; seen === "first"; ) {
      await clock.advance(10_000);
      const next = connectTls({ host: "127.0.0.1", port: tlsPort, rejectUnauthorized: false });
      await once(next, "secureConnect");
      seen = nameOf(next);
      next.destroy();
    }
    const trusting = await dial(tlsPort, renewed.cert);
    assert.equal(nameOf(trusting), "second");
    trusting.destroy();
    // The first connection goes on where it was.
    old.write(writeMessage(3, 20, 0, encodeAmf(["createStream", 2, null])));
    old.write(writeMessage(3, 20, 1, encodeAmf(["publish", 3, null, "key", "live"])));
    let answer = "";
    for await (const data of old) {
      answer += String(data);
      if (answer.includes("NetStream.Publish.Start")) break;
    }
    assert.equal(sinks.length, 1);
  });

  it("does not start with a certificate that cannot be used, and leaves nothing listening", async () => {
    files = { ...files, keyFile: files.certFile };
    await assert.rejects(startServer(), { code: "CERTIFICATE_KEY_INVALID" });
    files = { ...files, keyFile: "" };
    await assert.rejects(startServer(), { code: "CERTIFICATE_INCOMPLETE" });
    await server!.stop();
    server = undefined;
  });

  it("gives back its port where the other one is taken", async () => {
    const { port, tlsPort } = await startServer();
    const first = server!;
    await assert.rejects(startServer({ port }), { code: "RTMP_PORT_BUSY" });
    await assert.rejects(startServer({ tlsPort }), { code: "RTMP_PORT_BUSY" });
    await first.stop();
    // Nothing looks after a certificate that nobody is shown.
    assert.equal(clock.sleeping, 0);
    // Nothing holds either of them any more.
    await startServer({ port, tlsPort });
  });

  it("outlives those who speak no TLS, and stops at once with some in their handshake", async () => {
    const lines: string[] = [];
    const { tlsPort } = await startServer({ logger: noteInto(lines) });
    const rude = connect(tlsPort, "127.0.0.1");
    rude.on("error", () => {});
    rude.write(Buffer.concat([Buffer.of(3), Buffer.alloc(3072)]));
    rude.resume();
    await once(rude, "close");
    assert.match(lines.join("\n"), /^debug Complete TLS handshake failed .*"listener":"rtmps"/m);
    const silent = connect(tlsPort, "127.0.0.1");
    silent.on("error", () => {});
    await once(silent, "connect");
    const publishing = await dial(tlsPort, files.cert);
    const closed = Promise.all([once(silent.resume(), "close"), once(publishing.resume(), "close")]);
    await server!.stop();
    await closed;
    assert.equal(sinks.length, 0);
  });

  it("counts handshakes against the limit of connections", async () => {
    const { tlsPort } = await startServer({ maxConnections: 2 });
    const held = [connect(tlsPort, "127.0.0.1"), connect(tlsPort, "127.0.0.1")];
    for (const socket of held) {
      socket.on("error", () => {});
      await once(socket, "connect");
    }
    const third = connectTls({ host: "127.0.0.1", port: tlsPort, ca: files.cert });
    third.on("error", () => {});
    await new Promise((resolve) => third.once("close", resolve));
    assert.equal(third.authorized, false);
    held[0]!.destroy();
    held[1]!.destroy();
  });
});
