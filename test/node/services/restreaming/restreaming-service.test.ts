import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createSocket } from "node:dgram";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { promisify } from "node:util";
import { systemClock } from "@leat/node/kernel/clock.ts";
import type { ResolveName } from "@leat/node/kernel/net/name-lookup.ts";
import { type RestreamOptions, restreamOptions } from "@leat/node/media-io/restream/options.ts";
import { createRtmpServer, type RtmpServer } from "@leat/node/media-io/rtmp/server.ts";
import { srtOptions } from "@leat/node/media-io/srt/options.ts";
import { deriveSrtSecret } from "@leat/node/media-io/srt/passphrase.ts";
import { SrtService } from "@leat/node/media-io/srt/srt-service.ts";
import { RestreamingService } from "@leat/node/services/restreaming/restreaming-service.ts";
import { RtmpTarget } from "@leat/node/services/restreaming/rtmp-target.ts";
import { CodedError } from "@leat/sdk/base/errors.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { makeCertificate, type WrittenCertificate, writeCertificate } from "../../../support/certificate.ts";
import { type CodedTrack, codedSound, codedTrack } from "../../../support/coded-track.ts";
import { defaultsOf } from "../../../support/defaults.ts";
import { HaltingRelay } from "../../../support/halting-relay.ts";
import { decodeFrames } from "../../../support/media/ffmpeg.ts";
import { noteInto } from "../../../support/noting-logger.ts";
import { RecorderSink } from "../../../support/recorder-sink.ts";
import { packSegments } from "../../../support/segment-sink.ts";
import { RelayedStream } from "../../../support/whep-stream.ts";

const run = promisify(execFile);
const id: Hex = `0x${"5e".repeat(32)}`;
const KEY = "s3cr3t-key";
/** Filling data, which every decoder leaves out, with its length before it: 1 MiB. */
const FILLING = Buffer.concat([
  Buffer.from([0, 0x0f, 0xff, 0xfc, 0x0c]),
  Buffer.alloc(2 ** 20 - 6, 0xff),
  Buffer.of(0x80),
]);
const secret = deriveSrtSecret(new Uint8Array(32).fill(7));

describe("restreaming service", function () {
  this.timeout(60_000);
  let track: CodedTrack;
  let sound: Awaited<ReturnType<typeof codedSound>>;
  let stream: RelayedStream;
  let service: RestreamingService;
  let set: (body: object) => Promise<object>;
  let states: string[];
  let said: string[];
  let heard: () => void;
  let srt: SrtService;
  let srtSink: RecorderSink | undefined;
  const open: (Server | RtmpServer)[] = [];

  before(async () => {
    [track, sound] = await Promise.all([codedTrack("h264"), codedSound()]);
  });
  beforeEach(async () => {
    srt = new SrtService(
      { authorize: async () => takeSrt(), secret, logger: silentLogger },
      defaultsOf(srtOptions, { port: 0 }),
    );
    await srt.start();
    srtSink = undefined;
    [states, said] = [[], []];
    heard = () => {};
    stream = new RelayedStream();
    stream.add(1, "180p", track);
    stream.addSound(100, "audio-aac", sound.config);
  });
  afterEach(async () => {
    await service.stop();
    await srt.stop();
    for (const server of open.splice(0)) {
      if ("stop" in server) await server.stop();
      else server.close();
    }
  });

  async function start(options: Partial<RestreamOptions> = {}, resolve?: ResolveName) {
    const logger = noteInto(said);
    const session = {
      call: async (_method: string, { name, code }: { name: string; code: string | null }) => {
        states.push(`${name} ${code}`);
        heard();
        return {};
      },
      handle: (_method: string, handler: never) => {
        set = handler;
      },
    };
    const streams = { findStream: (slug: string) => (slug === "slug-1" ? stream : undefined) };
    const usual = { allow: ["127.0.0.1"], retryMinMs: 10, retryMaxMs: 40 };
    service = new RestreamingService(
      {
        session: session as never,
        streams,
        srt,
        clock: systemClock,
        logger,
        metrics: silentMetrics,
        ...(resolve === undefined ? {} : { resolve }),
      },
      defaultsOf(restreamOptions, { ...usual, ...options }),
    );
    await service.start();
  }

  const send = (...targets: object[]) => set({ stream: id, slug: "slug-1", targets });
  const state = async (wanted: () => boolean) => {
    while (!wanted()) {
      await new Promise<void>((resolve) => {
        heard = resolve;
      });
    }
  };
  const passAll = () => {
    for (let step = 0; step < 4; step += 1) {
      stream.pass(1, step, track.frames.slice(step * 15, step * 15 + 15), 90_000);
      stream.pass(100, step, sound.frames.slice(step * 24, step * 24 + 24), 48_000);
    }
  };

  function takeSrt(): RecorderSink {
    srtSink = new RecorderSink();
    heard();
    return srtSink;
  }

  /** A server that takes what comes, and what it got of each connection. */
  async function listen(authorize = async () => {}, port = 0, certificate?: WrittenCertificate) {
    const sinks: RecorderSink[] = [];
    const tls = certificate && { port: 0, certFile: certificate.certFile, keyFile: certificate.keyFile };
    const server = createRtmpServer({
      host: "127.0.0.1",
      port,
      tls,
      logger: silentLogger,
      authorize: async () => {
        await authorize();
        const sink = new RecorderSink();
        sinks.push(sink);
        heard();
        return sink;
      },
    });
    await server.start();
    open.push(server);
    return { port: server.port, tlsPort: server.tlsPort, sinks };
  }

  const followed = async () => {
    while (stream.followed < 2) await new Promise((resolve) => stream.follows.once("follow", resolve));
  };

  it("sends every picture and sound to the ffmpeg program, counts them, and says goodbye at the end", async () => {
    const free = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => free.once("listening", resolve));
    const { port } = free.address() as { port: number };
    await new Promise((resolve) => free.close(resolve));
    const url = `rtmp://127.0.0.1:${port}/live/${KEY}`;
    const output = ["-map", "0:v", "-fps_mode", "passthrough", "-f", "framemd5", "-"];
    const received = run("ffmpeg", ["-v", "error", "-nostdin", "-listen", "1", "-i", url, ...output]);
    await start();
    await send({ name: "one", url });
    await followed();
    passAll();
    await state(() => states.includes("one null"));
    stream.relay.end();
    const { stdout } = await received;
    const checksums = stdout.split("\n").filter((line) => /^0,/.test(line));
    const whole = await decodeFrames(packSegments(track.config, new Map([[0, [...track.frames]]])));
    assert.deepEqual(
      checksums.map((line) => line.split(",").at(-1)!.trim()),
      whole.checksums,
    );
    const bytesOf = (rung: number) =>
      stream.counted.filter((one) => one.rung === rung).reduce((sum, { bytes }) => sum + bytes, 0);
    assert.equal(
      bytesOf(1),
      track.frames.reduce((sum, { data }) => sum + data.length, 0),
    );
    assert.ok(bytesOf(100) > 0);
    assert.ok(!said.join().includes(KEY) && !states.join().includes(KEY));
  });

  it("speaks RTMPS to who the name says, at the address that was looked at, and to nobody else", async () => {
    const trusted = getCACertificates();
    const folder = await mkdtemp(join(tmpdir(), "leat-restream-"));
    try {
      const certificate = await writeCertificate(folder, makeCertificate("server"));
      setDefaultCACertificates([...trusted, certificate.cert]);
      await start({}, async () => [{ address: "127.0.0.1", family: 4 }]);
      const { tlsPort, sinks } = await listen(undefined, 0, certificate);
      await send({ name: "one", url: `rtmps://localhost:${tlsPort}/live/${KEY}` });
      await followed();
      passAll();
      await state(() => states.includes("one null"));
      await sinks[0]!.firstVideo.promise;
      await send({ name: "two", url: `rtmps://camera.test:${tlsPort}/live/${KEY}` });
      await state(() => states.includes("two RESTREAM_UNREACHABLE"));
      assert.equal(sinks.length, 1);
    } finally {
      setDefaultCACertificates(trusted);
      await rm(folder, { recursive: true, force: true });
    }
  });

  it("comes back to a server that was lost, with a key frame, and tells both", async () => {
    const { port, sinks } = await listen();
    await start();
    await send({ name: "one", url: `rtmp://127.0.0.1:${port}/live/${KEY}` });
    await followed();
    passAll();
    await sinks[0]!.firstVideo.promise;
    await state(() => states.includes("one null"));
    const server = open.pop() as RtmpServer;
    await server.stop();
    stream.pass(1, 9, track.frames.slice(0, 5), 9 * 90_000);
    await state(() => states.some((one) => /^one RESTREAM_(LOST|UNREACHABLE)$/.test(one)));
    const again = await listen(undefined, port);
    await state(() => again.sinks.length > 0);
    await followed();
    stream.pass(1, 10, track.frames, 10 * 90_000);
    await state(() => states.at(-1) === "one null");
    await again.sinks[0]!.firstVideo.promise;
    assert.equal(again.sinks[0]!.videos[0]!.key, true);
  });

  it("tells what a server refuses, in no word of the server", async () => {
    const refuse = async () => {
      throw new CodedError({ code: `KEY_${KEY}` });
    };
    const { port } = await listen(refuse);
    await start();
    await send({ name: "one", url: `rtmp://127.0.0.1:${port}/live/${KEY}` });
    await state(() => states.includes("one RESTREAM_REFUSED"));
    assert.ok(!said.join().includes(KEY) && !states.join().includes(KEY));
  });

  const refused: readonly (readonly [url: string, code: string])[] = [
    ["rtmp://127.0.0.1/live/key", "RESTREAM_ADDRESS_REFUSED"],
    ["rtmp://0x7f.1/live/key", "RESTREAM_ADDRESS_REFUSED"],
    ["rtmp://[::ffff:10.0.0.1]/live/key", "RESTREAM_ADDRESS_REFUSED"],
    ["rtmps://192.168.1.1:443/live/key", "RESTREAM_ADDRESS_REFUSED"],
    ["rtmp://inside.example/live/key", "RESTREAM_NAME_REFUSED"],
    ["rtmp://user@public.example/live/key", "RESTREAM_URL_INVALID"],
    ["rtmp://public.example/key", "RESTREAM_URL_INVALID"],
    ["http://public.example/live/key", "RESTREAM_SCHEME_REFUSED"],
    ["file:///etc/passwd", "RESTREAM_SCHEME_REFUSED"],
    ["srt://10.1.2.3:9000?streamid=x", "RESTREAM_ADDRESS_REFUSED"],
    ["srt://public.example?streamid=x", "RESTREAM_URL_INVALID"],
    ["srt://public.example:9000?mode=listener", "RESTREAM_URL_INVALID"],
    ["srt://public.example:9000?passphrase=nine-char", "RESTREAM_PASSPHRASE_INVALID"],
    // 80 bytes in 40 characters.
    [`srt://public.example:9000?passphrase=${"ä".repeat(40)}`, "RESTREAM_PASSPHRASE_INVALID"],
  ];
  it("connects to no address inside, whatever it is written like, and to nothing that is no target", async () => {
    const addresses = [
      { address: "8.8.8.8", family: 4 },
      { address: "10.0.0.1", family: 4 },
    ];
    await start({ allow: [], retryMinMs: 60_000, retryMaxMs: 60_000 }, async () => addresses as never[]);
    const named = refused.map(([url], index) => ({ name: `n${index}`, url }));
    await send(...named.slice(0, 8));
    await state(() => states.length === 8);
    await set({ stream: `0x${"5f".repeat(32)}`, slug: "slug-1", targets: named.slice(8) });
    await state(() => states.length === refused.length);
    assert.deepEqual(states.toSorted(), refused.map(([, code], index) => `n${index} ${code}`).toSorted());
  });

  it("says once at info what it sends to no target for again and again", async () => {
    await start({ allow: [] });
    await send({ name: "one", url: "rtmp://127.0.0.1/live/key" });
    const lines = (level: string) => said.filter((line) => line.startsWith(`${level} Lose target of stream`));
    while (lines("debug").length < 3 && lines("info").length < 3) {
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    assert.equal(lines("info").length, 1);
    assert.match(lines("info")[0]!, /RESTREAM_ADDRESS_REFUSED/);
  });

  it("waits for a stream that is not served here yet, and sends none that nobody pays for", async () => {
    const { port } = await listen();
    const url = `rtmp://127.0.0.1:${port}/live/${KEY}`;
    await start();
    await set({ stream: id, slug: "slug-2", targets: [{ name: "one", url }] });
    await state(() => states.includes("one RESTREAM_STREAM_AWAY"));
    stream.isUnbudgeted = true;
    await send({ name: "two", url }, { name: "three", url, rung: "720p" });
    await state(() => states.includes("two RESTREAM_UNBUDGETED"));
    stream.isUnbudgeted = false;
    await state(() => states.includes("three PLAYOUT_RUNG_UNKNOWN"));
  });

  it("ends what is not named any more, and bounds how many there are", async () => {
    const { port, sinks } = await listen();
    const url = `rtmp://127.0.0.1:${port}/live/${KEY}`;
    await start({ maxTargets: 1 });
    await send({ name: "one", url }, { name: "two", url });
    await state(() => states.includes("two RESTREAM_TARGETS_EXCEEDED"));
    await followed();
    passAll();
    await state(() => states.includes("one null"));
    await send({ name: "two", url, rung: "180p" });
    await sinks[0]!.ended.promise;
    await state(() => sinks.length === 2);
    await send();
    await sinks[1]!.ended.promise;
    while (stream.followed > 0) await new Promise((resolve) => stream.follows.once("unfollow", resolve));
  });

  it("sends a transport stream by SRT to the ffmpeg program, encrypted, and all of it up to the end", async () => {
    const free = createSocket("udp4").bind(0, "127.0.0.1");
    await new Promise((resolve) => free.once("listening", resolve));
    const { port } = free.address();
    await new Promise<void>((resolve) => free.close(resolve));
    const url = `srt://127.0.0.1:${port}?passphrase=${KEY}`;
    const output = ["-map", "0:v", "-fps_mode", "passthrough", "-f", "framemd5", "-"];
    const received = run("ffmpeg", ["-v", "error", "-nostdin", "-i", `${url}&mode=listener`, ...output]);
    await start();
    await send({ name: "one", url });
    await followed();
    passAll();
    await state(() => states.at(-1) === "one null");
    stream.relay.end();
    const { stdout } = await received;
    const whole = await decodeFrames(packSegments(track.config, new Map([[0, [...track.frames]]])));
    assert.deepEqual(
      stdout
        .split("\n")
        .filter((line) => /^0,/.test(line))
        .map((line) => line.split(",").at(-1)!.trim()),
      whole.checksums,
    );
    assert.ok(stream.counted.some(({ rung }) => rung === 100));
    assert.ok(!said.join().includes(KEY));
  });

  it("tells what a server by SRT refuses, names it with a stream id, and comes back to it", async () => {
    await start();
    const unfit = "#!::m=bidirectional,r=x";
    await send(
      { name: "one", url: `${srt.url}?streamid=${unfit}&latency` },
      { name: "two", url: `${srt.url}?streamid=${encodeURIComponent(unfit)}` },
    );
    await state(() => ["one", "two"].every((name) => states.includes(`${name} RESTREAM_REFUSED`)));
    await send({ name: "one", url: `${srt.url}?streamid=${KEY}` });
    await followed();
    passAll();
    await state(() => states.at(-1) === "one null");
    await state(() => srtSink !== undefined);
    await srtSink!.firstVideo.promise;
    await send();
    await srtSink!.ended.promise;
    assert.equal(srtSink!.videos[0]!.key, true);
    while (stream.followed > 0) await new Promise((resolve) => stream.follows.once("unfollow", resolve));
  });

  it("has a server by SRT hold back what it sends for as long as the address says", async () => {
    await start();
    await send({ name: "one", url: `${srt.url}?streamid=${KEY}&latency=1500` });
    await followed();
    const startedMs = performance.now();
    passAll();
    await state(() => srtSink !== undefined);
    await srtSink!.firstVideo.promise;
    const tookMs = performance.now() - startedMs;
    assert.ok(tookMs >= 1_500, `${tookMs} ms`);
  });

  it("tries the addresses of a server by SRT one after the other", async () => {
    const named = ["127.0.0.2", "127.0.0.1"].map((address) => ({ address, family: 4 }));
    await start({ allow: ["127.0.0.1", "127.0.0.2"], timeoutMs: 300 }, async () => named);
    const { port } = new URL(srt.url);
    await send({ name: "one", url: `srt://two.example:${port}?streamid=${KEY}` });
    await followed();
    passAll();
    await state(() => states.includes("one null"));
    assert.deepEqual(states, ["one RESTREAM_TIMEOUT", "one null"]);
  });

  it("gives up a server that takes nothing", async () => {
    const sockets: Socket[] = [];
    const silent = createServer((socket) => void sockets.push(socket.pause())).listen(0, "127.0.0.1");
    open.push(silent);
    await new Promise((resolve) => silent.once("listening", resolve));
    const { port } = silent.address() as { port: number };
    await start({ timeoutMs: 200 });
    await send({ name: "one", url: `rtmp://127.0.0.1:${port}/live/${KEY}` });
    await state(() => states.includes("one RESTREAM_TIMEOUT"));
    for (const socket of sockets) socket.destroy();
  });

  it("gives up a server that takes no description of the stream", async () => {
    const { port } = await listen();
    const { describe: usual } = RtmpTarget.prototype;
    RtmpTarget.prototype.describe = () => new Promise(() => {});
    try {
      await start({ timeoutMs: 200 });
      await send({ name: "one", url: `rtmp://127.0.0.1:${port}/live/${KEY}` });
      await state(() => states.includes("one RESTREAM_TIMEOUT"));
    } finally {
      RtmpTarget.prototype.describe = usual;
    }
  });

  it("leaves the end of a stream to a server that reads it three seconds late", async () => {
    const { port, sinks } = await listen();
    const relay = await HaltingRelay.start(port);
    try {
      await start();
      await send({ name: "one", url: `rtmp://127.0.0.1:${relay.port}/live/${KEY}` });
      await followed();
      passAll();
      await state(() => states.includes("one null"));
      await sinks[0]!.until(() => sinks[0]!.videos.length === track.frames.length);
      relay.halt();
      // More than lies between the two without being read.
      const large = track.frames.slice(0, 4).map((frame) => ({ ...frame, data: Buffer.concat([frame.data, FILLING]) }));
      stream.pass(1, 4, large, 4 * 90_000);
      stream.relay.end();
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      relay.goOn();
      assert.deepEqual(await sinks[0]!.ended.promise, { clean: true });
      assert.equal(sinks[0]!.videos.length, track.frames.length + large.length);
    } finally {
      relay.close();
    }
  });
});
