import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import { promisify } from "node:util";
import { addErrorHandling } from "@leat/node/http/errors.ts";
import { takeCarriedToken } from "@leat/node/media-io/access/carried-token.ts";
import { PolicyAccess } from "@leat/node/media-io/access/viewer-access.ts";
import { hlsRoutes } from "@leat/node/media-io/hls/routes.ts";
import { Mp4Service } from "@leat/node/media-io/mp4/mp4-service.ts";
import { mp4Routes } from "@leat/node/media-io/mp4/routes.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import { type FastifyInstance, fastify } from "fastify";
import { type CodedTrack, codedSound, codedTrack } from "../../../support/coded-track.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { decodeFrames, probePackets } from "../../../support/media/ffmpeg.ts";
import { makePlaybackSigner } from "../../../support/playback-keys.ts";
import { packSegments } from "../../../support/segment-sink.ts";
import { RelayedStream } from "../../../support/whep-stream.ts";

const run = promisify(execFile);

describe("mp4 without an end", function () {
  this.timeout(60_000);
  let large: CodedTrack;
  let vp9: CodedTrack;
  let sound: Awaited<ReturnType<typeof codedSound>>;
  let stream: RelayedStream;
  let app: FastifyInstance;
  let service: Mp4Service;
  let clock: ManualClock;
  const arrivals = new EventEmitter();
  let seen = 0;
  let sentBytes = 0;

  before(async () => {
    [large, vp9, sound] = await Promise.all([codedTrack("h264"), codedTrack("vp9"), codedSound()]);
  });
  beforeEach(() => {
    stream = new RelayedStream();
    stream.add(1, "180p", large);
    stream.addSound(100, "audio-aac", sound.config);
    [seen, sentBytes] = [0, 0];
  });
  afterEach(async () => {
    await app.close();
    await service.stop();
  });

  async function serve(maxViewers = 10): Promise<string> {
    clock = new ManualClock();
    const audience = {
      see: () => {
        seen += 1;
        arrivals.emit("see");
      },
      sent: (bytes: number) => {
        sentBytes += bytes;
      },
    };
    const streams = { findStream: (slug: string) => (slug === "slug-1" ? stream : undefined) };
    const isPaid = ({ isUnbudgeted }: { isUnbudgeted?: boolean }) => isUnbudgeted === true;
    service = new Mp4Service(
      { streams, audienceOf: () => audience, isPaid, clock, logger: silentLogger },
      { maxViewers, recheckMs: 1_000 },
    );
    await service.start();
    app = fastify({ rewriteUrl: takeCarriedToken });
    addErrorHandling(app, silentLogger);
    const access = new PolicyAccess({ owners: { ask: async () => {} }, clock, metrics: silentMetrics });
    await app.register(hlsRoutes, { provider: { findStream: () => undefined } });
    await app.register(mp4Routes, { service, access, find: (slug: string) => streams.findStream(slug)?.guarded });
    await app.listen({ host: "127.0.0.1", port: 0 });
    return `http://127.0.0.1:${(app.server.address() as AddressInfo).port}/live/slug-1`;
  }

  async function watching(count: number): Promise<void> {
    while (seen < count) await once(arrivals, "see");
  }

  /** Two seconds, pictures and sound beside each other, and the end. */
  function passAll(): void {
    for (let step = 0; step < 4; step += 1) {
      stream.pass(1, step, large.frames.slice(step * 15, step * 15 + 15), 90_000);
      stream.pass(100, step, sound.frames.slice(step * 24, step * 24 + 24), 48_000);
    }
    stream.relay.end();
  }

  const codeOf = async (response: Response) => [
    response.status,
    ((await response.json()) as { error: { code: string } }).error.code,
  ];

  it("gives the ffmpeg program every picture and the sound, from the next key frame on, and counts them", async () => {
    const url = await serve();
    // What was before the viewer came is past.
    stream.pass(1, 0, large.frames.slice(0, 4));
    const output = ["-fps_mode", "passthrough", "-f", "framemd5", "-"];
    const received = run("ffmpeg", ["-v", "error", "-nostdin", "-i", `${url}/180p.mp4`, "-map", "0:v", ...output]);
    await watching(1);
    passAll();
    const { stdout, stderr } = await received;
    const lines = stdout.split("\n").filter((line) => /^0,/.test(line));
    const whole = await decodeFrames(packSegments(large.config, new Map([[0, [...large.frames]]])));
    assert.equal(whole.checksums.length, 60);
    assert.deepEqual(
      lines.map((line) => line.split(",").at(-1)!.trim()),
      whole.checksums,
    );
    assert.equal(stderr, "");
    const sizeOf = (frames: readonly { data: Uint8Array }[]) => frames.reduce((sum, { data }) => sum + data.length, 0);
    const bytesOf = (rung: number) =>
      stream.counted.filter((one) => one.rung === rung).reduce((sum, { bytes }) => sum + bytes, 0);
    assert.equal(bytesOf(1), sizeOf(large.frames));
    assert.ok(bytesOf(100) > 0);
    assert.equal(sentBytes, bytesOf(1) + bytesOf(100));
  });

  it("begins at zero whenever it is asked for, with both tracks at one time", async () => {
    const url = await serve();
    stream.pass(1, 0, large.frames, 90_000);
    const response = await fetch(`${url}/best.mp4`);
    assert.deepEqual([response.status, response.headers.get("content-type")], [200, "video/mp4"]);
    assert.equal(response.headers.get("cache-control"), "no-store");
    assert.equal(response.headers.get("access-control-allow-origin"), "*");
    stream.pass(1, 9, large.frames, 100 * 90_000);
    stream.pass(100, 9, sound.frames, 100 * 48_000);
    stream.relay.end();
    const packets = await probePackets(new Uint8Array(await response.arrayBuffer()));
    assert.equal(packets.length, 60 + sound.frames.length);
    assert.ok(Math.abs(packets[0]!.dts) < 0.1);
    assert.ok(packets.every(({ dts }) => dts < 2.2));
  });

  it("begins with the first picture that has its sound, where pictures come later than sound, and not for ever later", async () => {
    const url = await serve();
    const half = sound.frames.length >> 1;
    const firstAndCount = (rung: number) => {
      const own = stream.counted.filter((one) => one.rung === rung);
      return [own[0]!.pts, own.length];
    };
    for (const [waitedMs, firstPicture] of [
      [0, 30],
      [6_000, 0],
    ] as const) {
      stream.counted.length = 0;
      stream.pass(100, 0, sound.frames.slice(0, half));
      const response = await fetch(`${url}/best.mp4`);
      stream.pass(100, 0, sound.frames.slice(half));
      await clock.advance(waitedMs);
      stream.pass(1, 0, large.frames);
      stream.relay.config(1, firstPicture, { ...large.config, width: 16 });
      await response.arrayBuffer();
      assert.deepEqual(firstAndCount(1), [large.frames[firstPicture]!.pts, 60 - firstPicture]);
      assert.deepEqual(firstAndCount(100), [sound.frames[half]!.pts, sound.frames.length - half]);
      stream.relay.config(1, 99, large.config);
    }
  });

  it("has the sound of a stream that ends before its first fragment is full", async () => {
    const url = await serve();
    const response = await fetch(`${url}/best.mp4`);
    stream.pass(100, 0, sound.frames.slice(0, 8));
    stream.pass(1, 0, large.frames.slice(0, 5));
    stream.relay.end();
    await response.arrayBuffer();
    const countOf = (rung: number) => stream.counted.filter((one) => one.rung === rung).length;
    assert.deepEqual([countOf(1), countOf(100)], [5, 8]);
  });

  it("plays VP9, and sound alone", async () => {
    const url = await serve();
    stream.add(2, "180p-vp9", vp9);
    const responses = await Promise.all(["180p-vp9", "audio-aac"].map((name) => fetch(`${url}/${name}.mp4`)));
    assert.deepEqual(
      responses.map(({ headers }) => headers.get("content-type")),
      ["video/mp4", "audio/mp4"],
    );
    stream.pass(2, 0, vp9.frames, 90_000);
    passAll();
    const [pictures, heard] = await Promise.all(responses.map((one) => one.arrayBuffer()));
    const shown = await decodeFrames(new Uint8Array(pictures!), ["-map", "0:v"]);
    assert.deepEqual([shown.checksums.length, shown.complaints], [60, ""]);
    const sounded = await decodeFrames(new Uint8Array(heard!));
    assert.deepEqual([sounded.checksums.length, sounded.complaints], [sound.frames.length, ""]);
  });

  it("ends a file where the configuration becomes another", async () => {
    const url = await serve();
    const other = await codedTrack("h264", "160x90");
    const response = await fetch(`${url}/180p.mp4`);
    stream.pass(1, 0, large.frames.slice(0, 15), 90_000);
    stream.relay.config(1, 1, other.config);
    stream.pass(1, 1, other.frames, 180_000);
    const { checksums } = await decodeFrames(new Uint8Array(await response.arrayBuffer()), ["-map", "0:v"]);
    assert.equal(checksums.length, 15);
    assert.equal(stream.followed, 0);
  });

  it("says why there is nothing", async () => {
    const url = await serve(1);
    assert.deepEqual(await codeOf(await fetch(`${url}/720p.mp4`)), [404, "PLAYOUT_RUNG_UNKNOWN"]);
    assert.deepEqual(await codeOf(await fetch(`${url.replace("slug-1", "slug-2")}/180p.mp4`)), [
      404,
      "PLAYOUT_STREAM_UNKNOWN",
    ]);
    stream.window.renditions.push({ rung: 5, name: "new", kind: "video", codec: "h264", bitrate: 1 });
    assert.deepEqual(await codeOf(await fetch(`${url}/new.mp4`)), [503, "PLAYOUT_RUNG_EMPTY"]);
    const first = await fetch(`${url}/180p.mp4`);
    assert.deepEqual(await codeOf(await fetch(`${url}/180p.mp4`)), [503, "PLAYOUT_VIEWERS_EXCEEDED"]);
    await first.body!.cancel();
    while (stream.followed > 0) await once(stream.follows, "unfollow");
    assert.equal((await fetch(`${url}/180p.mp4`, { method: "HEAD" })).status, 200);
    stream.isUnbudgeted = true;
    assert.deepEqual(await codeOf(await fetch(`${url}/180p.mp4`)), [402, "PLAYOUT_STREAM_PAID"]);
    stream.isUnbudgeted = false;
    stream.relay.end();
    assert.deepEqual(await codeOf(await fetch(`${url}/180p.mp4`)), [410, "PLAYOUT_STREAM_ENDED"]);
    assert.deepEqual(stream.counted, []);
  });

  it("plays what is not public to who has a token, and cuts it off with it", async () => {
    const url = await serve();
    const signer = makePlaybackSigner("EdDSA");
    const policy = { type: "jwt", keys: [signer.key] } as const;
    stream.guarded = { id: `0x${"11".repeat(32)}`, slug: "slug-1", policy };
    const token = signer.sign({ sub: "slug-1", exp: Math.floor(clock.nowMs() / 1000) + 300 });
    assert.deepEqual(await codeOf(await fetch(`${url}/180p.mp4`)), [401, "PLAYBACK_TOKEN_MISSING"]);
    const inPath = await fetch(`${url}/~${token}/180p.mp4`);
    const inHeader = await fetch(`${url}/180p.mp4`, { headers: { authorization: `Bearer ${token}` } });
    assert.deepEqual([inPath.status, inHeader.status, stream.followed], [200, 200, 4]);
    await clock.advance(2_000);
    assert.equal(stream.followed, 4);
    await clock.advance(400_000);
    while (stream.followed > 0) await once(stream.follows, "unfollow");
    // Not as a file ends.
    const isCut = ({ cause }: Error) => (cause as { code?: string }).code === "UND_ERR_SOCKET";
    await assert.rejects(inPath.arrayBuffer(), isCut);
    await assert.rejects(inHeader.arrayBuffer(), isCut);
  });

  it("lets go of who takes nothing, and holds little for it meanwhile", async () => {
    const url = await serve();
    const { port } = new URL(url);
    const socket = connect(Number(port), "127.0.0.1");
    socket.pause();
    socket.write("GET /live/slug-1/180p.mp4 HTTP/1.1\r\nhost: a\r\n\r\n");
    await watching(1);
    const big = large.frames.map((frame) => ({ ...frame, data: new Uint8Array(400_000) }));
    for (let round = 1; round <= 10; round += 1) stream.pass(1, round, big, round * 180_000);
    assert.ok(sentBytes < 60 * 400_000);
    await clock.advance(32_000);
    while (stream.followed > 0) await once(stream.follows, "unfollow");
    socket.destroy();
  });
});
