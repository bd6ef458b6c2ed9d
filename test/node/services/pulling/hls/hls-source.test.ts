import assert from "node:assert/strict";
import { AddressTurns } from "@leat/node/kernel/net/pinned-address.ts";
import { PlaylistError } from "@leat/node/media/pulled-playlist.ts";
import { type PullOptions, pullOptions } from "@leat/node/media-io/pull/options.ts";
import { Outbound } from "@leat/node/media-io/pull/outbound.ts";
import { openSource } from "@leat/node/services/pulling/open-source.ts";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import type { PublishItem } from "@leat/sdk/protocol/published.ts";
import { defaultsOf } from "../../../../support/defaults.ts";
import { type HlsFiles, makeHls, serveFiles, soundApart } from "../../../../support/hls-files.ts";
import { ManualClock } from "../../../../support/manual-clock.ts";
import { makeAdts, writeTimeTag } from "../../../../support/packed-audio.ts";
import { SourceServer } from "../../../../support/source-server.ts";
import { H264 } from "../../../../support/ts-files.ts";

const pictures = ["-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25:duration=4"];
const sound = ["-f", "lavfi", "-i", "sine=frequency=500:sample_rate=48000:duration=4"];
const both = [...pictures, ...sound, ...H264, "-c:a", "aac", "-hls_time", "1"];

describe("hls source", function () {
  this.timeout(30_000);
  let ts: HlsFiles;
  let fmp4: HlsFiles;
  let ranged: HlsFiles;
  let server: SourceServer;
  let inner: SourceServer;
  let clock: ManualClock;
  let stopping: AbortController;

  before(async () => {
    [ts, fmp4, ranged] = await Promise.all([
      makeHls(...both),
      makeHls(...both, "-hls_segment_type", "fmp4"),
      makeHls(...both, "-hls_segment_type", "fmp4", "-hls_flags", "single_file"),
    ]);
    server = await SourceServer.open();
    inner = await SourceServer.open("127.0.0.2");
  });
  after(() => {
    server.close();
    inner.close();
  });
  beforeEach(() => {
    clock = new ManualClock();
    stopping = new AbortController();
    server.asked.length = 0;
    inner.asked.length = 0;
  });
  afterEach(() => stopping.abort());

  async function open(path = "/live.m3u8", changes: Partial<PullOptions> = {}) {
    const options = defaultsOf(pullOptions, { allow: ["127.0.0.1"], ...changes });
    const outbound = new Outbound(options);
    const more = { addresses: new AddressTurns(), clock, logger: silentLogger, signal: stopping.signal };
    const tools = { outbound, srt: undefined, options, ...more };
    return (await openSource(server.url(path), tools)).media;
  }

  /** All of a source that ends; time passes while it is waited for and never while something is fetched. */
  async function readAll(path?: string, changes?: Partial<PullOptions>): Promise<PublishItem[]> {
    const items: PublishItem[] = [];
    let isOver = false;
    const reading = (async () => {
      for await (const some of await open(path, changes))
        items.push(...some.filter((item) => item.type !== "cue" && item.type !== "tag"));
    })().finally(() => {
      isOver = true;
    });
    reading.catch(() => {});
    while (!isOver) {
      if (clock.sleeping > 0) await clock.advance(50);
      else await new Promise((resolve) => setImmediate(resolve));
    }
    await reading;
    return items;
  }

  const videos = (items: readonly PublishItem[]) =>
    items.flatMap((item) => (item.type === "video" ? [item.sample] : []));
  const audios = (items: readonly PublishItem[]) =>
    items.flatMap((item) => (item.type === "audio" ? [item.sample] : []));
  const configs = (items: readonly PublishItem[]) =>
    items.flatMap((item) => (item.type === "config" ? [item.config.codec] : [])).sort();
  const text = (files: HlsFiles, name = "live.m3u8") => files.get(name)!.toString();
  const refusal = (code: string) => (error: unknown) => isCodedError(error) && error.code === code;
  const range = (count: number) => Array.from({ length: count }, (_, at) => at);

  /** Every picture and all sound of four seconds, each at its time. */
  function checkWhole(items: readonly PublishItem[]): void {
    assert.deepEqual(configs(items), ["aac", "h264"]);
    const seen = videos(items);
    const start = seen[0]!.dtsMs;
    assert.deepEqual(
      seen.map(({ dtsMs }) => Math.round((dtsMs - start) / 40)),
      range(100),
    );
    assert.deepEqual(
      seen.flatMap(({ key }, at) => (key ? [at] : [])),
      [0, 25, 50, 75],
    );
    const heard = audios(items);
    assert.ok(heard.length >= 187 && heard.length <= 190, `${heard.length}`);
    const steps = heard.slice(1).map(({ dtsMs }, at) => dtsMs - heard[at]!.dtsMs);
    assert.ok(
      steps.every((step) => Math.abs(step - 1_024 / 48) < 1.1),
      `${Math.max(...steps)}`,
    );
    // Seen and heard together: what is first shown is there when its sound is.
    const shown = Math.min(...seen.map(({ dtsMs, ctsMs }) => dtsMs + ctsMs));
    assert.ok(Math.abs(shown - heard[0]!.dtsMs) < 45, `${shown} ${heard[0]!.dtsMs}`);
  }

  it("gives all of a whole playlist of transport streams, and ends with it", async () => {
    serveFiles(server, ts);
    checkWhole(await readAll());
    assert.deepEqual(server.asked, ["/live.m3u8", ...range(4).map((at) => `/live${at}.ts`)]);
  });

  it("gives all of fragmented MP4, and reads its map once", async () => {
    serveFiles(server, fmp4);
    checkWhole(await readAll());
    assert.equal(server.asked.filter((path) => path === "/init.mp4").length, 1);
  });

  it("gives all of byte ranges of one file", async () => {
    serveFiles(server, ranged);
    assert.match(text(ranged), /BYTERANGE/);
    checkWhole(await readAll());
  });

  it("takes the best of a master's variants that can be taken in, with its sound from a playlist of its own", async () => {
    const [seen, heard] = await Promise.all([
      makeHls(...pictures, ...H264, "-bf", "0", "-hls_time", "1", "-hls_segment_type", "fmp4"),
      makeHls(...sound, "-c:a", "aac", "-hls_time", "1", "-hls_segment_type", "fmp4"),
    ]);
    const files: HlsFiles = new Map();
    for (const [name, bytes] of seen) files.set(`v/${name}`, bytes);
    for (const [name, bytes] of heard) files.set(`a/${name}`, bytes);
    const master = [
      "#EXTM3U",
      '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="other",URI="none.m3u8"',
      '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="own",DEFAULT=YES,URI="a/live.m3u8"',
      '#EXT-X-STREAM-INF:BANDWIDTH=900000,CODECS="dvh1.05.01,mp4a.40.2",AUDIO="a"',
      "none.m3u8",
      '#EXT-X-STREAM-INF:BANDWIDTH=500000,CODECS="avc1.42c00a,mp4a.40.2",AUDIO="a"',
      "v/live.m3u8",
      '#EXT-X-STREAM-INF:BANDWIDTH=400000,CODECS="avc1.42c00a,mp4a.40.2",AUDIO="a"',
      "none.m3u8",
      '#EXT-X-STREAM-INF:BANDWIDTH=900000000,CODECS="avc1.42c00a,mp4a.40.2",AUDIO="a"',
      "none.m3u8",
    ].join("\n");
    serveFiles(server, files, (name) => (name === "live.m3u8" ? master : undefined));
    const items = await readAll();
    checkWhole(items);
    const times = items.flatMap((item) => (item.type === "config" ? [] : [item.sample.dtsMs]));
    assert.deepEqual(
      times,
      times.toSorted((left, right) => left - right),
    );
  });

  it("takes sound without a container beside pictures in a container of either kind", async () => {
    const frames = await makeAdts(...sound);
    const heard = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:2"];
    const files: HlsFiles = new Map();
    for (let at = 0; at * 47 < frames.length; at += 1) {
      const own = frames.slice(at * 47, (at + 1) * 47);
      heard.push(`#EXTINF:${((own.length * 1_024) / 48_000).toFixed(3)},`, `${at}.aac`);
      files.set(`a/${at}.aac`, Buffer.concat(own));
    }
    files.set("a/live.m3u8", Buffer.from([...heard, "#EXT-X-ENDLIST"].join("\n")));
    const timed: HlsFiles = new Map();
    const apart = ["-hls_time", "1", "-hls_segment_type", "fmp4"];
    const containers = [
      // As the ffmpeg program has it, a transport stream begins at 1.4 s.
      { startS: 1.4, flags: ["-hls_time", "1"] },
      { startS: 1.4, flags: ["-output_ts_offset", "1.4", ...apart] },
      // The one counts on where the 33 bits of the other began anew a day after.
      { startS: 100_000, flags: ["-output_ts_offset", "100000", ...apart] },
    ];
    for (const { startS, flags } of containers) {
      for (const [name, bytes] of await makeHls(...pictures, ...H264, "-bf", "0", ...flags))
        files.set(`v/${name}`, bytes);
      for (const [name, bytes] of files) {
        const at = /^a\/(\d+)\.aac$/.exec(name)?.[1];
        if (at === undefined) continue;
        const ticks = Math.round(startS * 90_000 + Number(at) * 47 * 1_920) % 2 ** 33;
        timed.set(name, Buffer.concat([writeTimeTag(ticks), bytes]));
      }
      serveFiles(server, new Map([...files, ...timed]), (name) => (name === "live.m3u8" ? soundApart : undefined));
      checkWhole(await readAll());
    }
  });

  /** The playlist with so many segments of it, from the first that is wanted. */
  function window(files: HlsFiles, from: number, count: number, tags: readonly string[] = []): string {
    const lines = text(files).split("\n");
    const entries = lines.flatMap((line, at) => (line.startsWith("#EXTINF") ? [`${line}\n${lines[at + 1]}`] : []));
    const head = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:1", `#EXT-X-MEDIA-SEQUENCE:${from}`];
    return [...head, ...entries.slice(from, from + count), ...tags].join("\n");
  }

  it("follows a live playlist: begins three target durations before its end, and reloads as RFC 8216 says", async () => {
    const loads: number[] = [];
    const start = clock.nowMs();
    const answers = [window(ts, 0, 3), window(ts, 0, 3), window(ts, 0, 3), window(ts, 1, 3, ["#EXT-X-ENDLIST"])];
    serveFiles(server, ts, (name) => {
      if (name !== "live.m3u8") return undefined;
      loads.push(clock.nowMs() - start);
      return answers.shift() ?? assert.fail("loaded after its end");
    });
    checkWhole(await readAll());
    // A target duration after what brought segments, then half of one after each that brought none.
    assert.equal(loads.length, 4);
    const [first, ...pauses] = loads.slice(1).map((at, index) => at - loads[index]!);
    assert.deepEqual([first, ...pauses], [1_000, 500, 500]);
  });

  it("begins near the end of a long live playlist", async () => {
    const answers = [window(ts, 0, 4), window(ts, 0, 4, ["#EXT-X-ENDLIST"])];
    serveFiles(server, ts, (name) => (name === "live.m3u8" ? answers.shift() : undefined));
    assert.equal(videos(await readAll()).length, 75);
    assert.ok(!server.asked.includes("/live0.ts"));
  });

  it("goes on behind segments that it missed, and leaves out those that are gone or gaps", async () => {
    const answers = [window(ts, 0, 1), window(ts, 2, 2, ["#EXT-X-ENDLIST"])];
    serveFiles(server, ts, (name) => (name === "live.m3u8" ? answers.shift() : undefined));
    assert.equal(videos(await readAll()).length, 75);
    const gap = text(ts)
      .replace("live1.ts", "gone.ts")
      .replace(/(#EXTINF[^\n]*\n)live2/, "#EXT-X-GAP\n$1live2");
    serveFiles(server, ts, (name) => (name === "live.m3u8" ? gap : undefined));
    const keys = videos(await readAll()).filter(({ key }) => key);
    assert.deepEqual(
      keys.map(({ dtsMs }) => Math.round((dtsMs - keys[0]!.dtsMs) / 1_000)),
      [0, 3],
    );
  });

  it("takes a clock that begins anew at a discontinuity", async () => {
    const lines = text(ts).replace("#EXT-X-ENDLIST\n", "");
    const again = lines.slice(lines.indexOf("#EXTINF"));
    const twice = `${lines}#EXT-X-DISCONTINUITY\n${again}#EXT-X-ENDLIST\n`;
    serveFiles(server, ts, (name) => (name === "live.m3u8" ? twice : undefined));
    const seen = videos(await readAll());
    assert.equal(seen.length, 200);
    assert.deepEqual(
      seen.slice(100).map(({ dtsMs }) => dtsMs),
      seen.slice(0, 100).map(({ dtsMs }) => dtsMs),
    );
  });

  it("begins again where the playlist does", async () => {
    const late = window(ts, 0, 4).replace("SEQUENCE:0", "SEQUENCE:500");
    const answers = [late, window(ts, 0, 2), window(ts, 0, 2, ["#EXT-X-ENDLIST"])];
    serveFiles(server, ts, (name) => (name === "live.m3u8" ? answers.shift() : undefined));
    assert.equal(videos(await readAll()).length, 75 + 50);
  });

  it("gives up a playlist that lists nothing new any more, and one that is gone", async () => {
    serveFiles(server, ts, (name) => (name === "live.m3u8" ? window(ts, 0, 2) : undefined));
    const start = clock.nowMs();
    await assert.rejects(readAll("/live.m3u8", { idleMs: 5_000 }), refusal("PULL_PLAYLIST_STALLED"));
    assert.ok(clock.nowMs() - start >= 5_000);
    const answers = [window(ts, 0, 2)];
    serveFiles(server, ts, (name) => (name === "live.m3u8" ? answers.shift() : undefined));
    server.asked.length = 0;
    const files = server.answer;
    server.answer = (request, response) => {
      if (request.url === "/live.m3u8" && answers.length === 0) response.writeHead(404).end();
      else files(request, response);
    };
    await assert.rejects(readAll("/live.m3u8", { idleMs: 5_000 }), refusal("PULL_STATUS_REFUSED"));
    assert.ok(server.asked.filter((path) => path === "/live.m3u8").length > 3);
  });

  it("gives up a live playlist that goes on with gaps alone", async () => {
    let sequence = 0;
    serveFiles(server, ts, (name) => {
      if (name !== "live.m3u8") return undefined;
      if (sequence > 0) return window(ts, 0, 1).replace(/SEQUENCE:0\n/, `SEQUENCE:${sequence++}\n#EXT-X-GAP\n`);
      sequence += 1;
      return window(ts, 0, 1);
    });
    await assert.rejects(readAll("/live.m3u8", { idleMs: 5_000 }), refusal("PULL_PLAYLIST_STALLED"));
    assert.ok(sequence > 5 && sequence < 20, `${sequence}`);
  });

  it("takes no segment or map of hundreds of thousands of boxes", async () => {
    const empty = Buffer.alloc(8 * 200_000);
    for (let at = 0; at < empty.length; at += 8) empty.writeBigUInt64BE(0x0000000866726565n, at);
    const inside = (type: string, body: Uint8Array) => {
      const box = Buffer.concat([Buffer.alloc(8), body]);
      box.writeUInt32BE(box.length);
      box.write(type, 4);
      return box;
    };
    const [segment] = [...fmp4.keys()].filter((name) => name.endsWith(".m4s")).toSorted();
    for (const bytes of [empty, inside("moof", empty), inside("moof", inside("traf", empty))]) {
      serveFiles(server, new Map([...fmp4, [segment!, bytes]]));
      await assert.rejects(readAll(), refusal("MP4_BOXES_EXCEEDED"));
    }
    serveFiles(server, new Map([...fmp4, ["init.mp4", inside("moov", empty)]]));
    await assert.rejects(readAll(), refusal("MP4_BOXES_EXCEEDED"));
  });

  const refused: readonly (readonly [name: string, code: string, line: (inner: string) => string])[] = [
    ["a segment of a private host", "PULL_ADDRESS_LOOPBACK", (url) => url],
    ["a segment of a file", "PULL_SCHEME_REFUSED", () => "file:///etc/passwd"],
    ["a segment of another scheme", "PULL_SCHEME_REFUSED", () => "data:video/mp2t;base64,Rw=="],
    ["a segment of a mapped address", "PULL_ADDRESS_MAPPED", () => "http://[::ffff:127.0.0.1]/x.ts"],
    [
      "a segment of the cloud's own address",
      "PULL_ADDRESS_LINK_LOCAL",
      () => "http://169.254.169.254/latest/meta-data",
    ],
  ];
  for (const [name, code, line] of refused) {
    it(`refuses ${name} that a playlist names`, async () => {
      const uri = line(inner.url("/secret.ts"));
      const playlist = window(ts, 0, 1).replace("live0.ts", uri);
      serveFiles(server, ts, (asked) => (asked === "live.m3u8" ? playlist : undefined));
      await assert.rejects(readAll(), refusal(code));
      assert.deepEqual(inner.asked, []);
    });
  }

  it("refuses a private host that a playlist names as its map, its variant or its sound, or redirects a segment to", async () => {
    const url = inner.url("/secret");
    const head = "#EXTM3U\n";
    const variant = `${head}#EXT-X-STREAM-INF:BANDWIDTH=1\n${url}\n`;
    const audio = `${head}#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",URI="${url}"\n#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"\nmedia.m3u8\n`;
    const map = window(ts, 0, 1).replace("#EXTINF", `#EXT-X-MAP:URI="${url}"\n#EXTINF`);
    for (const playlist of [variant, audio, map]) {
      serveFiles(server, ts, (name) =>
        name === "live.m3u8" ? playlist : name === "media.m3u8" ? window(ts, 0, 1) : undefined,
      );
      await assert.rejects(readAll(), refusal("PULL_ADDRESS_LOOPBACK"), playlist);
    }
    serveFiles(server, ts);
    const files = server.answer;
    server.answer = (request, response) => {
      if (request.url === "/live2.ts") response.writeHead(302, { location: url }).end();
      else files(request, response);
    };
    await assert.rejects(readAll(), refusal("PULL_ADDRESS_LOOPBACK"));
    assert.deepEqual(inner.asked, []);
  });

  it("bounds playlists and segments", async () => {
    serveFiles(server, ts);
    await assert.rejects(readAll("/live.m3u8", { maxSegmentBytes: 10_000 }), refusal("PULL_SEGMENT_TOO_LARGE"));
    const long = `${window(ts, 0, 1)}\n${"#comment\n".repeat(2_000)}`;
    serveFiles(server, ts, (name) => (name === "live.m3u8" ? long : undefined));
    await assert.rejects(readAll("/live.m3u8", { maxPlaylistBytes: 10_000 }), refusal("PULL_PLAYLIST_TOO_LARGE"));
  });

  it("refuses what is encrypted, what has pictures alone to jump to, and what is no playlist of media", async () => {
    const bad = [
      ['#EXT-X-KEY:METHOD=AES-128,URI="key"', "PULL_PLAYLIST_UNSUPPORTED"],
      ["#EXT-X-I-FRAMES-ONLY", "PULL_PLAYLIST_UNSUPPORTED"],
      ["#EXT-X-SKIP:SKIPPED-SEGMENTS=3", "PULL_PLAYLIST_UNSUPPORTED"],
      ["#EXT-X-SKIP:SKIPPED-SEGMENTS=few", "PULL_PLAYLIST_UNSUPPORTED"],
    ] as const;
    for (const [tag, code] of bad) {
      serveFiles(server, ts, (name) =>
        name === "live.m3u8" ? window(ts, 0, 1).replace("#EXTINF", `${tag}\n#EXTINF`) : undefined,
      );
      await assert.rejects(readAll(), refusal(code));
    }
    for (const playlist of [
      "#EXTM3U\n",
      "#EXTM3U\n#EXTINF:1,\nlive0.ts\n",
      "#EXTM3U\n#EXT-X-TARGETDURATION:1\nlive0.ts\n",
    ]) {
      serveFiles(server, ts, (name) => (name === "live.m3u8" ? playlist : undefined));
      await assert.rejects(
        readAll(),
        (error) => error instanceof PlaylistError && error.code === "PULL_PLAYLIST_INVALID",
      );
    }
    serveFiles(server, new Map([...ts, ["live0.ts", Buffer.from("ID3 sound alone")]]));
    await assert.rejects(readAll(), refusal("PULL_SEGMENT_UNSUPPORTED"));
  });
});
