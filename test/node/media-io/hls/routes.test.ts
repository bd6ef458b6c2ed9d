import assert from "node:assert/strict";
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import { checkStream } from "@leat/node/media/inspect/check-stream.ts";
import { parseRange } from "@leat/node/media-io/hls/range.ts";
import { addLive } from "@leat/node/media-io/hls/routes.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import fc from "fast-check";
import { type FastifyInstance, fastify } from "fastify";
import { fetchFile } from "../../../support/hls-judge.ts";
import { sha256, TestStream } from "../../../support/hls-stream.ts";
import { decodeFrames, encodeFragmented } from "../../../support/media/ffmpeg.ts";
import { readTrack } from "../../../support/media/mp4-reader.ts";
import { wholeSegment } from "../../../support/whole-segment.ts";

const renditions: RenditionInfo[] = [
  { rung: 1, name: "240p", kind: "video", codec: "h264", family: "h264", width: 320, height: 240, bitrate: 300_000 },
  { rung: 2, name: "240p-vp9", kind: "video", codec: "vp9", family: "vp9", width: 320, height: 240, bitrate: 300_000 },
  { rung: 100, name: "audio-aac", kind: "audio", codec: "aac", bitrate: 96_000 },
  { rung: 101, name: "audio-opus", kind: "audio", codec: "opus", bitrate: 64_000 },
];

describe("hls routes", () => {
  let app: FastifyInstance;
  let stream: TestStream;
  let base: string;

  before(async () => {
    stream = new TestStream();
    stream.window.describe(renditions);
    const pictures = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=30:duration=6"];
    const tone = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=6"];
    const [h264, vp9, aac, opus] = await Promise.all([
      encodeFragmented(pictures, [
        "-c:v",
        "libx264",
        "-preset",
        "veryfast",
        "-bf",
        "0",
        "-g",
        "60",
        "-pix_fmt",
        "yuv420p",
      ]),
      encodeFragmented(pictures, ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "60"]),
      encodeFragmented(tone, ["-c:a", "aac"]),
      encodeFragmented(tone, ["-c:a", "libopus"]),
    ]);
    for (const [rung, file] of [
      [1, h264],
      [2, vp9],
      [100, aac],
      [101, opus],
    ] as const)
      stream.addTrack(rung, readTrack(file), [0, 2, 4]);
    stream.window.end();
    app = fastify();
    const silent = new TestStream();
    silent.window.describe(renditions);
    const streams = new Map([
      ["stream-slug", stream],
      ["silent-slug", silent],
    ]);
    await addLive(app, { findStream: (slug) => streams.get(slug) });
    await app.listen({ host: "127.0.0.1", port: 0 });
    base = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}/live/stream-slug`;
  });

  after(() => app.close());
  beforeEach(() => {
    stream.counted.length = 0;
  });

  function total(rung: number, sequence: number): number {
    return stream.counted.reduce((sum, [r, s, from, to]) => sum + (r === rung && s === sequence ? to - from : 0), 0);
  }

  for (const family of ["h264", "vp9"] as const) {
    it(`serves ${family} with audio so that the ffmpeg program plays every frame, and counts every byte`, async () => {
      const { checksums, complaints } = await decodeFrames(`${base}/master-${family}.m3u8`, ["-map", "0:v:0"]);
      assert.equal(complaints, "");
      assert.equal(new Set(checksums).size, 180);
      const sound = await decodeFrames(`${base}/master-${family}.m3u8`, ["-map", "0:a:0"]);
      assert.equal(sound.complaints, "");
      assert.ok(sound.checksums.length > 250);
      const rung = family === "h264" ? 1 : 2;
      for (const sequence of [0, 1, 2])
        assert.ok(total(rung, sequence) >= wholeSegment(stream, rung, sequence)!.length);
    });
  }

  for (const [map, rung] of [
    ["0:v:0", 1],
    ["0:v:1", 2],
  ] as const) {
    it(`serves rung ${rung} by DASH so that the ffmpeg program plays every frame, and counts every byte`, async () => {
      const { checksums, complaints } = await decodeFrames(`${base}/manifest.mpd`, ["-map", map]);
      assert.equal(complaints, "");
      assert.equal(new Set(checksums).size, 180);
      for (const sequence of [0, 1, 2])
        assert.ok(total(rung, sequence) >= wholeSegment(stream, rung, sequence)!.length);
    });
  }

  it("serves by DASH what is served by HLS, and the time", async () => {
    const mpd = await fetch(`${base}/manifest.mpd`);
    assert.equal(mpd.headers.get("content-type"), "application/dash+xml");
    assert.equal(mpd.headers.get("cache-control"), "public, max-age=1");
    const segment = stream.window.segment("audio-aac", 1)!;
    const named = await app.inject({ url: `/live/stream-slug/audio-aac/0-${segment.parts[0]!.startTicks}.m4s` });
    assert.deepEqual(named.rawPayload, wholeSegment(stream, 100, 1));
    assert.equal((await app.inject({ url: "/live/stream-slug/audio-aac/0-1.m4s" })).statusCode, 404);
    const time = await app.inject({ url: "/live/stream-slug/time" });
    assert.match(time.body, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    assert.equal(time.headers["cache-control"], "no-store");
    const early = await app.inject({ url: "/live/silent-slug/manifest.mpd" });
    assert.equal(early.json().error.code, "HLS_NOT_READY");
  });

  it("serves what breaks no rule, down to the bytes of its files", async () => {
    const { findings, media, files } = await checkStream(`${base}/master.m3u8`, fetchFile);
    assert.deepEqual(findings, []);
    // 16 files whole, and the parts that the newest segments have.
    assert.deepEqual([media.length, files], [6, 88]);
  });

  it("serves a playlist once for all, with its type, an etag and a second in any cache", async () => {
    const first = await fetch(`${base}/240p/index.m3u8`);
    assert.equal(first.headers.get("content-type"), "application/vnd.apple.mpegurl");
    assert.equal(first.headers.get("cache-control"), "public, max-age=1");
    assert.equal(first.headers.get("access-control-allow-origin"), "*");
    assert.equal(await first.text(), stream.window.playlist("240p"));
    const again = await fetch(`${base}/240p/index.m3u8`, { headers: { "if-none-match": first.headers.get("etag")! } });
    assert.equal(again.status, 304);
  });

  it("packs a playlist once for those who take it so, under an etag of its own", async () => {
    const plain = await app.inject({ url: "/live/stream-slug/240p/index.m3u8" });
    const packed = await app.inject({
      url: "/live/stream-slug/240p/index.m3u8",
      headers: { "accept-encoding": "br, gzip;q=0.8" },
    });
    assert.equal(packed.headers["content-encoding"], "gzip");
    assert.equal(packed.headers.vary, "accept-encoding");
    assert.equal(gunzipSync(packed.rawPayload).toString(), plain.body);
    assert.notEqual(packed.headers.etag, plain.headers.etag);
    const refused = await app.inject({
      url: "/live/stream-slug/240p/index.m3u8",
      headers: { "accept-encoding": "gzip;q=0, identity" },
    });
    assert.equal(refused.headers["content-encoding"], undefined);
  });

  it("serves a part as a byte range, with the hash that its leaf has", async () => {
    const segment = stream.window.segment("240p", 1)!;
    const part = segment.parts[3]!;
    const range = `bytes=${part.offset}-${part.offset + part.sizeBytes - 1}`;
    const answer = await fetch(`${base}/240p/1.m4s`, { headers: { range } });
    assert.equal(answer.status, 206);
    assert.equal(
      answer.headers.get("content-range"),
      `bytes ${part.offset}-${part.offset + part.sizeBytes - 1}/${segment.sizeBytes}`,
    );
    assert.equal(answer.headers.get("content-type"), "video/mp4");
    assert.equal(answer.headers.get("cache-control"), "public, max-age=600, immutable");
    assert.equal(sha256(new Uint8Array(await answer.arrayBuffer())), part.sha256);
    assert.equal(total(1, 1), part.sizeBytes);
    const beyond = await fetch(`${base}/240p/1.m4s`, { headers: { range: `bytes=${segment.sizeBytes}-` } });
    assert.equal(beyond.status, 416);
    assert.equal(beyond.headers.get("content-range"), `bytes */${segment.sizeBytes}`);
  });

  it("answers HEAD and a known etag without bytes and counts none", async () => {
    const head = await fetch(`${base}/240p/1.m4s`, { method: "HEAD" });
    assert.equal(head.status, 200);
    assert.equal(head.headers.get("content-length"), String(wholeSegment(stream, 1, 1)!.length));
    const known = await fetch(`${base}/240p/1.m4s`, { headers: { "if-none-match": head.headers.get("etag")! } });
    assert.equal(known.status, 304);
    const init = await fetch(`${base}/audio-aac/init-0.mp4`);
    assert.equal(init.headers.get("content-type"), "audio/mp4");
    await init.arrayBuffer();
    assert.deepEqual(stream.counted, []);
  });

  it("counts a viewer that hangs up half way for what it could have got, not for all", async () => {
    const size = 64 * 2 ** 20;
    const part = {
      index: 0,
      bytes: new Uint8Array(size),
      frames: 1,
      pixels: 1,
      durationTicks: 180_000,
      startTicks: 0,
      independent: true,
      headSizeBytes: 1_000,
    };
    stream.addSegment(1, 3, [part], 180_000);
    const outgoing = httpRequest(`${base}/240p/3.m4s`);
    outgoing.end();
    const [response] = await once(outgoing, "response");
    await once(response, "readable");
    const gone = new Promise<void>((resolve) => {
      app.server.getConnections(() => resolve());
    });
    response.destroy();
    await gone;
    assert.ok(total(1, 3) < size / 2);
  });

  const meaningless = ["_HLS_msn=x", "_HLS_part=0", "_HLS_msn=-1", "_HLS_skip=NO", "_HLS_msn=1&_HLS_part=1.5"];
  const twice = ["_HLS_msn=1&_HLS_msn=2", "_HLS_msn=1&_HLS_part=0&_HLS_part=0", "_HLS_skip=YES&_HLS_skip=v2"];
  for (const query of [...meaningless, ...twice]) {
    it(`refuses the directives ${query}`, async () => {
      const answer = await app.inject({ url: `/live/stream-slug/240p/index.m3u8?${query}` });
      assert.deepEqual([answer.statusCode, answer.json().error.code], [400, "HLS_DIRECTIVE_INVALID"]);
    });
  }

  for (const [path, code] of [
    ["/../../etc/passwd", undefined],
    ["/%2e%2e/%2e%2e/index.m3u8", undefined],
    ["/..%2f..%2fpasswd/index.m3u8", "HLS_RENDITION_UNKNOWN"],
    ["/240p/99.m4s", "HLS_FILE_UNKNOWN"],
    ["/240p/-1.m4s", "HLS_FILE_UNKNOWN"],
    ["/240p/1e3.m4s", "HLS_FILE_UNKNOWN"],
    ["/240p/init-7.mp4", "HLS_FILE_UNKNOWN"],
    ["/nothing.m3u8", "HLS_FILE_UNKNOWN"],
    ["/480p/index.m3u8", "HLS_RENDITION_UNKNOWN"],
  ] as const) {
    it(`answers ${path} with 404 ${code ?? ""}`, async () => {
      const answer = await app.inject({ url: `/live/stream-slug${path}` });
      assert.equal(answer.statusCode, 404);
      if (code !== undefined) assert.equal(answer.json().error.code, code);
    });
  }

  it("says when a stream is unknown and when it has not begun", async () => {
    const unknown = await app.inject({ url: "/live/other-slug/master.m3u8" });
    assert.equal(unknown.json().error.code, "HLS_STREAM_UNKNOWN");
    const early = await app.inject({ url: "/live/silent-slug/master.m3u8" });
    assert.equal(early.json().error.code, "HLS_NOT_READY");
    assert.equal(early.headers["retry-after"], "1");
    const preflight = await app.inject({ method: "OPTIONS", url: "/live/stream-slug/240p/1.m4s" });
    assert.equal(preflight.headers["access-control-allow-headers"], "Range, Authorization");
  });

  it("reads byte ranges", () => {
    assert.deepEqual(parseRange("bytes=0-0", 10), { from: 0, to: 1 });
    assert.deepEqual(parseRange("bytes=4-", 10), { from: 4, to: 10 });
    assert.deepEqual(parseRange("bytes=-3", 10), { from: 7, to: 10 });
    assert.deepEqual(parseRange("bytes=5-99", 10), { from: 5, to: 10 });
    for (const odd of [undefined, "bytes=-", "bytes=3-1", "bytes=0-1,4-5", "items=0-1"])
      assert.equal(parseRange(odd, 10), undefined);
    for (const off of ["bytes=10-", "bytes=-0"]) assert.equal(parseRange(off, 10), "unsatisfiable");
    fc.assert(
      fc.property(fc.string(), fc.nat(1000), (header, size) => {
        const range = parseRange(`bytes=${header}`, size);
        if (range !== undefined && range !== "unsatisfiable")
          assert.ok(range.from >= 0 && range.from < range.to && range.to <= size);
      }),
    );
  });
});
