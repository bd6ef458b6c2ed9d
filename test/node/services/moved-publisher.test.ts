import assert from "node:assert/strict";
import { WebrtcEndpoint } from "@leat/node/media-io/webrtc/endpoint.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { pwd, ufrag } from "../../support/browser-offer.ts";
import { codedTrack } from "../../support/coded-track.ts";
import { absentBuyer, LiveCluster } from "../../support/live-cluster.ts";
import { type MediaNode, testToken } from "../../support/media-network.ts";
import { until } from "../../support/publish-items.ts";
import { packetsOf } from "../../support/rtp-packets.ts";
import { clientVideo, WebrtcClient } from "../../support/webrtc-client.ts";
import { codeOf, WhipServer } from "../../support/whip-server.ts";

const trackTicks = 180_000;

describe("a publisher by WHIP whose restart is refused", function () {
  this.timeout(120_000);
  const kept = new WebrtcEndpoint({ enabled: true, host: "127.0.0.1", port: 0, publicAddresses: [] }, silentLogger);
  let cluster: LiveCluster;
  let origin: MediaNode;
  let server: WhipServer;
  let clients: WebrtcClient[] = [];

  before(async () => {
    await kept.start();
    // Whatever this machine is busy with, a frame of this test stays young.
    cluster = await LiveCluster.start({ leaseHoldMs: 60_000 });
    origin = await cluster.join(["ingest", "delivery"]);
    server = await WhipServer.start((key, info) => origin.ingest.authorize(key, info));
  });

  after(async () => {
    await server.stop();
    await cluster.stop();
    await kept.stop();
  });

  afterEach(() => {
    for (const client of clients) client.close();
    clients = [];
  });

  it("goes on in the same stream by another offer, while its first session still sends", async () => {
    const stream = await createStream();
    const first = await publish(stream.streamKey);
    first.send(0);
    first.send(1);
    await until(() => sequenceOf(stream.id) === 1);
    const other = await post(stream.streamKey);
    assert.deepEqual([other.response.status, await codeOf(other.response)], [409, "PUBLISH_LEASE_HELD"]);

    await first.restart();
    first.send(2);
    await until(() => sequenceOf(stream.id) === 2);
    const second = await publish(stream.streamKey);
    first.send(3);
    second.send(0);
    await until(() => sequenceOf(stream.id) === 3);
    second.send(1);
    await until(() => sequenceOf(stream.id) === 4);
    await until(() => server.service.sessions.size === 1);

    // It moved: who comes now is another publisher.
    const late = await post(stream.streamKey);
    assert.deepEqual([late.response.status, await codeOf(late.response)], [409, "PUBLISH_LEASE_HELD"]);
    const { state, endCode } = await cluster.balancer.views.stream(absentBuyer, stream.slug);
    assert.deepEqual([state, endCode], ["live", null]);
  });

  it("goes on as well where it says goodbye to the refused session first", async () => {
    const stream = await createStream();
    const first = await publish(stream.streamKey);
    first.send(0);
    await until(() => sequenceOf(stream.id) === 0);
    await first.restart();
    await first.end();
    const second = await publish(stream.streamKey);
    second.send(0);
    await until(() => sequenceOf(stream.id) === 1);
    assert.equal((await cluster.balancer.views.stream(absentBuyer, stream.slug)).state, "live");
  });

  const sequenceOf = (stream: Parameters<MediaNode["ingest"]["positionOf"]>[0]) => origin.ingest.positionOf(stream);

  let streams = 0;
  function createStream() {
    streams += 1;
    return cluster.balancer.createStream(absentBuyer, {
      ladder: [],
      passthrough: true,
      token: testToken,
      nonce: `0x${streams.toString(16).padStart(64, "0")}`,
      unsignedBudgetBytes: 10n ** 9n,
    });
  }

  async function post(key: string) {
    const client = new WebrtcClient("SendOnly");
    clients.push(client);
    const { bare } = await client.offer();
    return { client, response: await server.post(`/whip/${key}`, bare) };
  }

  /** Sends its two seconds of pictures as often as it is told to, each time two seconds later. */
  async function publish(key: string) {
    const { client, response } = await post(key);
    assert.equal(response.status, 201, await response.clone().text());
    client.answer(await response.text());
    await client.open;
    const track = await codedTrack("h264");
    const session = `${server.url}${response.headers.get("location")}`;
    let sequence = 0;
    return {
      send(turn: number) {
        const packets = packetsOf(track, { ...clientVideo, sequence, timestamp: turn * trackTicks }).flat();
        sequence += packets.length;
        client.send("video", packets);
      },
      async restart() {
        const refused = await fetch(session, {
          method: "PATCH",
          body: `a=ice-ufrag:${ufrag}\r\na=ice-pwd:${pwd}\r\n`,
          headers: { "content-type": "application/trickle-ice-sdpfrag", "if-match": "*" },
        });
        assert.deepEqual([refused.status, await codeOf(refused)], [422, "WEBRTC_ICE_RESTART_UNSUPPORTED"]);
      },
      async end() {
        assert.equal((await fetch(session, { method: "DELETE" })).status, 200);
      },
    };
  }
});
