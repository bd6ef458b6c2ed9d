import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import type { PullError } from "@leat/node/media-io/pull/errors.ts";
import { pullOptions } from "@leat/node/media-io/pull/options.ts";
import { Outbound } from "@leat/node/media-io/pull/outbound.ts";
import { maskSource, parseSource } from "@leat/node/media-io/pull/source-url.ts";
import { RTP_HEAD_BYTES, writeRtpHead } from "@leat/node/media-io/webrtc/rtp.ts";
import { MAX_FRAME_BYTES } from "@leat/sdk/protocol/limits.ts";
import { makeCertificate } from "../../../support/certificate.ts";
import { defaultsOf } from "../../../support/defaults.ts";
import { PullScene } from "../../../support/pull-scene.ts";
import type { RecorderSink } from "../../../support/recorder-sink.ts";
import { type Recording, type RtspPeer, RtspSource, recordRtsp, SESSION } from "../../../support/rtsp-source.ts";
import { H264, HEVC, PICTURES, SOUND } from "../../../support/ts-files.ts";

const bye = Uint8Array.of(0x81, 203, 0, 1, 0, 0, 0, 1);

describe("rtsp source", function () {
  this.timeout(40_000);
  let scene: PullScene;
  let server: RtspSource;
  let recording: Recording;

  before(async () => {
    recording = await recordRtsp([...PICTURES, ...SOUND, ...H264, "-c:a", "aac"]);
  });
  beforeEach(async () => {
    scene = new PullScene();
    server = await RtspSource.open();
    server.recording = recording;
  });
  afterEach(async () => {
    await scene.close();
    server.close();
  });

  const redescribe = (change: (description: string) => string) => {
    server.recording = { ...recording, description: change(recording.description) };
  };

  /** Whole, in order, and each shown a multiple of its rate after the first. */
  async function requireWhole(sink: RecorderSink): Promise<void> {
    await sink.until(() => sink.videos.length === 50 && sink.audios.length > 80);
    const { videos, audios } = sink;
    for (const [index, { dtsMs, ctsMs }] of videos.entries()) {
      assert.ok(ctsMs >= 0 && (index === 0 || dtsMs > videos[index - 1]!.dtsMs));
    }
    const shown = videos.map(({ dtsMs, ctsMs }) => dtsMs + ctsMs).sort((left, right) => left - right);
    for (const [index, ms] of shown.entries())
      assert.ok(Math.abs(ms - shown[0]! - index * 40) < 0.1, `${index}: ${ms}`);
    for (const [index, { dtsMs }] of audios.entries()) assert.ok(index === 0 || dtsMs > audios[index - 1]!.dtsMs);
  }

  it("is played with H.264 and AAC as the ffmpeg program sends them, B-frames and all", async () => {
    void scene.pull(server.url("/camera/one?channel=1"));
    const sink = await scene.sink();
    await requireWhole(sink);
    const { configs, videos } = sink;
    assert.deepEqual(configs.map(({ codec, codecString }) => [codec, codecString.slice(0, 5)]).sort(), [
      ["aac", "mp4a."],
      ["h264", "avc1."],
    ]);
    assert.equal(videos.filter(({ key }) => key).length, 2);
    assert.ok(videos[0]!.key && videos.some(({ ctsMs }) => ctsMs > 40));
    assert.deepEqual(server.methods(), ["OPTIONS", "DESCRIBE", "SETUP", "SETUP", "PLAY"]);
    const address = server.url("/camera/one?channel=1");
    assert.deepEqual(
      server.asked.map(({ uri }) => uri),
      [address, address, `${address}/streamid=0`, `${address}/streamid=1`, address],
    );
    const [, , video, audio, play] = server.asked.map(({ headers }) => headers);
    assert.equal(video!.get("transport"), "RTP/AVP/TCP;unicast;interleaved=0-1");
    assert.equal(audio!.get("transport"), "RTP/AVP/TCP;unicast;interleaved=2-3");
    assert.deepEqual([audio!.get("session"), play!.get("session")], [SESSION, SESSION]);
  });

  it("is played with HEVC and Opus", async () => {
    // Large enough that one does not fit a packet.
    const pictures = ["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25:duration=2"];
    server.recording = await recordRtsp([...pictures, ...SOUND, ...HEVC, "-c:a", "libopus"]);
    void scene.pull(server.url());
    const sink = await scene.sink();
    await requireWhole(sink);
    assert.deepEqual(sink.configs.map(({ codec }) => codec).sort(), ["hevc", "opus"]);
    assert.match(sink.configs.find(({ kind }) => kind === "video")!.codecString, /^hvc1\.1\.6\.L\d+\.90$/);
  });

  it("is played with G.711 of both laws, a sample a byte", async () => {
    for (const [encoder, codec] of [
      ["pcm_alaw", "pcma"],
      ["pcm_mulaw", "pcmu"],
    ] as const) {
      const [own, from] = [new PullScene(), await RtspSource.open()];
      from.recording = await recordRtsp([...PICTURES, ...SOUND, ...H264, "-c:a", encoder, "-ar", "8000", "-ac", "1"]);
      assert.match(from.recording.description, codec === "pcma" ? /RTP\/AVP 8/ : /RTP\/AVP 0/);
      void own.pull(from.url());
      const sink = await own.sink();
      const samples = () => sink.audios.reduce((sum, { data }) => sum + data.length, 0);
      await sink.until(() => sink.videos.length === 50 && samples() > 15_500);
      const config = sink.configs.find(({ kind }) => kind === "audio");
      assert.deepEqual(config, {
        ...{ kind: "audio", codec, codecString: codec, timescale: 8_000, sampleRate: 8_000, channels: 1 },
        description: new Uint8Array(0),
      });
      // Each packet begins where the one before ended.
      for (const [index, { dtsMs }] of sink.audios.entries()) {
        const before = sink.audios[index - 1];
        if (before !== undefined) assert.ok(Math.abs(dtsMs - before.dtsMs - before.data.length / 8) < 0.01, `${index}`);
      }
      assert.deepEqual(
        own.said.filter((line) => line.includes("Ignore")),
        [],
      );
      await own.close();
      from.close();
    }
  });

  it("is told who asks where it wants to know, and nothing of it stands in the log", async () => {
    const [realm, nonce] = ["a camera", "n0nce"];
    const hash = (text: string) => createHash("md5").update(text).digest("hex");
    server.onRequest = ({ method, uri, headers }, peer) => {
      const said = headers.get("authorization") ?? "";
      const wanted = hash(`${hash(`me:${realm}:s@cret`)}:${nonce}:${hash(`${method}:${uri}`)}`);
      if (said.includes(`response="${wanted}"`)) return false;
      peer.answer(401, { "WWW-Authenticate": `Digest realm="${realm}", nonce="${nonce}"` });
      return true;
    };
    void scene.pull(server.url().replace("rtsp://", "rtsp://me:s%40cret@"));
    await (await scene.sink()).firstVideo.promise;
    await scene.close();
    const refused = new PullScene();
    void refused.pull(server.url().replace("rtsp://", "rtsp://me:wrong@"));
    await refused.state("PULL_STATUS_REFUSED");
    await refused.close();
    const basic = `Basic ${Buffer.from("me:s@cret").toString("base64")}`;
    server.onRequest = ({ headers }, peer) => {
      if (headers.get("authorization") === basic) return false;
      peer.answer(401, { "WWW-Authenticate": 'Basic realm="a camera"' });
      return true;
    };
    const another = new PullScene();
    void another.pull(server.url().replace("rtsp://", "rtsp://me:s%40cret@"));
    await (await another.sink()).firstVideo.promise;
    await another.close();
    const lines = [scene, refused, another].flatMap(({ said }) => said).join("\n");
    assert.match(lines, /"code":"PULL_STATUS_REFUSED","status":401/);
    assert.doesNotMatch(lines, /cret|wrong|camera/);
  });

  it("is not looked for where it is sent on to, in whatever way, or where its name leads next", async () => {
    const inner = await RtspSource.open("127.0.0.2");
    try {
      const elsewhere = { Location: inner.url("/camera/one", "127.0.0.2") };
      server.onRequest = ({ method }, peer) => {
        if (method === "DESCRIBE") peer.answer(302, elsewhere);
        return method === "DESCRIBE";
      };
      const answers = ["127.0.0.1", "127.0.0.1"];
      const resolve = async () => [{ address: answers.shift() ?? "127.0.0.2", family: 4 }];
      void scene.pull(server.url("/camera/one", "camera.test"), { resolve });
      await scene.state("PULL_STATUS_REFUSED");
      // Tracks that are said to be elsewhere, and a request to go there: all is asked for here.
      redescribe((text) => text.replaceAll("a=control:streamid", `a=control:${elsewhere.Location}/streamid`));
      server.onRequest = () => false;
      server.onPlay = ({ socket }) => {
        const location = `Location: ${elsewhere.Location}\r\n`;
        socket.write(`REDIRECT ${server.url()} RTSP/1.0\r\nCSeq: 1\r\n${location}\r\n`);
      };
      assert.deepEqual(await scene.state("PULL_NAME_REFUSED"), [
        "PULL_STATUS_REFUSED",
        "PULL_SOURCE_LOST",
        "PULL_NAME_REFUSED",
      ]);
      assert.equal(server.asked.find(({ method }) => method === "SETUP")!.uri, `${elsewhere.Location}/streamid=0`);
      assert.deepEqual([server.connections, inner.connections, scene.sinks.length], [2, 0, 0]);
    } finally {
      inner.close();
    }
  });

  it("is given up where it never answers, speaks another protocol, vanishes or falls silent, and comes back", async () => {
    server.onConnection = () => {};
    void scene.pull(server.url(), { timeoutMs: 100, idleMs: 200 });
    await scene.state("PULL_TIMEOUT");
    server.onConnection = (socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
    await scene.state("PULL_RTSP_INVALID");
    server.onConnection = undefined;
    server.onPlay = (peer) => {
      peer.sendAll(recording);
      setImmediate(() => peer.socket.resetAndDestroy());
    };
    await scene.state("PULL_SOURCE_LOST");
    server.onPlay = (peer) => peer.sendAll(recording);
    await scene.state("PULL_IDLE");
    assert.ok(scene.sinks.length >= 1);
  });

  it("is given up where nothing but reports come", async () => {
    const report = Uint8Array.of(0x80, 201, 0, 1, 0, 0, 0, 1);
    server.onPlay = (peer) => {
      const timer = setInterval(() => peer.send(1, report), 5);
      peer.socket.once("close", () => clearInterval(timer));
    };
    void scene.pull(server.url(), { idleMs: 100 });
    await scene.state("PULL_IDLE");
    assert.equal(scene.sinks.length, 0);
  });

  it("is given up where an answer or a picture is larger than any, before it is held", async () => {
    const answers = [
      "RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Length: 999999999\r\n\r\nv=0",
      `RTSP/1.0 200 OK\r\nX: ${"x".repeat(20_000)}`,
    ];
    let next = 0;
    server.onRequest = ({ method }, { socket }) => {
      if (method === "DESCRIBE") socket.write(answers[next++ % 2]!);
      return method === "DESCRIBE";
    };
    void scene.pull(server.url());
    await scene.state("PULL_RTSP_INVALID");
    assert.match(scene.said.join("\n"), /"what":"content length"/);
    server.onRequest = () => false;
    server.onPlay = (peer) => sendFragments(peer, MAX_FRAME_BYTES);
    await scene.state("PULL_FRAME_TOO_LARGE");
  });

  it("leaves out sound that it cannot read, and says so; pictures that it cannot read it refuses", async () => {
    const others = "m=audio 0 RTP/AVP 14\r\na=control:more\r\n".repeat(200);
    redescribe((text) => text.replace("MPEG4-GENERIC/48000/1", "G726-32/8000") + others);
    void scene.pull(server.url());
    const sink = await scene.sink();
    await sink.until(() => sink.videos.length === 50);
    assert.deepEqual([sink.audios.length, sink.configs.length], [0, 1]);
    assert.deepEqual(
      scene.said.filter((line) => line.includes("Ignore")),
      ['warn Ignore further tracks of source {"kind":"audio","encoding":"G726-32","tracks":201}'],
    );
    await scene.close();
    const another = new PullScene();
    redescribe((text) => text.replace("H264/90000", "JPEG/90000"));
    void another.pull(server.url());
    await another.state("PULL_CODEC_UNSUPPORTED");
    // A channel configuration that stands elsewhere: no decoder is told of it.
    redescribe((text) => text.replace(/config=[0-9A-F]+/, "config=1180"));
    await (await another.sink()).firstVideo.promise;
    assert.match(
      another.said.join("\n"),
      /warn Ignore further tracks of source {"kind":"audio","encoding":"MPEG4-GENERIC","tracks":1}/,
    );
    await another.close();
  });

  it("is given up where it would send by UDP, and taken where it does not say on which channels", async () => {
    let transport = "RTP/AVP;unicast;client_port=5000-5001;server_port=6000-6001";
    server.onRequest = ({ method }, peer) => {
      if (method === "SETUP") peer.answer(200, { Session: SESSION, Transport: transport });
      return method === "SETUP";
    };
    void scene.pull(server.url());
    await scene.state("PULL_RTSP_INVALID");
    transport = "RTP/AVP/TCP;unicast";
    await requireWhole(await scene.sink());
  });

  it("ends with what was recorded, and comes back to what is live", async () => {
    server.onPlay = (peer) => {
      peer.sendAll(recording);
      for (const channel of [1, 3]) peer.send(channel, bye);
      if (server.connections === 1) redescribe((text) => text.replace("t=0 0", "t=0 0\r\na=range:npt=0-2.0"));
    };
    await scene.pull(server.url());
    assert.deepEqual(await Promise.all(scene.sinks.map(({ ended }) => ended.promise)), [
      { clean: false },
      { clean: true },
    ]);
    assert.deepEqual(scene.states, [null, "PULL_SOURCE_LOST", null]);
  });

  it("is told again and again that somebody watches, answered, and told when nobody does", async () => {
    const alive = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<void>();
    server.onRequest = ({ method }, peer) => {
      if (method === "SETUP") {
        peer.answer(200, { Session: `${SESSION}; timeout=1`, Transport: "RTP/AVP/TCP;interleaved=6-7" });
      }
      if (method === "GET_PARAMETER") alive.resolve();
      if (method === "TEARDOWN") gone.resolve();
      return method === "SETUP";
    };
    redescribe((text) => text.slice(0, text.indexOf("m=audio")));
    const heard = Promise.withResolvers<string>();
    server.onPlay = (peer) => {
      // On the channels that the server chose.
      for (const { channel, data } of recording.packets) if (channel === 0) peer.send(6, data);
      peer.socket.on("data", (bytes) => {
        if (bytes.includes("501")) heard.resolve(bytes.toString());
      });
      peer.socket.write(`ANNOUNCE ${server.url()} RTSP/1.0\r\nCSeq: 77\r\n\r\n`);
    };
    void scene.pull(server.url());
    await (await scene.sink()).firstVideo.promise;
    assert.match(await heard.promise, /RTSP\/1\.0 501 Not Implemented\r\nCSeq: 77\r\n/);
    await alive.promise;
    await scene.close();
    await gone.promise;
  });

  it("is played over TLS from who its name says, and from nobody else", async () => {
    const trusted = getCACertificates();
    const certificate = makeCertificate("camera");
    const secure = await RtspSource.open("127.0.0.1", certificate);
    secure.recording = recording;
    const resolve = async () => [{ address: "127.0.0.1", family: 4 }];
    try {
      setDefaultCACertificates([...trusted, certificate.cert]);
      void scene.pull(secure.url("/camera/one", "localhost"), { resolve });
      await requireWhole(await scene.sink());
      const another = new PullScene();
      void another.pull(secure.url("/camera/one", "camera.test"), { resolve });
      await another.state("PULL_UNREACHABLE");
      await another.close();
      assert.equal(secure.methods().filter((method) => method === "PLAY").length, 1);
    } finally {
      setDefaultCACertificates(trusted);
      secure.close();
    }
  });

  it("has a place that may be connected to", async () => {
    const outbound = new Outbound(defaultsOf(pullOptions));
    const refused = [
      ["PULL_ADDRESS_LOOPBACK", "rtsp://127.0.0.1/one"],
      ["PULL_ADDRESS_LOOPBACK", "rtsps://0x7f.1/one"],
      ["PULL_ADDRESS_PRIVATE", "RTSP://me:secret@192.168.1.1:8554/one"],
      ["PULL_NAME_REFUSED", "rtsp://localhost/one"],
      ["PULL_URL_INVALID", "rtsp://me:%ff@8.8.8.8/one"],
      ["PULL_SCHEME_REFUSED", "rtspu://8.8.8.8/one"],
    ] as const;
    for (const [code, url] of refused) {
      const found = await outbound.check(url, new AbortController().signal).catch((error: PullError) => error.code);
      assert.equal(found, code, url);
    }
    assert.deepEqual([parseSource("rtsp://h").port, parseSource("rtsps://h/x").port], [554, 322]);
    assert.equal(maskSource("rtsp://me:secret@host/one?user=me"), "rtsp://***@host/one?***");
  });
});

/** One picture in pieces, which never ends. */
function sendFragments(peer: RtspPeer, bytes: number): void {
  const size = 60_000;
  for (let sequence = 0; sequence * size <= bytes + size; sequence += 1) {
    const room = new Uint8Array(RTP_HEAD_BYTES + 2 + size);
    room.set([0x7c, sequence === 0 ? 0x85 : 0x05], RTP_HEAD_BYTES);
    peer.send(0, writeRtpHead(room, { payloadType: 96, marker: false, sequence, timestamp: 1, ssrc: 1 }));
  }
}
