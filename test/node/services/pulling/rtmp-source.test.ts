import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import type { PullError } from "@leat/node/media-io/pull/errors.ts";
import { pullOptions } from "@leat/node/media-io/pull/options.ts";
import { Outbound } from "@leat/node/media-io/pull/outbound.ts";
import { maskSource, parseSource } from "@leat/node/media-io/pull/source-url.ts";
import { splitMessage } from "@leat/node/media-io/rtmp/aggregate.ts";
import { type AmfValue, encodeAmf } from "@leat/transcoder/rtmp/amf0.ts";
import { messageTypes } from "@leat/transcoder/rtmp/chunk-reader.ts";
import { makeCertificate } from "../../../support/certificate.ts";
import { defaultsOf } from "../../../support/defaults.ts";
import { encodeCase, enhancedCases, FRAMES, publishEnhanced } from "../../../support/enhanced-files.ts";
import { findFreePorts } from "../../../support/free-ports.ts";
import { makeRtmpSeeds, type SeedMessage } from "../../../support/fuzz/rtmp-seeds.ts";
import { PullScene } from "../../../support/pull-scene.ts";
import { type RtmpPlayer, RtmpSource, statusOf } from "../../../support/rtmp-source.ts";

const pattern = ["-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25", "-f", "lavfi", "-i", "sine=frequency=500"];
const coded = ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "25", "-pix_fmt", "yuv420p", "-c:a", "aac"];

describe("rtmp source", function () {
  this.timeout(40_000);
  let scene: PullScene;
  let server: RtmpSource;
  let program: ChildProcess | undefined;
  let media: readonly SeedMessage[];

  before(async () => {
    const { streams } = await makeRtmpSeeds();
    // H.264 as FLV has always had it.
    media = streams.find(([first]) => first!.body[0] === 0x17)!;
  });
  beforeEach(async () => {
    scene = new PullScene();
    server = await RtmpSource.open();
  });
  afterEach(async () => {
    program?.kill("SIGKILL");
    await scene.close();
    server.close();
  });

  function send(player: RtmpPlayer, fromMs = 0): void {
    for (const { kind, timestamp, body } of media) player.send(messageTypes[kind], body, fromMs + timestamp);
  }

  it("is played from the ffmpeg program, whole, and played again when it was lost", async () => {
    const [port] = await findFreePorts(1);
    const serve = () => {
      const flags = [...pattern, ...coded, "-t", "3", "-f", "flv", "-listen", "1", `rtmp://127.0.0.1:${port}/live/one`];
      program = spawn("ffmpeg", ["-v", "error", "-nostdin", ...flags], { stdio: "ignore" });
    };
    void scene.pull(`rtmp://127.0.0.1:${port}/live/one`);
    // Nobody is there yet.
    await scene.state("PULL_UNREACHABLE");
    serve();
    const sink = await scene.sink();
    assert.deepEqual(await sink.ended.promise, { clean: false });
    assert.deepEqual(sink.configs.map(({ codec }) => codec).sort(), ["aac", "h264"]);
    assert.equal(sink.videos.length, 75);
    assert.ok(sink.videos[0]!.key && sink.videos.some(({ ctsMs }) => ctsMs > 0));
    assert.ok(sink.audios.length >= 128, `${sink.audios.length}`);
    await scene.state("PULL_SOURCE_LOST");
    serve();
    await (await scene.sink(1)).firstVideo.promise;
  });

  it("is played with HEVC and Opus as FFmpeg 8 tags them, one by one and many in one message", async () => {
    const directory = await mkdtemp(join(tmpdir(), "leat-rtmp-"));
    try {
      const file = join(directory, "tags.flv");
      await publishEnhanced(await encodeCase(enhancedCases[0]!, directory), file);
      const tags = (await readFile(file)).subarray(13);
      server.onPlay = (player) => {
        // From the second connection on in one piece, whose own time is a second further on.
        if (server.connections > 1) player.send(messageTypes.aggregate, tags, 1_000);
        else for (const { type, timestamp, payload } of tagsOf(tags)) player.send(type, payload, timestamp);
        player.socket.end();
      };
      void scene.pull(server.url());
      const sinks = [await scene.sink(0), await scene.sink(1)];
      for (const sink of sinks) {
        assert.deepEqual(await sink.ended.promise, { clean: false });
        assert.deepEqual(sink.configs.map(({ codec }) => codec).sort(), ["hevc", "opus"]);
        assert.deepEqual([sink.videos.length, sink.videos[0]!.key], [FRAMES, true]);
      }
      const [single, joined] = sinks.map(({ videos }) => videos.map(({ dtsMs }) => dtsMs));
      assert.deepEqual(
        joined,
        single!.map((dtsMs) => dtsMs - tags.readUIntBE(4, 3) + 1_000),
      );
      const facts = server.asked.find(([name]) => name === "connect")![1] as Map<string, AmfValue>;
      assert.deepEqual(facts.get("fourCcList"), ["avc1", "hvc1", "vp09", "av01", "mp4a", "Opus"]);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  it("tells what its server says to be heard of at its time, by itself or among others, and nothing else", async () => {
    const say = (...values: AmfValue[]) => encodeAmf(values);
    const said = [
      [1_500, say("onTextData", new Map([["text", "one"]]))],
      [1_600, say("onMetaData", new Map([["width", 96]]))],
      [1_700, Uint8Array.of(2, 0, 10, 111, 110)],
    ] as const;
    server.onPlay = (player) => {
      send(player, 1_000);
      for (const [timeMs, payload] of said) player.send(messageTypes.dataAmf0, payload, timeMs);
      const cue = say("onCuePoint", new Map([["name", "two"]]));
      const tag = Buffer.concat([Buffer.alloc(11), cue, Buffer.alloc(4)]);
      tag[0] = messageTypes.dataAmf0;
      tag.writeUIntBE(cue.length, 1, 3);
      player.send(messageTypes.aggregate, tag, 1_800);
      player.socket.end();
    };
    void scene.pull(server.url());
    const sink = await scene.sink();
    await sink.ended.promise;
    assert.deepEqual(
      sink.tags.map(({ atMs, tag }) => [atMs, Buffer.from(tag.subarray(21)).toString()]),
      [
        [1_500, 'onTextData\0{"text":"one"}'],
        [1_800, 'onCuePoint\0{"name":"two"}'],
      ],
    );
  });

  it("asks for the stream by all of its name, and keeps it and every word of the server out of what is told", async () => {
    server.onPlay = (player) => {
      send(player);
      player.status("status", "NetStream.Play.UnpublishNotify");
    };
    void scene.pull(server.url("/live/private/camera?token=s3cret"));
    assert.deepEqual(await scene.state("PULL_SOURCE_LOST"), [null, "PULL_SOURCE_LOST"]);
    const [connect, , play] = server.asked.map(([name, ...rest]) => [name, ...rest]);
    const facts = connect![1] as Map<string, AmfValue>;
    assert.deepEqual([facts.get("app"), facts.get("tcUrl")], ["live", `rtmp://127.0.0.1:${server.port}/live`]);
    assert.deepEqual(play, ["play", null, "private/camera?token=s3cret", -2_000]);
    server.onCommand = (name, player) => {
      if (name !== "play") return false;
      player.status("error", "NetStream.Play.StreamNotFound");
      return true;
    };
    await scene.state("PULL_RTMP_REFUSED");
    const lines = scene.said.join("\n");
    assert.match(lines, /"code":"PULL_RTMP_REFUSED","status":"NetStream\.Play\.StreamNotFound"/);
    assert.doesNotMatch(lines, /s3cret|private|camera|words of it/);
  });

  it("ends with what was recorded, and comes back to what is live", async () => {
    server.onPlay = (player) => {
      send(player);
      // Some encoders say what they send again and again.
      send(player, 400);
      if (server.connections === 1) player.send(messageTypes.userControl, Uint8Array.of(0, 1, 0, 0, 0, 1));
      else
        player.send(messageTypes.dataAmf0, encodeAmf(["onPlayStatus", statusOf("status", "NetStream.Play.Complete")]));
    };
    await scene.pull(server.url());
    assert.deepEqual(await Promise.all(scene.sinks.map(({ ended }) => ended.promise)), [
      { clean: false },
      { clean: true },
    ]);
    assert.deepEqual(scene.states, [null, "PULL_SOURCE_LOST", null]);
    assert.deepEqual(
      scene.sinks.map(({ configs }) => configs.length),
      [1, 1],
    );
  });

  it("is not looked for where a server sends it on, or at an address that its name has next", async () => {
    const inner = await RtmpSource.open(undefined, "127.0.0.2");
    try {
      const elsewhere = statusOf("error", "NetConnection.Connect.Rejected", [
        [
          "ex",
          new Map<string, AmfValue>([
            ["code", 302],
            ["redirect", `rtmp://127.0.0.2:${inner.port}/live`],
          ]),
        ],
      ]);
      server.onCommand = (name, player) => {
        if (name === "connect") player.answer("_error", player.call, null, elsewhere);
        return name === "connect";
      };
      const answers = ["127.0.0.1"];
      const resolve = async () => [{ address: answers.shift() ?? "127.0.0.2", family: 4 }];
      void scene.pull(server.url("/live/one", "camera.test"), { resolve });
      assert.deepEqual(await scene.state("PULL_NAME_REFUSED"), ["PULL_RTMP_REFUSED", "PULL_NAME_REFUSED"]);
      assert.match(scene.said.join("\n"), /NetConnection\.Connect\.Rejected/);
      assert.deepEqual([server.connections, inner.connections], [1, 0]);
    } finally {
      inner.close();
    }
  });

  it("is given up where it never answers, says nothing more, or speaks another protocol", async () => {
    server.onConnection = () => {};
    void scene.pull(server.url(), { timeoutMs: 100, idleMs: 150 });
    await scene.state("PULL_TIMEOUT");
    server.onConnection = (socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
    await scene.state("PULL_UNREACHABLE");
    server.onConnection = undefined;
    server.onPlay = (player) => send(player);
    await scene.state("PULL_IDLE");
    assert.equal((await scene.sink()).videos.length > 0, true);
  });

  it("is given up where nothing but talk comes", async () => {
    const talk = (player: RtmpPlayer) => player.send(messageTypes.userControl, Uint8Array.of(0, 6, 0, 0, 0, 1));
    server.onPlay = (player) => {
      const timer = setInterval(() => talk(player), 5);
      player.socket.once("close", () => clearInterval(timer));
    };
    void scene.pull(server.url(), { idleMs: 100 });
    await scene.state("PULL_IDLE");
    assert.equal(scene.sinks.length, 0);
  });

  it("is given up where a message is larger than any, before it is held", async () => {
    server.onPlay = ({ socket }) => {
      // A picture of 16 MB, of which the head alone comes.
      socket.write(Uint8Array.of(4, 0, 0, 0, 0xff, 0xff, 0xff, 9, 1, 0, 0, 0));
    };
    void scene.pull(server.url());
    await scene.state("RTMP_MESSAGE_TOO_LARGE");
    server.onPlay = (player) => player.send(messageTypes.video, Uint8Array.of(0x12, 0, 0, 0, 0, 0));
    await scene.state("RTMP_CODEC_UNSUPPORTED");
  });

  it("is played over TLS from who its name says, and from nobody else", async () => {
    const trusted = getCACertificates();
    const certificate = makeCertificate("source");
    const secure = await RtmpSource.open(certificate);
    const resolve = async () => [{ address: "127.0.0.1", family: 4 }];
    try {
      secure.onPlay = (player) => send(player);
      setDefaultCACertificates([...trusted, certificate.cert]);
      void scene.pull(secure.url("/live/one", "localhost"), { resolve });
      await (await scene.sink()).firstVideo.promise;
      await scene.close();
      const another = new PullScene();
      void another.pull(secure.url("/live/one", "camera.test"), { resolve });
      await another.state("PULL_UNREACHABLE");
      await another.close();
      assert.match(another.said.join("\n"), /ERR_TLS_CERT_ALTNAME_INVALID/);
      assert.equal(secure.asked.filter(([name]) => name === "play").length, 1);
    } finally {
      setDefaultCACertificates(trusted);
      secure.close();
    }
  });

  it("is let go of at once when nobody wants it any more", async () => {
    const gone = Promise.withResolvers<void>();
    server.onPlay = (player) => {
      send(player);
      player.socket.once("close", () => gone.resolve());
    };
    void scene.pull(server.url());
    await (await scene.sink()).firstVideo.promise;
    await scene.close();
    await gone.promise;
  });

  it("has an address with an application and a stream, at a place that may be connected to", async () => {
    const outbound = new Outbound(defaultsOf(pullOptions));
    const refused = [
      ["PULL_ADDRESS_LOOPBACK", "rtmp://127.0.0.1/live/one"],
      ["PULL_ADDRESS_LOOPBACK", "rtmps://0x7f.1/live/one"],
      ["PULL_ADDRESS_PRIVATE", "RTMP://3232235777:1935/live/one"],
      ["PULL_ADDRESS_MAPPED", "rtmp://[::ffff:10.0.0.1]/live/one"],
      ["PULL_NAME_REFUSED", "rtmp://localhost/live/one"],
      ["PULL_URL_INVALID", "rtmp://8.8.8.8"],
      ["PULL_URL_INVALID", "rtmp://8.8.8.8/live"],
      ["PULL_URL_INVALID", "rtmp://8.8.8.8/live/"],
      ["PULL_URL_INVALID", "rtmp://me:secret@8.8.8.8/live/one"],
      ["PULL_URL_INVALID", "rtmp://8.8.8.8:0/live/one"],
      ["PULL_SCHEME_REFUSED", "rtmpt://8.8.8.8/live/one"],
    ] as const;
    for (const [code, url] of refused) {
      const found = await outbound.check(url, new AbortController().signal).catch((error: PullError) => error.code);
      assert.equal(found, code, url);
    }
    const ports = ["rtmp://h/a/b", "rtmps://h/a/b", "rtmp://h:80/a/b", "rtmp://h:21/a/b", "srt://h:21"];
    assert.deepEqual(
      ports.map((url) => parseSource(url).port),
      [1935, 443, 80, 21, 21],
    );
    assert.equal(maskSource("rtmp://host:1/live/key?token=1"), "rtmp://host:1/live/***");
    assert.equal(maskSource("rtmps://host/live"), "rtmps://host/live***");
  });
});

function* tagsOf(bytes: Uint8Array) {
  yield* splitMessage({ type: messageTypes.aggregate, streamId: 1, timestamp: firstMs(bytes), payload: bytes });
}

function firstMs(bytes: Uint8Array): number {
  return Buffer.from(bytes).readUIntBE(4, 3);
}
