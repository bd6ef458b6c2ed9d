import assert from "node:assert/strict";
import { systemClock } from "@leat/node/kernel/clock.ts";
import type { PublishSink } from "@leat/node/media-io/publish-sink.ts";
import { type PullOptions, pullOptions } from "@leat/node/media-io/pull/options.ts";
import { PullingService } from "@leat/node/services/pulling/pulling-service.ts";
import { SessionError } from "@leat/node/services/session/errors.ts";
import { PublicError, RemoteError } from "@leat/node/wire/errors.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { defaultsOf } from "../../../support/defaults.ts";
import { noteInto } from "../../../support/noting-logger.ts";
import { RecorderSink } from "../../../support/recorder-sink.ts";
import { SourceServer } from "../../../support/source-server.ts";
import { CUE_PID, withSplices, writeSplice } from "../../../support/splices.ts";
import { demux, H264, makeTs, PICTURES, packetsOf, SOUND } from "../../../support/ts-files.ts";

const stream: Hex = `0x${"5e".repeat(32)}`;
const code = (wanted: string) => (error: unknown) => error instanceof PublicError && error.code === wanted;

describe("pulling service", () => {
  let ts: Uint8Array;
  let server: SourceServer;
  let service: PullingService;
  let handlers: Map<string, (body: object) => Promise<{ code?: string | null }>>;
  let states: (string | null)[];
  let said: string[];
  /** One for each time that the right to publish was asked for. */
  let sinks: RecorderSink[];
  let authorize: () => Promise<PublishSink>;
  let heard: () => void;
  /** Whether the balancer is not there when it is told. */
  let miss: (code: string | null) => boolean;

  before(async function () {
    this.timeout(30_000);
    ts = await makeTs(...PICTURES, ...SOUND, ...H264, "-c:a", "aac");
    server = await SourceServer.open();
  });
  after(() => server.close());
  beforeEach(() => {
    [handlers, states, said, sinks] = [new Map(), [], [], []];
    heard = () => {};
    miss = () => false;
    authorize = async () => {
      const sink = new RecorderSink();
      sinks.push(sink);
      return sink;
    };
    server.asked.length = 0;
  });
  afterEach(() => service.stop());

  async function start(options: Partial<PullOptions> = {}): Promise<void> {
    const logger = noteInto(said);
    const session = {
      call: async (_method: string, body: { code: string | null }) => {
        if (miss(body.code)) throw new SessionError({ code: "SESSION_NOT_CONNECTED", balancer: stream });
        states.push(body.code);
        heard();
        return {};
      },
      handle: (method: string, handler: never) => void handlers.set(method, handler),
    };
    const ingest = { authorizePulled: () => authorize() };
    const usual = { allow: ["127.0.0.1"], retryMinMs: 10, retryMaxMs: 40 };
    service = new PullingService(
      { session: session as never, ingest, clock: systemClock, logger, metrics: silentMetrics },
      defaultsOf(pullOptions, { ...usual, ...options }),
    );
    await service.start();
  }

  const ask = (method: string, body: object) => handlers.get(method)!(body);
  const begin = (url = server.url(), id = stream) => ask("pull.begin", { stream: id, url });
  const state = async (wanted: () => boolean) => {
    while (!wanted()) await new Promise<void>((resolve) => (heard = resolve));
  };
  const whole: SourceServer["answer"] = (_request, response) => {
    response.writeHead(200, { "content-length": ts.length, "content-type": "video/mp2t" }).end(ts);
  };

  it("publishes a transport stream, and ends the stream where the file ends", async () => {
    server.answer = whole;
    await start();
    assert.deepEqual(await begin(), { code: null });
    await state(() => sinks.length === 1);
    assert.deepEqual(await sinks[0]!.ended.promise, { clean: true });
    const { configs, videos, audios, ends } = sinks[0]!;
    assert.deepEqual(configs.map(({ codec }) => codec).sort(), ["aac", "h264"]);
    assert.deepEqual([videos.length, videos[0]!.key, ends], [50, true, 1]);
    assert.ok(audios.length > 80, `${audios.length}`);
    assert.deepEqual([states, server.asked], [[null], ["/live.ts"]]);
  });

  it("comes back to a live source that was lost, and publishes what follows as a publisher that reconnects", async () => {
    server.answer = (_request, response) => {
      response.write(ts);
      // Cut off in the middle, as a server is that restarts; then as one that ends its answer.
      if (server.asked.length === 1) setImmediate(() => response.socket?.destroy());
      else response.end();
    };
    await start();
    await begin();
    await state(() => states.filter((one) => one === "PULL_SOURCE_LOST").length === 2);
    assert.deepEqual(states.slice(0, 4), [null, "PULL_SOURCE_LOST", null, "PULL_SOURCE_LOST"]);
    for (const sink of sinks.slice(0, 2)) {
      assert.deepEqual(await sink.ended.promise, { clean: false });
      assert.ok(sink.videos.length >= 49 && sink.videos[0]!.key);
    }
  });

  it("asks for the right to publish only once media comes, and tells why there is none", async () => {
    server.answer = (_request, response) => response.writeHead(503).end();
    await start();
    await begin();
    await state(() => states.includes("PULL_STATUS_REFUSED"));
    assert.deepEqual([sinks.length, states], [0, ["PULL_STATUS_REFUSED"]]);
    authorize = async () => {
      throw new RemoteError({ code: "PUBLISH_LEASE_HELD", method: "publish.pulled" });
    };
    server.answer = whole;
    await state(() => states.includes("PUBLISH_LEASE_HELD"));
    authorize = async () => {
      throw new RemoteError({ code: "STREAM_ENDED", method: "publish.pulled" });
    };
    await state(() => states.includes("STREAM_ENDED"));
    // Over for good: it can be given anew.
    assert.deepEqual(await begin(server.url("/other.ts")), { code: null });
  });

  it("leaves at once when it is told to, and lets go of the connection", async () => {
    const closed = Promise.withResolvers<void>();
    server.answer = (_request, response) => {
      response.write(ts);
      response.once("close", () => closed.resolve());
    };
    await start();
    await begin();
    await state(() => states.length === 1);
    await ask("pull.end", { stream });
    assert.deepEqual(await sinks[0]!.ended.promise, { clean: false });
    await closed.promise;
    assert.deepEqual(await ask("pull.end", { stream }), {});
  });

  it("goes on where it is told again, and changes its source where that is another", async () => {
    server.answer = (_request, response) => response.write(ts);
    await start();
    await begin();
    await state(() => states.length === 1);
    await begin();
    assert.deepEqual(server.asked, ["/live.ts"]);
    await begin(server.url("/other.ts"));
    await state(() => states.length === 2);
    assert.deepEqual(server.asked, ["/live.ts", "/other.ts"]);
    assert.equal(sinks[0]!.ends, 1);
  });

  it("does what it is told of one stream in order, also while it lets go of its source", async () => {
    server.answer = (_request, response) => void response.write(ts);
    await start({ maxPulls: 1 });
    await begin();
    await state(() => sinks.length === 1);
    await Promise.all([ask("pull.end", { stream }), begin()]);
    await state(() => sinks.length === 2);
    await Promise.all([ask("pull.end", { stream }), begin(), ask("pull.end", { stream })]);
    assert.deepEqual(await begin(server.url(), `0x${"5f".repeat(32)}`), { code: null });
  });

  it("gives up a source that sends nothing, and one that sends no media", async () => {
    server.answer = (_request, response) => response.write("G");
    await start({ idleMs: 100 });
    await begin();
    await state(() => states.includes("PULL_IDLE"));
    await ask("pull.end", { stream });
    states.length = 0;
    const filling = new Uint8Array(188).fill(0xff);
    filling.set([0x47, 0x1f, 0xff, 0x10]);
    server.answer = (_request, response) => {
      const timer = setInterval(() => response.write(filling), 20);
      response.once("close", () => clearInterval(timer));
    };
    await begin();
    await state(() => states.includes("PULL_IDLE"));
    await ask("pull.end", { stream });
    states.length = 0;
    server.answer = (_request, response) => response.writeHead(200, { "content-length": 0 }).end();
    await begin();
    await state(() => states.includes("PULL_SOURCE_EMPTY"));
  });

  it("refuses what is no transport stream, by what is wrong with it", async () => {
    server.answer = (_request, response) => response.end("<html>".repeat(20_000));
    await start();
    await begin();
    await state(() => states.length > 0);
    assert.deepEqual(states, ["MPEGTS_SYNC_LOST"]);
  });

  it("answers the balancer's question about an address without connecting", async () => {
    await start();
    assert.deepEqual(await ask("pull.check", { url: server.url() }), {});
    assert.deepEqual(server.asked, []);
    await assert.rejects(ask("pull.check", { url: "http://127.0.0.2/" }), code("PULL_ADDRESS_LOOPBACK"));
    await assert.rejects(ask("pull.check", { url: "file:///etc/passwd" }), code("PULL_SCHEME_REFUSED"));
    await assert.rejects(ask("pull.check", { url: "http://nowhere.invalid/" }), code("PULL_NAME_REFUSED"));
  });

  it("pulls no more sources than it may, and none where it is switched off", async () => {
    server.answer = (_request, response) => response.write(ts);
    await start({ maxPulls: 1 });
    // Without libsrt.
    assert.deepEqual(service.schemes, ["http", "https", "rtmp", "rtmps", "rtsp", "rtsps"]);
    await begin();
    await assert.rejects(begin(server.url(), `0x${"11".repeat(32)}`), code("PULL_PULLS_EXCEEDED"));
    await assert.rejects(ask("pull.check", { url: server.url() }), code("PULL_PULLS_EXCEEDED"));
    await service.stop();
    await start({ enabled: false });
    await assert.rejects(begin(), code("PULL_DISABLED"));
    assert.deepEqual(service.schemes, []);
  });

  it("gives the place of a source of which nothing comes to others, and gives it back where they have it at its next try", async () => {
    server.answer = ({ url }, response) => {
      if (url === "/dead.ts") response.writeHead(503).end();
      else response.write(ts);
    };
    await start({ maxPulls: 1, retryMinMs: 100, retryMaxMs: 100 });
    await begin(server.url("/dead.ts"));
    await state(() => states.includes("PULL_STATUS_REFUSED"));
    const other: Hex = `0x${"11".repeat(32)}`;
    assert.deepEqual(await begin(server.url(), other), { code: null });
    // Now it is the other one that would be too many.
    await state(() => states.includes("PULL_PULLS_EXCEEDED"));
    assert.deepEqual([sinks.length, states.includes(null)], [1, true]);
    // It is not known here any more.
    await assert.rejects(begin(server.url("/dead.ts")), code("PULL_PULLS_EXCEEDED"));
    await ask("pull.end", { stream: other });
    states.length = 0;
    server.answer = whole;
    await begin(server.url("/dead.ts"));
    await state(() => states.length > 0);
    assert.deepEqual([states[0], sinks.length], [null, 2]);
  });

  it("tells of a source that it gives back until it is heard", async () => {
    server.answer = ({ url }, response) => {
      if (url === "/dead.ts") response.writeHead(503).end();
      else response.write(ts);
    };
    await start({ maxPulls: 1, retryMinMs: 20, retryMaxMs: 20 });
    await begin(server.url("/dead.ts"));
    await state(() => states.includes("PULL_STATUS_REFUSED"));
    let misses = 3;
    miss = (told) => told === "PULL_PULLS_EXCEEDED" && misses-- > 0;
    await begin(server.url(), `0x${"11".repeat(32)}`);
    await state(() => states.includes("PULL_PULLS_EXCEEDED"));
    assert.equal(misses, -1);
  });

  it("knows no more than eight sources for each place", async () => {
    server.answer = (_request, response) => response.writeHead(503).end();
    await start({ maxPulls: 1, retryMinMs: 60_000, retryMaxMs: 60_000 });
    for (let known = 0; known < 8; known += 1) {
      await begin(server.url(), `0x${`${known}`.padStart(64, "0")}`);
      await state(() => states.length > known);
    }
    await assert.rejects(begin(), code("PULL_PULLS_EXCEEDED"));
  });

  it("takes cues alone for no media, and asks for no right to publish them", async () => {
    const spliced = withSplices(ts, [{ at: 188 * 10, section: writeSplice({ eventId: 1, isOut: true }) }]);
    const kept = [0, 0x1000, CUE_PID].flatMap((pid) =>
      packetsOf(spliced, pid).map((at) => spliced.subarray(at, at + 188)),
    );
    /** Packets of one count are the same packet. */
    const counted = (count: number) =>
      Buffer.concat(kept.map((packet) => Uint8Array.from(packet).fill(0x10 | (count & 0x0f), 3, 4)));
    assert.equal(demux(Buffer.concat([counted(0), counted(1)])).cues.length, 2);
    server.answer = (_request, response) => {
      let count = 0;
      const timer = setInterval(() => response.write(counted(count++)), 20);
      response.once("close", () => clearInterval(timer));
    };
    await start({ idleMs: 100 });
    await begin();
    await state(() => states.length > 0);
    assert.deepEqual([states, sinks], [["PULL_IDLE"], []]);
  });

  it("gives up what comes drop by drop before there is media in it", async () => {
    const segment = "#EXTINF:60,\nslow.ts\n";
    const playlist = `#EXTM3U\n#EXT-X-TARGETDURATION:60\n${segment.repeat(3)}`;
    let path = "";
    server.answer = ({ url }, response) => {
      if (url === "/live.m3u8" && path === "segments") response.end(playlist);
      else if (url === "/live.m3u8" && path === "gaps") response.end(playlist.replaceAll("#EXTINF", "#EXT-X-GAP\n$&"));
      else {
        response.write("#EXTM3U\n#EX");
        const timer = setInterval(() => response.write("#"), 20);
        response.once("close", () => clearInterval(timer));
      }
    };
    await start({ idleMs: 400, fetchMs: 200, timeoutMs: 400 });
    for (path of ["playlist", "segments", "gaps"]) {
      states.length = 0;
      await begin(server.url("/live.m3u8"));
      await state(() => states.length > 0);
      assert.deepEqual(states, ["PULL_TIMEOUT"], path);
      await ask("pull.end", { stream });
    }
  });

  it("says once at info what a source is lost for again and again", async () => {
    server.answer = (_request, response) => response.writeHead(server.asked.length > 3 ? 404 : 503).end();
    await start();
    await begin();
    while (server.asked.length < 6) await new Promise<void>((resolve) => setImmediate(resolve));
    const lines = said.filter((line) => line.includes("Lose pulled source") && line.startsWith("info"));
    assert.deepEqual(
      lines.map((line) => /"status":(\d+)/.exec(line)?.[1]),
      ["503"],
    );
    assert.ok(said.some((line) => line.startsWith("debug Lose pulled source")));
  });

  it("writes no password and no query into its log", async () => {
    server.answer = (_request, response) => response.writeHead(403).end();
    await start();
    const secret = server.url("/live.ts?token=hush").replace("http://", "http://me:quiet@");
    await begin(secret);
    await state(() => states.length > 0);
    await ask("pull.end", { stream });
    await begin(secret.replace("127.0.0.1", "127.0.0.2"));
    await state(() => states.includes("PULL_ADDRESS_LOOPBACK"));
    assert.ok(said.length > 1);
    assert.deepEqual(
      said.filter((line) => /hush|quiet/.test(line)),
      [],
    );
  });
});
