import assert from "node:assert/strict";
import { httpOptions } from "@leat/node/http/options.ts";
import { createServer } from "@leat/node/http/server.ts";
import { carryToken, originOf } from "@leat/node/media-io/access/carried-token.ts";
import { type OwnerAsker, PolicyAccess } from "@leat/node/media-io/access/viewer-access.ts";
import { addLive } from "@leat/node/media-io/hls/routes.ts";
import type { HlsStream } from "@leat/node/media-io/hls/stream.ts";
import { type LogFields, type Logger, silentLogger } from "@leat/sdk/base/logger.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import type { TrackConfig } from "@leat/sdk/protocol/frame.ts";
import type { PlaybackPolicy } from "@leat/sdk/protocol/playback.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import type { FastifyInstance } from "fastify";
import { defaultsOf } from "../../../support/defaults.ts";
import { TestStream } from "../../../support/hls-stream.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { makePlaybackSigner } from "../../../support/playback-keys.ts";

const renditions: RenditionInfo[] = [{ rung: 100, name: "audio-aac", kind: "audio", codec: "aac", bitrate: 96_000 }];
const aac: TrackConfig = {
  kind: "audio",
  codec: "aac",
  codecString: "mp4a.40.2",
  timescale: 48_000,
  sampleRate: 48_000,
  channels: 2,
  description: new Uint8Array([0x11, 0x90]),
};

describe("viewer guard", () => {
  let app: FastifyInstance;
  let clock: ManualClock;
  let policy: PlaybackPolicy;
  let lines: string[];
  let asked: string[];
  let onAsk: () => void;
  const signer = makePlaybackSigner("ES256");
  const claims = () => ({ sub: "slug-slug", exp: clock.nowMs() / 1_000 + 600 });

  beforeEach(async () => {
    clock = new ManualClock();
    policy = { type: "jwt", keys: [signer.key] };
    onAsk = () => {};
    lines = [];
    const stream = new TestStream();
    stream.window.describe(renditions);
    stream.window.setConfig(100, 0, aac);
    const part = {
      index: 0,
      bytes: new Uint8Array(100),
      frames: 1,
      pixels: 0,
      durationTicks: 96_000,
      startTicks: 0,
      independent: true,
      headSizeBytes: 1,
    };
    stream.addSegment(100, 0, [part], 96_000);
    const found: HlsStream = stream;
    Object.defineProperty(found, "guarded", { get: () => ({ id: "0xid", slug: "slug-slug", policy }) });
    const note = (message: string, fields?: LogFields) => void lines.push(JSON.stringify([message, fields]));
    const logger: Logger = { ...silentLogger, debug: note, info: note, warn: note, error: note, child: () => logger };
    app = await createServer(defaultsOf(httpOptions), { logger, metrics: silentMetrics });
    asked = [];
    const owners: OwnerAsker = {
      ask: async (_policy, _guarded, { protocol }) => {
        assert.equal(policy.type, "webhook", "nobody is asked");
        asked.push(protocol);
        onAsk();
      },
    };
    const access = new PolicyAccess({ owners, clock, metrics: silentMetrics });
    await addLive(app, { findStream: (slug) => (slug === "slug-slug" ? found : undefined) }, { access });
  });
  afterEach(() => app.close());

  const get = (url: string, headers: Record<string, string> = {}) => app.inject({ url, headers });
  const files = ["master.m3u8", "audio-aac/index.m3u8", "audio-aac/init-0.mp4", "audio-aac/0.m4s"];

  it("lets a token that is bound to an address and an origin in from there alone, for every file", async () => {
    const bound = signer.sign({ ...claims(), ip: "192.0.2.7", origin: "https://page.example" });
    const ask = async (file: string, remoteAddress: string, origin: string) => {
      const headers = { authorization: `Bearer ${bound}`, origin };
      const answer = await app.inject({ url: `/live/slug-slug/${file}`, remoteAddress, headers });
      return answer.statusCode === 200 ? "watched" : answer.json().error.code;
    };
    for (const file of [...files, "manifest.mpd"]) {
      assert.equal(await ask(file, "192.0.2.7", "https://page.example"), "watched", file);
      assert.equal(await ask(file, "192.0.2.8", "https://page.example"), "PLAYBACK_TOKEN_ADDRESS_WRONG", file);
      assert.equal(await ask(file, "192.0.2.7", "https://other.example"), "PLAYBACK_TOKEN_ORIGIN_WRONG", file);
    }
  });

  it("refuses every file of a stream that is not public, with a code, and no cache keeps the refusal", async () => {
    const more = ["manifest.mpd", "time", "audience", "audio-aac/index.m3u8?_HLS_msn=9", "nothing.m3u8"];
    for (const file of [...files, ...more]) {
      const answer = await get(`/live/slug-slug/${file}`);
      assert.deepEqual([answer.statusCode, answer.json().error.code], [401, "PLAYBACK_TOKEN_MISSING"], file);
      assert.equal(answer.headers["cache-control"], "no-store");
      assert.equal(answer.headers["access-control-allow-origin"], "*");
    }
    assert.equal((await get("/live/none-none/master.m3u8")).json().error.code, "HLS_STREAM_UNKNOWN");
  });

  it("plays on from a playlist that was asked for with a token, as a player follows it", async () => {
    const token = signer.sign(claims());
    const first = await get(`/live/slug-slug/master.m3u8?x=1&token=${token}`);
    assert.deepEqual([first.statusCode, first.headers.location], [302, `~${token}/master.m3u8?x=1`]);
    assert.equal(first.headers["cache-control"], "no-store");
    let url = new URL(first.headers.location!, "http://edge/live/slug-slug/master.m3u8");
    const master = await get(url.pathname);
    assert.equal(master.statusCode, 200);
    url = new URL(/^\S+\.m3u8$/m.exec(master.body)![0], url);
    const playlist = await get(url.pathname);
    for (const file of [/URI="([^"]+)"/.exec(playlist.body)![1]!, /^\S+\.m4s$/m.exec(playlist.body)![0]]) {
      const media = await get(new URL(file, url).pathname);
      assert.equal(media.statusCode, 200, file);
      assert.equal(media.headers["cache-control"], "private, max-age=600, immutable");
    }
    const dash = await get(`/live/slug-slug/manifest.mpd?token=${token}`);
    assert.deepEqual([dash.statusCode, dash.headers.location], [302, `~${token}/manifest.mpd`]);
    assert.equal((await get(carryToken(`/live/slug-slug/time`, token))).statusCode, 200);
    const inner = await get(`/live/slug-slug/audio-aac/index.m3u8?token=${token}`);
    assert.equal(inner.headers.location, `../~${token}/audio-aac/index.m3u8`);
    assert.equal(
      new URL(inner.headers.location!, "http://edge/live/slug-slug/audio-aac/index.m3u8").pathname,
      carryToken("/live/slug-slug/audio-aac/index.m3u8", token),
    );
  });

  it("takes the token in the path, the query and the Authorization header, for every file", async () => {
    const token = signer.sign(claims());
    for (const file of files) {
      assert.equal((await get(carryToken(`/live/slug-slug/${file}`, token))).statusCode, 200, file);
      assert.equal((await get(`/live/slug-slug/${file}`, { authorization: `Bearer ${token}` })).statusCode, 200, file);
    }
    assert.equal((await get(`/live/slug-slug/audio-aac/0.m4s?token=${token}`)).statusCode, 200);
  });

  it("admits by the policy that stands once the owner has answered", async () => {
    policy = { type: "webhook", url: "https://owner.test/", secret: "a-secret-of-both", keys: [] };
    onAsk = () => {
      policy = { type: "jwt", keys: [signer.key] };
    };
    const answer = await get("/live/slug-slug/audio-aac/0.m4s");
    assert.deepEqual([answer.statusCode, answer.json().error.code], [401, "PLAYBACK_TOKEN_MISSING"]);
  });

  it("asks no owner about a token or a page of any length", async () => {
    policy = { type: "webhook", url: "https://owner.test/", secret: "a-secret-of-both", keys: [] };
    const url = "/live/slug-slug/audio-aac/0.m4s";
    const long = await get(url, { authorization: `Bearer ${"a".repeat(2_049)}` });
    assert.equal(long.json().error.code, "PLAYBACK_TOKEN_INVALID");
    assert.deepEqual(asked, []);
    assert.equal((await get(url, { authorization: `Bearer ${"a".repeat(2_048)}` })).statusCode, 200);
    assert.deepEqual(
      [originOf({ origin: `https://${"a".repeat(300)}` }), originOf({ origin: "https://a" })],
      [undefined, "https://a"],
    );
  });

  it("ends who watches when the token does, and when its key is taken away", async () => {
    const url = carryToken("/live/slug-slug/audio-aac/0.m4s", signer.sign(claims()));
    const next = makePlaybackSigner("EdDSA", "k2");
    policy = { type: "jwt", keys: [signer.key, next.key] };
    assert.equal((await get(url)).statusCode, 200);
    policy = { type: "jwt", keys: [next.key] };
    assert.equal((await get(url)).json().error.code, "PLAYBACK_TOKEN_KEY_UNKNOWN");
    policy = { type: "jwt", keys: [signer.key] };
    await clock.advance(660_000);
    assert.equal((await get(url)).json().error.code, "PLAYBACK_TOKEN_EXPIRED");
    policy = { type: "public" };
    const open = await get("/live/slug-slug/audio-aac/0.m4s");
    assert.deepEqual([open.statusCode, open.headers["cache-control"]], [200, "public, max-age=600, immutable"]);
  });

  it("tells an owner by which protocol a file is asked for, where the file is of one alone", async () => {
    policy = { type: "webhook", url: "https://owner.test/", secret: "sixteen-characters-and-more", keys: [] };
    const byFile: [string, string][] = [
      ["master.m3u8", "hls"],
      ["audio-aac/index.m3u8", "hls"],
      ["audio-aac/init-0.mp4", "hls"],
      ["audio-aac/0.m4s", "hls"],
      ["audio-aac/0.0.m4s", "hls"],
      ["manifest.mpd", "dash"],
      ["time", "dash"],
      ["audio-aac/0-0.m4s", "dash"],
    ];
    for (const [file] of byFile) assert.equal((await get(`/live/slug-slug/${file}`)).statusCode, 200, file);
    assert.deepEqual(
      asked,
      byFile.map(([, protocol]) => protocol),
    );
  });

  it("writes no token into its log", async () => {
    const token = signer.sign(claims());
    await get(`/live/slug-slug/master.m3u8?token=${token}`);
    await get(carryToken("/live/slug-slug/master.m3u8", token));
    await get(carryToken("/live/slug-slug/nothing/at/all", token));
    assert.equal(lines.length, 3);
    assert.ok(!lines.join().includes(token.slice(0, 20)));
  });
});
