import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { promisify } from "node:util";
import { PolicyAccess } from "@leat/node/media-io/access/viewer-access.ts";
import type { PlayedStream } from "@leat/node/media-io/playout/stream.ts";
import type { SrtOptions } from "@leat/node/media-io/srt/options.ts";
import { deriveSrtSecret } from "@leat/node/media-io/srt/passphrase.ts";
import { SrtService } from "@leat/node/media-io/srt/srt-service.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import { writeTsSegment } from "../../../../transcoder/mpegts/segment-writer.ts";
import { type CodedTrack, codedSound, codedTrack } from "../../../support/coded-track.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { decodeFrames } from "../../../support/media/ffmpeg.ts";
import { makePlaybackSigner } from "../../../support/playback-keys.ts";
import { RecorderSink } from "../../../support/recorder-sink.ts";
import { callSrt, startCaller, stopCaller } from "../../../support/srt-caller.ts";
import { RelayedStream } from "../../../support/whep-stream.ts";

const run = promisify(execFile);
const usual: SrtOptions = {
  enabled: true,
  host: "127.0.0.1",
  port: 0,
  maxConnections: 10,
  maxViewers: 200,
  recheckMs: 1_000,
  latencyMs: 120,
  encryptedOnly: true,
  idleMs: 1_000,
};

describe("srt playing", function () {
  this.timeout(60_000);
  let large: CodedTrack;
  let small: CodedTrack;
  let sound: Awaited<ReturnType<typeof codedSound>>;
  let stream: RelayedStream;
  let service: SrtService;
  let clock: ManualClock;
  const arrivals = new EventEmitter();
  let seen: string[];
  let sentBytes: number;

  before(async () => {
    startCaller();
    [large, small, sound] = await Promise.all([codedTrack("h264"), codedTrack("h264", "160x90"), codedSound()]);
  });
  after(() => stopCaller());
  beforeEach(() => {
    stream = new RelayedStream();
    stream.add(1, "180p", large);
    stream.add(2, "90p", small);
    stream.addSound(100, "audio-aac", sound.config);
    clock = new ManualClock();
    seen = [];
    sentBytes = 0;
  });
  afterEach(() => service?.stop());

  async function serve(options: Partial<SrtOptions> = {}): Promise<number> {
    const access = new PolicyAccess({ owners: { ask: async () => {} }, clock, metrics: silentMetrics });
    const audience = {
      see: ({ ip }: { ip: string }) => {
        seen.push(ip);
        arrivals.emit("see");
      },
      sent: (bytes: number) => {
        sentBytes += bytes;
      },
    };
    const playout = {
      streams: { findStream: (slug: string) => (slug === "slug-1" ? stream : undefined) },
      access,
      audienceOf: () => audience,
      isPaid: ({ isUnbudgeted }: PlayedStream) => isUnbudgeted === true,
    };
    const secret = deriveSrtSecret(new Uint8Array(32).fill(7));
    const authorize = async () => new RecorderSink();
    service = new SrtService({ authorize, playout, secret, clock, logger: silentLogger }, { ...usual, ...options });
    await service.start();
    return service.port;
  }

  /** What the ffmpeg program receives until the stream is over. */
  async function receive(port: number, id: string, ...select: string[]): Promise<string[]> {
    const url = `srt://127.0.0.1:${port}?streamid=${id}`;
    const flags = ["-v", "error", "-nostdin", "-i", url, ...select, "-fps_mode", "passthrough", "-f", "framemd5", "-"];
    const { stdout } = await run("ffmpeg", flags, { maxBuffer: 64 * 2 ** 20 });
    return stdout
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => line.split(",").at(-1)!.trim());
  }

  /** Waits until so many were let in. */
  async function watching(count: number): Promise<void> {
    while (seen.length < count) await once(arrivals, "see");
  }

  /** Two seconds of it, pictures and sound beside each other, and its end. */
  function passAll(): void {
    for (let step = 0; step < 4; step += 1) {
      stream.pass(1, step, large.frames.slice(step * 15, step * 15 + 15), 90_000);
      stream.pass(2, step, small.frames.slice(step * 15, step * 15 + 15), 90_000);
      stream.pass(100, step, sound.frames.slice(step * 24, step * 24 + 24), 48_000);
    }
    stream.relay.end();
  }

  const followed = () => stream.followed;

  async function refusalOf(port: number, id: string): Promise<number> {
    for (;;) {
      const call = await callSrt(port, id);
      call.close();
      if (call.refused !== undefined) return call.refused;
    }
  }

  it("gives the ffmpeg program the largest rung of H.264, every picture, and counts what went out", async () => {
    const port = await serve();
    const received = receive(port, "play:slug-1", "-map", "0:v");
    await watching(1);
    passAll();
    const whole = await decodeFrames(writeTsSegment({ video: large }));
    assert.equal(whole.checksums.length, 60);
    assert.deepEqual(await received, whole.checksums);
    const bytesOf = (rung: number) =>
      stream.counted.filter((one) => one.rung === rung).reduce((sum, { bytes }) => sum + bytes, 0);
    const sizeOf = (frames: readonly { data: Uint8Array }[]) => frames.reduce((sum, { data }) => sum + data.length, 0);
    assert.equal(bytesOf(1), sizeOf(large.frames));
    assert.ok(bytesOf(100) > 0 && bytesOf(2) === 0);
    assert.equal(sentBytes, bytesOf(1) + bytesOf(100));
    assert.deepEqual(seen, ["127.0.0.1"]);
  });

  it("gives a rung by its name in either form, and sound alone", async () => {
    const port = await serve();
    const received = [
      receive(port, "play:slug-1/90p", "-map", "0:v"),
      receive(port, "#!::m=request,r=slug-1/90p", "-map", "0:v"),
      receive(port, "#!::r=slug-1/audio-aac"),
    ];
    // Two take the same rung: it is written once.
    await watching(3);
    assert.equal(stream.followed, 3);
    passAll();
    const whole = await decodeFrames(writeTsSegment({ video: small }));
    const [plain, fields, heard] = await Promise.all(received);
    assert.deepEqual(plain, whole.checksums);
    assert.deepEqual(fields, whole.checksums);
    assert.ok(heard!.length > 80, `${heard!.length} packets of sound`);
  });

  it("plays what is not public to who has a token, and ends with it", async () => {
    const signer = makePlaybackSigner("EdDSA");
    const policy = { type: "jwt", keys: [signer.key] } as const;
    stream.guarded = { id: `0x${"11".repeat(32)}`, slug: "slug-1", policy };
    const port = await serve();
    const exp = Math.floor(clock.nowMs() / 1000) + 300;
    const token = signer.sign({ sub: "slug-1", exp, ip: "127.0.0.1" });
    const elsewhere = signer.sign({ sub: "slug-1", exp, ip: "192.0.2.7" });
    const other = signer.sign({ sub: "slug-2", exp });
    assert.equal(await refusalOf(port, "play:slug-1"), 1401);
    assert.equal(await refusalOf(port, `play:slug-1/~${other}`), 1403);
    assert.equal(await refusalOf(port, `play:slug-1/~${elsewhere}`), 1403);
    const viewer = await callSrt(port, `play:slug-1/~${token}/180p`);
    await watching(1);
    const received = receive(port, `#!::r=slug-1,token=${token}`, "-map", "0:v");
    await watching(2);
    // A look after ten seconds finds the token good, and one after its end does not. Clocks may differ by a minute.
    await clock.advance(10_000);
    assert.equal(followed(), 2);
    await clock.advance(400_000);
    while (followed() > 0) await once(stream.follows, "unfollow");
    await assert.rejects(received);
    viewer.close();
    assert.equal(await refusalOf(port, `play:slug-1/~${token}/180p`), 1401);
    const late = signer.sign({ sub: "slug-1", exp: exp + 1_000 });
    const whole = receive(port, `#!::m=request,r=slug-1/90p,token=${late}`, "-map", "0:v");
    while (followed() === 0) await once(stream.follows, "follow");
    passAll();
    assert.equal((await whole).length, 60);
  });

  it("tells who is refused why, in SRT's numbers", async () => {
    const port = await serve();
    assert.equal(await refusalOf(port, "play:slug-2"), 1404);
    assert.equal(await refusalOf(port, "play:slug-1/1080p"), 1404);
    stream.add(3, "180p-vp9", { ...large, config: { ...large.config, codec: "vp9" } });
    assert.equal(await refusalOf(port, "play:slug-1/180p-vp9"), 1415);
    stream.isUnbudgeted = true;
    assert.equal(await refusalOf(port, "play:slug-1"), 1402);
    assert.deepEqual(stream.counted, []);
  });

  it("bounds viewers and publishers apart", async () => {
    const port = await serve({ maxViewers: 1, maxConnections: 1, encryptedOnly: false });
    const viewer = await callSrt(port, "play:slug-1");
    await watching(1);
    assert.equal((await callSrt(port, "play:slug-1/90p")).refused, 1402);
    const publisher = await callSrt(port, "a-key");
    assert.deepEqual([viewer.refused, publisher.refused], [undefined, undefined]);
    publisher.close();
    viewer.close();
  });

  it("lets go of the stream when its viewer is gone", async () => {
    const port = await serve();
    const viewer = await callSrt(port, "play:slug-1");
    await watching(1);
    assert.equal(stream.followed, 2);
    viewer.close();
    while (stream.followed > 0) await once(stream.follows, "unfollow");
  });
});
