import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { PublishSink } from "@leat/node/media-io/publish-sink.ts";
import { createRtmpServer, type RtmpServer, type RtmpServerOptions } from "@leat/node/media-io/rtmp/server.ts";
import { CodedError } from "@leat/sdk/base/errors.ts";
import { type Logger, silentLogger } from "@leat/sdk/base/logger.ts";
import type { PublishedTag } from "@leat/sdk/protocol/published.ts";
import { encodeAmf } from "@leat/transcoder/rtmp/amf0.ts";
import { writeMessage } from "@leat/transcoder/rtmp/chunk-writer.ts";
import fc from "fast-check";
import { flvTag } from "../../../support/flv-tag.ts";
import { RecorderSink } from "../../../support/recorder-sink.ts";

describe("rtmp server", () => {
  let server: RtmpServer | undefined;
  let children: ChildProcess[] = [];
  let sockets: Socket[] = [];

  async function startServer(
    authorize: RtmpServerOptions["authorize"],
    options: Partial<RtmpServerOptions> = {},
  ): Promise<RtmpServer> {
    server = createRtmpServer({ host: "127.0.0.1", port: 0, authorize, logger: silentLogger, ...options });
    await server.start();
    return server;
  }

  function publish(
    port: number,
    name: string,
    seconds: number,
    extra: string[] = [],
  ): ChildProcess & { report: () => string } {
    const source = ["-f", "lavfi", "-i", `testsrc2=size=320x240:rate=30:duration=${seconds}`];
    const tone = ["-f", "lavfi", "-i", `sine=frequency=440:sample_rate=44100:duration=${seconds}`];
    const video = ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "30", "-pix_fmt", "yuv420p"];
    const pace = extra.includes("-re") ? ["-re"] : [];
    const target = ["-f", "flv", `rtmp://127.0.0.1:${port}/live/${name}`];
    const flags = [
      "-v",
      "error",
      "-nostdin",
      ...pace,
      ...source,
      ...tone,
      ...video,
      "-c:a",
      "aac",
      ...extra.filter((item) => item !== "-re"),
      ...target,
    ];
    const child = spawn("ffmpeg", flags, { stdio: ["ignore", "ignore", "pipe"] });
    children.push(child);
    let report = "";
    child.stderr!.on("data", (data) => {
      report += String(data);
    });
    return Object.assign(child, { report: () => report });
  }

  async function dial(port: number): Promise<Socket> {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    sockets.push(socket);
    await once(socket, "connect");
    return socket;
  }

  afterEach(async () => {
    for (const child of children) child.kill("SIGKILL");
    for (const socket of sockets) socket.destroy();
    children = [];
    sockets = [];
    await server?.stop();
    server = undefined;
  });

  it("keeps places for others where one address opens many connections and publishes by none", async () => {
    const published = Promise.withResolvers<void>();
    const sink = new RecorderSink();
    const video = sink.video.bind(sink);
    sink.video = (sample) => {
      published.resolve();
      return video(sample);
    };
    const { port } = await startServer(async () => sink, { maxConnections: 16 });
    publish(port, "key", 30, ["-re"]);
    await published.promise;
    /** Who is let in is answered. */
    const isLetIn = async (localAddress: string) => {
      const socket = connect({ port, host: "127.0.0.1", localAddress });
      sockets.push(socket);
      socket.on("error", () => {});
      socket.write(Buffer.concat([Uint8Array.of(3), Buffer.alloc(1_536)]));
      return Promise.race([once(socket, "data").then(() => true), once(socket, "close").then(() => false)]);
    };
    const found: boolean[] = [];
    for (let at = 0; at < 5; at += 1) found.push(await isLetIn("127.0.0.1"));
    assert.deepEqual(found, [true, true, true, true, false]);
    assert.equal(await isLetIn("127.0.0.2"), true);
  });

  it("takes what the ffmpeg program publishes: every frame, its times, keys and configurations", async () => {
    const sink = new RecorderSink();
    const keys: string[] = [];
    const { port } = await startServer(async (key, { address }) => {
      keys.push(key, address);
      return sink;
    });
    const child = publish(port, "secret-key?token=1", 3);
    assert.deepEqual(await sink.ended.promise, { clean: true });
    if (child.exitCode === null) await once(child, "exit");
    assert.equal(child.report(), "");
    assert.deepEqual(keys, ["secret-key", "127.0.0.1"]);
    assert.deepEqual(
      sink.configs.map((config) => [
        config.kind,
        config.codec,
        config.kind === "video" ? [config.width, config.height] : config.sampleRate,
      ]),
      [
        ["video", "h264", [320, 240]],
        ["audio", "aac", 44_100],
      ],
    );
    assert.equal(sink.videos.length, 90);
    assert.deepEqual(
      sink.videos.flatMap((sample, index) => (sample.key ? [index] : [])),
      [0, 30, 60],
    );
    const shown = sink.videos.map((sample) => sample.dtsMs + sample.ctsMs).sort((left, right) => left - right);
    assert.deepEqual(
      shown.map((ms) => ms - shown[0]!),
      shown.map((_, index) => Math.round((index * 1000) / 30)),
    );
    assert.ok(Math.abs(sink.audios.length - (3 * 44_100) / 1024) <= 2);
    assert.equal(sink.ends, 1);
  });

  it("tells a lost publisher from one that said goodbye", async () => {
    const sink = new RecorderSink();
    const { port } = await startServer(async () => sink);
    const child = publish(port, "key", 60, ["-re"]);
    await sink.firstVideo.promise;
    child.kill("SIGKILL");
    assert.deepEqual(await sink.ended.promise, { clean: false });
  });

  it("refuses with the public code, and keeps the key out of the log", async () => {
    const lines: string[] = [];
    const note = (message: string, fields?: object) => void lines.push(`${message} ${JSON.stringify(fields)}`);
    const logger: Logger = { error: note, warn: note, info: note, debug: note, child: () => logger };
    const { port } = await startServer(
      async () => {
        throw new CodedError({ code: "PUBLISH_LEASE_HELD" });
      },
      { logger },
    );
    const child = publish(port, "very-secret", 3);
    const [exit] = await once(child, "exit");
    assert.notEqual(exit, 0);
    assert.match(child.report(), /PUBLISH_LEASE_HELD/);
    assert.ok(lines.some((line) => line.includes("PUBLISH_LEASE_HELD")));
    assert.ok(lines.every((line) => !line.includes("very-secret")));
  });

  it("refuses a codec that it cannot take with a coded error", async () => {
    const sink = new RecorderSink();
    const { port } = await startServer(async () => sink);
    const child = publish(port, "key", 2, ["-c:a", "libmp3lame"]);
    await once(child, "exit");
    assert.deepEqual(await sink.ended.promise, { clean: false, code: "RTMP_CODEC_UNSUPPORTED" });
    assert.equal(sink.audios.length, 0);
  });

  it("slows the publisher down while the sink is slow, without losing a frame", async () => {
    const sink = new RecorderSink();
    const gate = Promise.withResolvers<void>();
    const slow: PublishSink = {
      config: (kind, config) => sink.config(kind, config),
      video: async (sample) => {
        sink.video(sample);
        await gate.promise;
      },
      audio: (sample) => sink.audio(sample),
      end: (how) => sink.end(how),
    };
    const { port } = await startServer(async () => slow);
    publish(port, "key", 5);
    await sink.firstVideo.promise;
    assert.equal(sink.videos.length, 1);
    gate.resolve();
    await sink.ended.promise;
    assert.equal(sink.videos.length, 150);
  });

  it("hangs up on who does not publish in time, who falls silent and who uses another application", async () => {
    const { port } = await startServer(async () => new RecorderSink(), { publishTimeoutMs: 50, idleMs: 20_000 });
    await once(await dial(port), "close");
    await server!.stop();
    const second = await startServer(async () => new RecorderSink(), { publishTimeoutMs: 20_000, idleMs: 50 });
    await once(await dial(second.port), "close");
    const socket = await dial(second.port);
    socket.write(Buffer.concat([Buffer.of(3), Buffer.alloc(3072)]));
    const info = new Map([["app", "other"]]);
    socket.write(writeMessage(3, 20, 0, encodeAmf(["connect", 1, info])));
    let answer = "";
    socket.on("data", (data) => {
      answer += data.toString("latin1");
    });
    await once(socket, "close");
    assert.match(answer, /RTMP_APP_UNKNOWN/);
  });

  it("gives a busy port a coded error and stops at once with publishers connected", async () => {
    const sink = new RecorderSink();
    const { port } = await startServer(async () => sink);
    const other = createRtmpServer({ host: "127.0.0.1", port, authorize: async () => sink, logger: silentLogger });
    await assert.rejects(other.start(), { code: "RTMP_PORT_BUSY" });
    await other.stop();
    publish(port, "key", 60, ["-re"]);
    await sink.firstVideo.promise;
    await server!.stop();
    assert.deepEqual(await sink.ended.promise, { clean: false });
  });

  it("counts a configuration that an encoder repeats with every key frame once, and says what it takes", async () => {
    const sink = new RecorderSink();
    const { port } = await startServer(async () => sink);
    const socket = await dial(port);
    let answer = "";
    socket.on("data", (data) => {
      answer += data.toString("latin1");
    });
    const configuration = writeMessage(4, 8, 1, Buffer.of(0xaf, 0, 0x12, 0x10));
    const other = writeMessage(4, 8, 1, Buffer.of(0xaf, 0, 0x11, 0x90));
    const closed = once(socket, "close");
    socket.end(
      Buffer.concat([
        Buffer.of(3),
        Buffer.alloc(3072),
        writeMessage(3, 20, 0, encodeAmf(["connect", 1, new Map([["app", "live"]])])),
        writeMessage(3, 20, 0, encodeAmf(["createStream", 2, null])),
        writeMessage(3, 20, 1, encodeAmf(["publish", 3, null, "key", "live"])),
        ...Array<Uint8Array>(1_200).fill(configuration),
        other,
        configuration,
      ]),
    );
    await closed;
    assert.deepEqual(
      sink.configs.map((config) => config.kind === "audio" && config.sampleRate),
      [44_100, 48_000, 44_100],
    );
    for (const fourCc of ["fourCcList", "avc1", "hvc1", "vp09", "av01", "mp4a", "Opus"])
      assert.ok(answer.includes(fourCc));
  });

  it("hands on what a publisher says of a time, and nothing else of its data", async () => {
    const tags: PublishedTag[] = [];
    const sink = Object.assign(new RecorderSink(), { tag: (tag: PublishedTag) => void tags.push(tag) });
    const { port } = await startServer(async () => sink);
    const socket = await dial(port);
    socket.resume();
    const closed = once(socket, "close");
    socket.end(
      Buffer.concat([
        Buffer.of(3),
        Buffer.alloc(3072),
        writeMessage(3, 20, 0, encodeAmf(["connect", 1, new Map([["app", "live"]])])),
        writeMessage(3, 20, 0, encodeAmf(["createStream", 2, null])),
        writeMessage(3, 20, 1, encodeAmf(["publish", 3, null, "key", "live"])),
        writeMessage(4, 18, 1, encodeAmf(["@setDataFrame", "onMetaData", new Map([["width", 320]])])),
        writeMessage(4, 18, 1, encodeAmf(["onTextData", new Map([["text", "goal"]])])),
        writeMessage(4, 18, 1, Buffer.of(2, 0xff)),
        writeMessage(
          4,
          22,
          1,
          Buffer.concat([18, 18].map((type) => flvTag(type, encodeAmf(["onCuePoint", "joined"])))),
        ),
      ]),
    );
    await closed;
    const [first, ...joined] = tags.map(({ tag }) => Buffer.from(tag).toString());
    assert.match(first!, /^ID3.*onTextData\0\{"text":"goal"\}$/s);
    assert.equal(joined.length, 2);
    for (const tag of joined) assert.match(tag, /onCuePoint\0"joined"$/);
  });

  it("outlives random and corrupted bytes, and serves the next publisher", async () => {
    const { port } = await startServer(async () => new RecorderSink());
    const good = Buffer.concat([
      Buffer.of(3),
      Buffer.alloc(3072),
      writeMessage(3, 20, 0, encodeAmf(["connect", 1, new Map([["app", "live"]])])),
      writeMessage(3, 20, 0, encodeAmf(["createStream", 2, null])),
      writeMessage(3, 20, 1, encodeAmf(["publish", 3, null, "key", "live"])),
      writeMessage(
        4,
        9,
        1,
        Buffer.of(0x17, 0, 0, 0, 0, 1, 0x64, 0, 0x1f, 0xff, 0xe1, 0, 4, 0x67, 0x64, 0, 0x1f, 1, 0, 1, 0x68),
      ),
      writeMessage(4, 9, 1, Buffer.of(0x17, 1, 0, 0, 0, 0, 0, 0, 2, 0x65, 1)),
      writeMessage(4, 8, 1, Buffer.of(0xaf, 0, 0x12, 0x10)),
      writeMessage(4, 8, 1, Buffer.of(0xaf, 1, 1, 2, 3)),
    ]);
    const edit = fc.record({
      at: fc.integer({ min: 3073, max: good.length - 1 }),
      byte: fc.integer({ min: 0, max: 255 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { maxLength: 12 }), fc.uint8Array({ maxLength: 500 }), async (edits, tail) => {
        const bytes = Buffer.from(good);
        for (const { at, byte } of edits) bytes[at] = byte;
        const socket = await dial(port);
        socket.resume();
        const closed = once(socket, "close");
        socket.end(Buffer.concat([bytes, tail]));
        await closed;
      }),
      { numRuns: 150 },
    );
    const sink = new RecorderSink();
    await server!.stop();
    const next = await startServer(async () => sink);
    publish(next.port, "key", 1);
    await sink.ended.promise;
    assert.equal(sink.videos.length, 30);
  });
});
