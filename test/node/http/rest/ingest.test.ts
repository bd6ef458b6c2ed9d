import assert from "node:assert/strict";
import type { AddressInfo } from "node:net";
import { registerFrontDoor } from "@leat/node/http/rest/ingest.ts";
import { createServer } from "@leat/node/http/server.ts";
import { WebrtcEndpoint } from "@leat/node/media-io/webrtc/endpoint.ts";
import { CodedError } from "@leat/sdk/base/errors.ts";
import { type Logger, silentLogger } from "@leat/sdk/base/logger.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import type { FastifyInstance } from "fastify";
import { httpOptions } from "../../../../node/http/options.ts";
import { useBalancer } from "../../../support/balancer-scene.ts";
import { codedTrack } from "../../../support/coded-track.ts";
import { defaultsOf } from "../../../support/defaults.ts";
import { RecorderSink } from "../../../support/recorder-sink.ts";
import { packetsOf } from "../../../support/rtp-packets.ts";
import { clientVideo, WebrtcClient } from "../../../support/webrtc-client.ts";
import { codeOf, WhipServer } from "../../../support/whip-server.ts";

describe("rest/ingest", () => {
  const scene = useBalancer();
  let app: FastifyInstance;
  let url: string;
  let logged: string[];
  let whip: WhipServer | undefined;
  const kept = new WebrtcEndpoint({ enabled: true, host: "127.0.0.1", port: 0, publicAddresses: [] }, silentLogger);

  before(() => kept.start());
  after(() => kept.stop());

  beforeEach(async () => {
    logged = [];
    const note = (...said: unknown[]) => void logged.push(JSON.stringify(said));
    const logger: Logger = { debug: note, info: note, warn: note, error: note, child: () => logger };
    app = await createServer(defaultsOf(httpOptions), { logger, metrics: silentMetrics });
    const { balancer, clock } = scene.market;
    await registerFrontDoor(app, { balancer, clock }, { requestsPerMinute: 1_000, wrongKeysPerMinute: 3 });
    await app.listen({ host: "127.0.0.1", port: 0 });
    url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
  });

  afterEach(async () => {
    await whip?.stop();
    whip = undefined;
    await app.close();
  });

  const post = (
    path: string,
    sdp: string,
    headers: Record<string, string> = {},
    redirect: RequestRedirect = "manual",
  ) =>
    fetch(`${url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/sdp", ...headers },
      body: sdp,
      redirect,
    });

  it("sends a publisher by WHIP on to a node, which takes it without its key", async () => {
    const sink = new RecorderSink();
    const [node] = scene.nodes;
    const shown: string[] = [];
    whip = await WhipServer.start(
      () => Promise.reject(new CodedError({ code: "STREAM_KEY_UNKNOWN" })),
      {},
      async (slug, ticket, { protocol }) => {
        shown.push(slug);
        await scene.market.hub.ask(node, "publish.ticket", { slug, ticket, protocol });
        return sink;
      },
    );
    node.whipUrl = `${whip.url}/whip`;
    scene.market.hub.join(node);
    scene.market.hub.leave(scene.nodes[1]);
    await scene.market.clock.advance(1_000);
    const { streamKey, slug } = await scene.create();
    const client = new WebrtcClient("SendOnly", "h264");
    try {
      const { bare } = await client.offer();
      // As a browser follows it: to another origin, without Authorization.
      const sent = await post("/ingest", bare, { authorization: `Bearer ${streamKey}` }, "follow");
      assert.equal(sent.status, 201, await sent.clone().text());
      assert.match(sent.url, new RegExp(`^${whip.url}/whip/tickets/${slug}/[\\w-]+$`));
      client.answer(await sent.text());
      await client.open;
      const track = await codedTrack("h264");
      client.send("video", packetsOf(track, { ...clientVideo, sequence: 1, timestamp: 0 }).flat());
      await sink.until(() => sink.videos.length === track.frames.length);
      const location = sent.headers.get("location")!;
      assert.match(location, new RegExp(`^${whip.url}/whip/sessions/[\\w-]{32}$`), "of the node, whatever was asked");
      const again = await whip.post(new URL(sent.url).pathname, bare);
      assert.deepEqual([again.status, await codeOf(again)], [409, "PUBLISH_TICKET_USED"]);
      assert.equal((await fetch(location, { method: "DELETE" })).status, 200);
      assert.deepEqual(await sink.ended.promise, { clean: true });
      assert.deepEqual(shown, [slug, slug]);
    } finally {
      client.close();
    }
  });

  it("redirects an offer with its method and body, and tells pages of other origins what they may send and read", async () => {
    const { streamKey, slug } = await scene.create();
    const sent = await post(`/ingest/${streamKey}`, "v=0\r\n");
    assert.equal(sent.status, 307);
    const location = sent.headers.get("location")!;
    assert.match(location, new RegExp(`^http://127\\.0\\.0\\.1:900[12]/whip/tickets/${slug}/[\\w-]{100,200}$`));
    assert.ok(!location.includes(streamKey));
    for (const response of [sent, await fetch(`${url}/ingest/${streamKey}`, { method: "OPTIONS" })]) {
      assert.equal(response.headers.get("access-control-allow-origin"), "*");
      assert.equal(response.headers.get("cache-control"), "no-store");
      for (const name of ["Location", "Link", "ETag"]) {
        assert.match(response.headers.get("access-control-expose-headers")!, new RegExp(`\\b${name}\\b`));
      }
    }
    const preflight = await fetch(`${url}/ingest`, { method: "OPTIONS" });
    assert.equal(preflight.status, 204);
    assert.match(preflight.headers.get("access-control-allow-methods")!, /POST/);
    assert.match(preflight.headers.get("access-control-allow-headers")!, /Authorization/);
    assert.deepEqual(
      logged.filter((line) => line.includes(streamKey) || line.includes(location.split("/").at(-1)!)),
      [],
    );
    assert.ok(logged.some((line) => line.includes("/ingest/:key")));
  });

  it("answers the ranking of nodes as JSON, by either form of the key", async () => {
    const { streamKey, id } = await scene.create();
    const byPath = await (await fetch(`${url}/ingest/${streamKey}`)).json();
    const byHeader = await fetch(`${url}/ingest`, { headers: { authorization: `Bearer ${streamKey}` } });
    assert.equal(byHeader.headers.get("cache-control"), "no-store");
    assert.deepEqual(await byHeader.json(), byPath);
    assert.equal(byPath.stream, id);
    assert.deepEqual(
      byPath.nodes.map((node: { ways: { protocol: string }[] }) => node.ways.map(({ protocol }) => protocol)),
      [
        ["rtmp", "whip", "push", "srt"],
        ["rtmp", "whip", "push", "srt"],
      ],
    );
  });

  it("refuses the rest by codes, and guesses unheard after a few", async () => {
    const { streamKey } = await scene.create();
    const refusal = async (response: Response) => [response.status, await codeOf(response)];
    const plain = { "content-type": "text/plain" };
    assert.deepEqual(await refusal(await post(`/ingest/${streamKey}`, "x", plain)), [415, "WEBRTC_TYPE_UNSUPPORTED"]);
    assert.deepEqual(await refusal(await post("/ingest", "v=0")), [401, "FRONT_DOOR_KEY_MISSING"]);
    const long = { authorization: `Bearer ${"k".repeat(300)}` };
    assert.deepEqual(await refusal(await post("/ingest", "v=0", long)), [401, "FRONT_DOOR_KEY_MISSING"]);
    const huge = "v".repeat(1_000_000);
    assert.deepEqual(await refusal(await post(`/ingest/${streamKey}`, huge)), [413, "WEBRTC_SDP_TOO_LARGE"]);
    for (let guess = 0; guess < 3; guess += 1) {
      assert.deepEqual(await refusal(await fetch(`${url}/ingest/guess-${guess}`)), [401, "STREAM_KEY_UNKNOWN"]);
    }
    assert.deepEqual(await refusal(await fetch(`${url}/ingest/${streamKey}`)), [429, "INGEST_KEYS_LIMITED"]);
    await scene.market.clock.advance(20_000);
    assert.equal((await fetch(`${url}/ingest/${streamKey}`)).status, 200);
    for (const node of scene.nodes.slice(0, 2)) scene.market.hub.leave(node!);
    await scene.market.clock.advance(1_000);
    assert.deepEqual(await refusal(await post(`/ingest/${streamKey}`, "v=0")), [503, "PLACEMENT_NOBODY"]);
  });
});
