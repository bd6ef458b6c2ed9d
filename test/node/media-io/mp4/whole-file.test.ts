import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import { promisify } from "node:util";
import { addErrorHandling } from "@leat/node/http/errors.ts";
import { readBoxes } from "@leat/node/media/mp4/read-boxes.ts";
import { takeCarriedToken } from "@leat/node/media-io/access/carried-token.ts";
import { PolicyAccess } from "@leat/node/media-io/access/viewer-access.ts";
import { hlsRoutes } from "@leat/node/media-io/hls/routes.ts";
import { Mp4Service } from "@leat/node/media-io/mp4/mp4-service.ts";
import { mp4Routes } from "@leat/node/media-io/mp4/routes.ts";
import { EdgeStream, keepPart, type ServedSegment } from "@leat/node/services/delivery/edge-stream.ts";
import { packSegment } from "@leat/node/services/jobs/packed-segment.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import { type Frame, isSameConfig, type TrackConfig } from "@leat/sdk/protocol/frame.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import fc from "fast-check";
import { type FastifyInstance, fastify } from "fastify";
import { type CodedTrack, codedSound, codedTrack } from "../../../support/coded-track.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { decodeFrames, encodeFragmented, probePackets } from "../../../support/media/ffmpeg.ts";
import { readTrack } from "../../../support/media/mp4-reader.ts";
import { makePlaybackSigner } from "../../../support/playback-keys.ts";
import { packSegments } from "../../../support/segment-sink.ts";
import { wholeSegment } from "../../../support/whole-segment.ts";

const run = promisify(execFile);
const RUNG = 1;
const SOUND = 100;
const video: RenditionInfo = {
  rung: RUNG,
  name: "180p",
  kind: "video",
  codec: "h264",
  family: "h264",
  width: 320,
  height: 180,
  bitrate: 500_000,
};
const audio: RenditionInfo = { rung: SOUND, name: "audio-aac", kind: "audio", codec: "aac", bitrate: 96_000 };

interface Sample {
  readonly config: TrackConfig;
  readonly frames: readonly Frame[];
}

/** An edge's stream, to which a test hands whole segments. */
class Kept extends EdgeStream {
  readonly left: ServedSegment[] = [];
  readonly counted: Uint8Array[] = [];
  /** Of its frames, by rung. */
  readonly sizes = new Map<number, number>();
  readonly #configs = new Map<number, TrackConfig[]>();

  constructor() {
    super(keepPart, { id: `0x${"11".repeat(32)}`, slug: "slug-1", policy: { type: "public" } });
    this.describe([video, audio], 250);
  }

  /** Half a second of the samples, `step` of four, moved by so much. */
  keep(
    rung: number,
    sequence: number,
    { config, frames }: Sample,
    place: { step: number; epoch?: number; byS?: number },
  ) {
    const { step, epoch = 0, byS = 0 } = place;
    const known = this.#configs.get(rung) ?? [];
    const at = known.findIndex((one) => isSameConfig(one, config));
    const configVersion = at < 0 ? known.push(config) - 1 : at;
    this.#configs.set(rung, known);
    const each = frames.length / 4;
    const [from, to] = [Math.round(step * each), Math.round((step + 1) * each)];
    const ticks = Math.round(byS * config.timescale);
    const moved = frames.slice(from, to).map((frame) => ({
      ...frame,
      epoch,
      configVersion,
      duration: frame.kind === "video" ? 3_000 : frame.duration,
      dts: frame.dts + ticks,
      pts: frame.pts + ticks,
    }));
    const packed = packSegment({ rung, sequence, config, frames: moved, partTargetMs: 250 });
    const sizeBytes = moved.reduce((sum, { data }) => sum + data.length, 0);
    this.sizes.set(rung, (this.sizes.get(rung) ?? 0) + sizeBytes);
    const facts = { discontinuity: false, wallClockMs: 1_700_000_000_000, firstFrame: 0 };
    const start = { type: "segmentStart", rung, sequence, epoch, configVersion, ...facts } as const;
    this.left.push(...this.add({ start, parts: packed.parts }, config));
  }

  override count(rung: number, sequence: number, from: number, to: number): void {
    this.counted.push(wholeSegment(this, rung, sequence)!.subarray(from, to));
    super.count(rung, sequence, from, to);
  }

  /** What its receipts would say, by rung. */
  receipts(): Map<number, number> {
    const served = new Map<number, number>();
    for (const { leaves } of [...this.left, ...this.closeCounts()]) {
      for (const { rung, sizeBytes } of leaves) served.set(rung, (served.get(rung) ?? 0) + Number(sizeBytes));
    }
    return served;
  }
}

describe("mp4 of a stream that is over", function () {
  this.timeout(60_000);
  let large: CodedTrack;
  let small: CodedTrack;
  let sound: Awaited<ReturnType<typeof codedSound>>;
  let stream: Kept;
  let app: FastifyInstance;
  let service: Mp4Service;
  let clock: ManualClock;
  let url: string;
  let sentBytes: number;
  let watchedS: number;
  let ranges: string[];
  const arrivals = new EventEmitter();

  before(async () => {
    [large, small, sound] = await Promise.all([codedTrack("h264"), codedTrack("h264", "160x90"), codedSound()]);
  });
  beforeEach(async () => {
    stream = new Kept();
    [sentBytes, watchedS, ranges] = [0, 0, []];
    clock = new ManualClock();
    const audience = {
      see: () => void arrivals.emit("see"),
      sent: (bytes: number, seconds: number) => {
        sentBytes += bytes;
        watchedS += seconds;
      },
    };
    const streams = { findStream: (slug: string) => (slug === "slug-1" ? stream : undefined) };
    const isPaid = ({ isUnbudgeted }: { isUnbudgeted?: boolean }) => isUnbudgeted === true;
    service = new Mp4Service(
      { streams, audienceOf: () => audience, isPaid, clock, logger: silentLogger },
      { maxViewers: 2, recheckMs: 1_000 },
    );
    await service.start();
    app = fastify({ rewriteUrl: takeCarriedToken });
    addErrorHandling(app, silentLogger);
    app.addHook("onRequest", async ({ headers }) => void ranges.push(headers.range ?? ""));
    const access = new PolicyAccess({ owners: { ask: async () => {} }, clock, metrics: silentMetrics });
    await app.register(hlsRoutes, { provider: { findStream: () => undefined } });
    await app.register(mp4Routes, { service, access, find: (slug: string) => streams.findStream(slug)?.guarded });
    await app.listen({ host: "127.0.0.1", port: 0 });
    url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}/live/slug-1`;
  });
  afterEach(async () => {
    await app.close();
    await service.stop();
  });

  /** Two seconds, of both tracks, and two more of another epoch. */
  function keepAll(): void {
    for (let step = 0; step < 4; step += 1) {
      stream.keep(RUNG, 7 + step, large, { step, byS: 1_000 });
      stream.keep(SOUND, 7 + step, sound, { step, byS: 1_000 });
    }
    for (let step = 0; step < 4; step += 1) {
      stream.keep(RUNG, 11 + step, large, { step, epoch: 1, byS: 5 });
      stream.keep(SOUND, 11 + step, sound, { step, epoch: 1, byS: 5 });
    }
    stream.left.push(...stream.end());
  }

  const bytesOf = async (name: string, headers: Record<string, string> = {}) => {
    const response = await fetch(`${url}/${name}.mp4`, { headers });
    return { response, bytes: new Uint8Array(await response.arrayBuffer()) };
  };
  const codeOf = async (response: Response) => [
    response.status,
    ((await response.json()) as { error: { code: string } }).error.code,
  ];
  const checksumsOf = async ({ config, frames }: Sample) =>
    (await decodeFrames(packSegments(config, new Map([[0, [...frames]]])))).checksums;

  async function probe(name: string): Promise<{ duration: number; streams: { duration: number; frames: number }[] }> {
    const { stdout, stderr } = await run("ffprobe", [
      ...["-v", "warning", "-count_packets", "-of", "json"],
      ...["-show_entries", "format=duration:stream=index,duration,nb_read_packets", `${url}/${name}.mp4`],
    ]);
    assert.equal(stderr, "");
    const { format, streams } = JSON.parse(stdout) as {
      format: { duration: string };
      streams: { duration: string; nb_read_packets: string }[];
    };
    return {
      duration: Number(format.duration),
      streams: streams.map((one) => ({ duration: Number(one.duration), frames: Number(one.nb_read_packets) })),
    };
  }

  it("is every picture and all of the sound in one file that says how long it is, across epochs", async () => {
    keepAll();
    const { duration, streams } = await probe("180p");
    assert.ok(Math.abs(duration - 4) < 0.1, `${duration}`);
    assert.deepEqual(
      streams.map(({ frames }) => frames),
      [120, 2 * sound.frames.length],
    );
    for (const one of streams) assert.ok(Math.abs(one.duration - 4) < 0.1, `${one.duration}`);
    const shown = await decodeFrames(`${url}/180p.mp4`, ["-map", "0:v"]);
    const once = await checksumsOf(large);
    assert.deepEqual([shown.checksums, shown.complaints], [[...once, ...once], ""]);
    const heard = await decodeFrames(`${url}/best.mp4`, ["-map", "0:a"]);
    assert.deepEqual([heard.checksums.length, heard.complaints], [2 * sound.frames.length, ""]);
  });

  it("lets the ffmpeg program seek in it, which fetches what it shows", async () => {
    keepAll();
    const { stdout } = await run("ffmpeg", [
      ...["-v", "error", "-nostdin", "-ss", "3.3", "-i", `${url}/180p.mp4`],
      ...["-map", "0:v", "-fps_mode", "passthrough", "-f", "framemd5", "-"],
    ]);
    const shown = stdout.split("\n").filter((line) => /^0,/.test(line));
    assert.ok(Math.abs(shown.length - 21) < 3, `${shown.length} pictures`);
    assert.deepEqual(
      shown.map((line) => line.split(",").at(-1)!.trim()),
      (await checksumsOf(large)).slice(-shown.length),
    );
    const { bytes } = await bytesOf("180p");
    const starts = ranges.map((range) => Number(/^bytes=(\d+)-/.exec(range)?.[1] ?? 0));
    assert.ok(Math.max(...starts) > bytes.length / 2, `${ranges}`);
  });

  it("gives any range of it as it is in the whole, counted once each in the parts that it is of", async () => {
    keepAll();
    const { response, bytes } = await bytesOf("180p");
    assert.deepEqual([response.status, response.headers.get("content-type")], [200, "video/mp4"]);
    assert.equal(response.headers.get("content-length"), `${bytes.length}`);
    assert.equal(response.headers.get("accept-ranges"), "bytes");
    assert.equal(response.headers.get("cache-control"), "public, no-cache");
    const kept = stream.sizes.get(RUNG)! + stream.sizes.get(SOUND)!;
    assert.equal(sentBytes, kept);
    assert.ok(Math.abs(watchedS - 4) < 0.001);
    const head = bytes.length - kept;
    assert.ok(Buffer.concat(stream.counted).equals(bytes.subarray(head)));
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.nat(200_000), async (from, more) => {
        const to = Math.min(from + more, bytes.length - 1);
        sentBytes = 0;
        const part = await bytesOf("180p", { range: `bytes=${from}-${to}` });
        assert.equal(part.response.status, 206);
        assert.equal(part.response.headers.get("content-range"), `bytes ${from}-${to}/${bytes.length}`);
        assert.deepEqual(Buffer.from(part.bytes), Buffer.from(bytes.subarray(from, to + 1)));
        assert.equal(sentBytes, Math.max(0, to + 1 - head) - Math.max(0, from - head));
      }),
      { numRuns: 25 },
    );
  });

  it("counts for its receipts what went out, by rung", async () => {
    keepAll();
    await bytesOf("180p");
    await bytesOf("audio-aac");
    assert.deepEqual(
      stream.receipts(),
      new Map([
        [RUNG, stream.sizes.get(RUNG)!],
        [SOUND, 2 * stream.sizes.get(SOUND)!],
      ]),
    );
  });

  it("answers as a file does: to HEAD, to who has it, to who goes on with it, and to who asks beyond it", async () => {
    keepAll();
    const { response, bytes } = await bytesOf("180p");
    const etag = response.headers.get("etag")!;
    const head = await fetch(`${url}/180p.mp4`, { method: "HEAD" });
    assert.deepEqual([head.headers.get("content-length"), head.headers.get("etag")], [`${bytes.length}`, etag]);
    assert.equal((await bytesOf("180p", { "if-none-match": etag })).response.status, 304);
    const range = "bytes=1000-";
    assert.equal((await bytesOf("180p", { range, "if-range": etag })).response.status, 206);
    assert.equal((await bytesOf("180p", { range, "if-range": '"another"' })).response.status, 200);
    const beyond = await bytesOf("180p", { range: `bytes=${bytes.length}-` });
    assert.deepEqual(
      [beyond.response.status, beyond.response.headers.get("content-range")],
      [416, `bytes */${bytes.length}`],
    );
    stream = new Kept();
    stream.keep(RUNG, 0, large, { step: 0 });
    stream.end();
    assert.notEqual((await bytesOf("180p")).response.headers.get("etag"), etag);
  });

  it("goes on with pictures of another size, which decoders are told of where they begin", async () => {
    for (const [sequence, track] of [large, small, large].entries()) {
      stream.keep(RUNG, sequence, track, { step: 0, byS: 0.5 * sequence });
    }
    stream.end();
    const { bytes } = await bytesOf("180p");
    const { duration, streams } = await probe("180p");
    assert.ok(Math.abs(duration - 1.5) < 0.05, `${duration}`);
    assert.deepEqual([streams.length, streams[0]!.frames], [1, 45]);
    const sizeOf = (width: number, height: number) => (width * height * 3) / 2;
    const { stdout } = await run("ffmpeg", [
      ...["-v", "error", "-nostdin", "-i", `${url}/180p.mp4`, "-autoscale", "0"],
      ...["-fps_mode", "passthrough", "-f", "framemd5", "-"],
    ]);
    const lines = stdout
      .split("\n")
      .filter((line) => /^0,/.test(line))
      .map((line) => line.split(","));
    assert.deepEqual(
      lines.map((line) => Number(line[4])),
      [320, 160, 320].flatMap((width) => Array(15).fill(sizeOf(width, (width * 9) / 16))),
    );
    const [first, second] = await Promise.all([checksumsOf(large), checksumsOf(small)]);
    const wanted = [...first.slice(0, 15), ...second.slice(0, 15), ...first.slice(0, 15)];
    assert.deepEqual(
      lines.map((line) => line.at(-1)!.trim()),
      wanted,
    );
    // Parameter sets that the file adds are of no part.
    sentBytes = 0;
    await bytesOf("180p", { range: `bytes=0-${bytes.length - 1}` });
    assert.equal(sentBytes, stream.sizes.get(RUNG));
  });

  it("shows the first picture at once where pictures refer to later ones", async () => {
    const source = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30:duration=2"];
    const flags = ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "15", "-pix_fmt", "yuv420p"];
    const reordered = readTrack(await encodeFragmented(source, flags));
    assert.ok(reordered.frames.some(({ pts, dts }) => pts > dts + 3_000));
    for (const step of [0, 1, 2, 3]) {
      stream.keep(RUNG, step, reordered, { step, byS: 1_000 });
      stream.keep(SOUND, step, sound, { step, byS: 1_000 + reordered.frames[0]!.pts / 90_000 });
    }
    stream.end();
    const { bytes } = await bytesOf("180p");
    const packets = await probePackets(bytes);
    assert.equal(Math.min(...packets.map(({ pts }) => pts)), 0);
    const shown = await decodeFrames(bytes, ["-map", "0:v"]);
    assert.deepEqual([shown.checksums, shown.complaints], [await checksumsOf(reordered), ""]);
    assert.ok(Math.abs((await probe("180p")).duration - 2) < 0.1);
  });

  it("leaves a hole where a segment is missing, and begins with what can be begun with", async () => {
    stream.keep(SOUND, 3, sound, { step: 0, byS: 50 });
    stream.keep(RUNG, 3, { ...large, frames: large.frames.slice(1) }, { step: 0, byS: 50 });
    for (const step of [1, 3]) stream.keep(RUNG, 3 + step, large, { step, byS: 50 });
    for (const step of [1, 2, 3]) stream.keep(SOUND, 3 + step, sound, { step, byS: 50 });
    stream.end();
    const { duration, streams } = await probe("180p");
    assert.ok(Math.abs(duration - 1.5) < 0.1, `${duration}`);
    const packets = sound.frames.length - Math.round(sound.frames.length / 4);
    assert.deepEqual(
      streams.map(({ frames }) => frames),
      [30, packets],
    );
    const { stdout } = await run("ffprobe", [
      ...["-v", "error", "-select_streams", "v", "-show_entries", "packet=pts_time", "-of", "csv=p=0"],
      `${url}/180p.mp4`,
    ]);
    const times = stdout.trim().split("\n").map(Number);
    assert.ok(times[0]! < 0.05 && Math.abs(times[15]! - 1) < 0.05, `${times}`);
  });

  it("has a track that begins later begin later", async () => {
    for (const step of [0, 1, 2, 3]) stream.keep(RUNG, step, large, { step });
    for (const step of [2, 3]) stream.keep(SOUND, step, sound, { step });
    stream.end();
    const { stdout } = await run("ffprobe", [
      ...["-v", "error", "-show_entries", "stream=codec_type,start_time,duration", "-of", "csv=p=0"],
      `${url}/180p.mp4`,
    ]);
    const [[, pictures], [, heard, heardFor]] = stdout.split("\n").map((line) => line.split(",")) as string[][] as [
      string[],
      string[],
    ];
    assert.equal(Number(pictures), 0);
    assert.ok(Math.abs(Number(heard) - 1) < 0.03 && Math.abs(Number(heardFor) - 1) < 0.05, stdout);
  });

  it("leaves timed metadata out, and what it left out is of no receipt", async () => {
    const tag = Uint8Array.from(Buffer.from("ID3 tag"));
    const frames = sound.frames.map((frame, index) => (index === 5 ? { ...frame, tags: [{ pts: 7, tag }] } : frame));
    stream.keep(SOUND, 0, { ...sound, frames }, { step: 0 });
    stream.end();
    const { bytes } = await bytesOf("audio-aac");
    assert.deepEqual(
      readBoxes(bytes).map(({ type }) => type),
      ["ftyp", "moov", "mdat"],
    );
    const { checksums, complaints } = await decodeFrames(bytes);
    assert.deepEqual([checksums.length, complaints], [Math.round(sound.frames.length / 4), ""]);
    assert.deepEqual(stream.receipts(), new Map([[SOUND, stream.sizes.get(SOUND)!]]));
  });

  it("is sound alone where that is asked for", async () => {
    keepAll();
    const { response, bytes } = await bytesOf("audio-aac");
    assert.equal(response.headers.get("content-type"), "audio/mp4");
    const { checksums, complaints } = await decodeFrames(bytes);
    assert.deepEqual([checksums.length, complaints], [2 * sound.frames.length, ""]);
    assert.ok(Math.abs((await probe("audio-aac")).duration - 4) < 0.1);
  });

  it("says why there is none", async () => {
    stream.end();
    assert.deepEqual(await codeOf(await fetch(`${url}/180p.mp4`)), [410, "PLAYOUT_STREAM_ENDED"]);
    stream = new Kept();
    const vp9 = await codedTrack("vp9");
    stream.keep(RUNG, 0, large, { step: 0 });
    stream.keep(RUNG, 1, vp9, { step: 1 });
    stream.end();
    assert.deepEqual(await codeOf(await fetch(`${url}/180p.mp4`)), [409, "PLAYOUT_CONFIG_CHANGED"]);
    stream = new Kept();
    keepAll();
    stream.isUnbudgeted = true;
    assert.deepEqual(await codeOf(await fetch(`${url}/180p.mp4`)), [402, "PLAYOUT_STREAM_PAID"]);
    assert.deepEqual(await codeOf(await fetch(`${url}/1080p.mp4`)), [402, "PLAYOUT_STREAM_PAID"]);
  });

  it("is cut off for who may have no more of it, who takes none, and nobody else", async () => {
    const big = { ...large, frames: large.frames.map((frame) => ({ ...frame, data: new Uint8Array(400_000) })) };
    for (const step of [0, 1, 2, 3]) stream.keep(RUNG, step, big, { step });
    stream.end();
    const signer = makePlaybackSigner("EdDSA");
    stream.guarded = { ...stream.guarded, policy: { type: "jwt", keys: [signer.key] } };
    assert.deepEqual(await codeOf(await fetch(`${url}/180p.mp4`)), [401, "PLAYBACK_TOKEN_MISSING"]);
    const sign = (seconds: number) => signer.sign({ sub: "slug-1", exp: Math.floor(clock.nowMs() / 1000) + seconds });
    const take = (token: string) => {
      const socket = connect(Number(new URL(url).port), "127.0.0.1");
      socket.pause();
      const seen = once(arrivals, "see");
      socket.write(`GET /live/slug-1/~${token}/180p.mp4 HTTP/1.1\r\nhost: a\r\n\r\n`);
      return seen.then(() => socket);
    };
    const short = await take(sign(-55));
    const long = await take(sign(3_600));
    assert.deepEqual(await codeOf(await fetch(`${url}/~${sign(60)}/180p.mp4`)), [503, "PLAYOUT_VIEWERS_EXCEEDED"]);
    await clock.advance(10_000);
    await once(short.resume(), "close");
    const third = await take(sign(3_600));
    await clock.advance(25_000);
    const fourth = await take(sign(3_600));
    await once(long.resume(), "close");
    assert.deepEqual([third.destroyed, fourth.destroyed], [false, false]);
    assert.ok(sentBytes < 60 * 400_000);
    for (const socket of [third, fourth]) socket.destroy();
  });
});
