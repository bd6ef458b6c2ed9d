import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { WebrtcEndpoint } from "@leat/node/media-io/webrtc/endpoint.ts";
import { parseRtcp, writeSenderReport } from "@leat/node/media-io/webrtc/rtcp.ts";
import { isRtcp } from "@leat/node/media-io/webrtc/rtp.ts";
import { CodedError } from "@leat/sdk/base/errors.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { browserOffer, pwd, ufrag } from "../../../support/browser-offer.ts";
import { codedTrack, codedVp8 } from "../../../support/coded-track.ts";
import { withDirectory } from "../../../support/media/ffmpeg.ts";
import { RecorderSink } from "../../../support/recorder-sink.ts";
import { packetsOf } from "../../../support/rtp-packets.ts";
import { clientAudio, clientVideo, WebrtcClient } from "../../../support/webrtc-client.ts";
import { codeOf, WhipServer } from "../../../support/whip-server.ts";

const fragmentType = "application/trickle-ice-sdpfrag";

describe("whip", () => {
  let server: WhipServer | undefined;
  let clients: WebrtcClient[] = [];
  let sink: RecorderSink;
  // The library is one for the process, clients included: it stays until they are gone.
  const kept = new WebrtcEndpoint({ enabled: true, host: "127.0.0.1", port: 0, publicAddresses: [] }, silentLogger);

  const take = async () => sink;

  before(() => kept.start());
  after(() => kept.stop());

  beforeEach(() => {
    sink = new RecorderSink();
  });

  afterEach(async () => {
    for (const client of clients) client.close();
    clients = [];
    await server?.stop();
    server = undefined;
  });

  function connect(codec: "h264" | "vp8" | "vp9" | "none" = "h264"): WebrtcClient {
    const client = new WebrtcClient("SendOnly", codec);
    clients.push(client);
    return client;
  }

  async function publish(
    codec: "h264" | "vp8" | "vp9" | "none" = "h264",
  ): Promise<{ client: WebrtcClient; response: Response }> {
    const client = connect(codec);
    // Nothing comes before the client has its answer.
    const { bare } = await client.offer();
    const response = await server!.post("/whip/KEY", bare);
    assert.equal(response.status, 201);
    client.answer(await response.text());
    await client.open;
    return { client, response };
  }

  for (const codec of ["h264", "vp8", "vp9"] as const) {
    it(`takes ${codec} and Opus from a publisher, and its goodbye`, async () => {
      const keys: string[] = [];
      server = await WhipServer.start(async (key, { protocol, address, videoCodec }) => {
        keys.push(`${key} ${protocol} ${address} ${videoCodec}`);
        return sink;
      });
      const { client, response } = await publish(codec);
      const track = codec === "vp8" ? await codedVp8() : await codedTrack(codec);
      const opus = soundPackets(10);
      client.send("audio", opus);
      client.send("video", packetsOf(track, { ...clientVideo, sequence: 65_530, timestamp: 2 ** 32 - 9_000 }).flat());
      await sink.until(() => sink.videos.length === track.frames.length && sink.audios.length === opus.length);
      assert.deepEqual(keys, [`KEY whip 127.0.0.1 ${codec}`]);
      assert.deepEqual(
        sink.videos.map(({ key }) => key),
        track.frames.map(({ key }) => key),
      );
      const steps = sink.videos.slice(1).map(({ dtsMs }, index) => dtsMs - sink.videos[index]!.dtsMs);
      assert.ok(
        steps.every((step) => Math.abs(step - 1000 / 30) < 0.02),
        "times go on over the wrap",
      );
      assert.deepEqual(new Set(sink.configs.map((config) => config.codec)), new Set([codec, "opus"]));
      const location = response.headers.get("location")!;
      assert.match(location, /^\/whip\/sessions\/[\w-]{32}$/);
      assert.equal((await fetch(`${server.url}${location}`, { method: "DELETE" })).status, 200);
      assert.deepEqual(await sink.ended.promise, { clean: true });
      assert.equal((await fetch(`${server.url}${location}`, { method: "DELETE" })).status, 404);
      assert.deepEqual([sink.ends, server.service.sessions.size], [1, 0]);
    });
  }

  it("takes sound alone", async () => {
    const codecs: (string | undefined)[] = [];
    server = await WhipServer.start(async (_, { videoCodec }) => {
      codecs.push(videoCodec);
      return sink;
    });
    const { client } = await publish("none");
    const opus = soundPackets(50);
    client.send("audio", opus);
    await sink.until(() => sink.audios.length === opus.length);
    assert.deepEqual(codecs, [undefined]);
    assert.deepEqual(
      sink.configs.map((config) => config.codec),
      ["opus"],
    );
    assert.deepEqual(
      sink.audios.map(({ dtsMs }) => Math.round(dtsMs - sink.audios[0]!.dtsMs)),
      opus.map((_, index) => index * 20),
    );
  });

  it("asks for packets that are lost, and goes on whole once they come", async () => {
    server = await WhipServer.start(take);
    const { client } = await publish();
    const track = await codedTrack("h264");
    const packets = packetsOf(track, clientVideo);
    const [lost] = packets[3]!;
    client.hear("video", (bytes) => {
      const nack = isRtcp(bytes) ? parseRtcp(bytes).find(({ type }) => type === "nack") : undefined;
      if (nack?.type === "nack" && nack.sequences.includes(lost![2]! * 256 + lost![3]!)) client.send("video", [lost!]);
    });
    client.send(
      "video",
      packets.flat().filter((packet) => packet !== lost),
    );
    await sink.until(() => sink.videos.length === track.frames.length);
    assert.deepEqual(
      sink.videos.map(({ data }) => data.length),
      packets.map((_, index) => sink.videos[index]!.data.length),
    );
  });

  it("asks for a key frame where a packet never comes, and gives nothing before it", async () => {
    server = await WhipServer.start(take);
    const { client } = await publish();
    const packets = packetsOf(await codedTrack("h264"), clientVideo);
    const asked = Promise.withResolvers<void>();
    const [first, second, ...rest] = packets;
    client.hear("video", (bytes) => {
      // The first wish may come before anything is lost: there was no key frame yet.
      if (sink.videos.length > 0 && parseRtcp(bytes).some(({ type }) => type === "keyFrame")) asked.resolve();
    });
    client.send("video", first!);
    await sink.firstVideo.promise;
    assert.ok(second!.length > 0);
    client.send("video", rest.slice(0, 5).flat());
    await asked.promise;
    assert.equal(sink.videos.length, 1);
    client.send("video", rest.slice(5).flat());
    await sink.until(() => sink.videos.length > 1);
    assert.equal(sink.videos[1]!.key, true);
  });

  it("puts sound where the sender's reports put it beside the picture", async () => {
    server = await WhipServer.start(take);
    const { client } = await publish();
    const pictures = packetsOf(await codedTrack("h264"), clientVideo);
    const sound = soundPackets(60);
    client.send("video", pictures[0]!);
    client.send("audio", sound.slice(0, 1));
    await sink.until(() => sink.videos.length === 1 && sink.audios.length === 1);
    const wallMs = 1_790_000_000_000;
    const frames = (await codedTrack("h264")).frames;
    const about = { packets: 1, bytes: 1 };
    // The first packet of sound was recorded 500 ms after the first picture.
    client.send("video", [
      Buffer.from(writeSenderReport({ ...about, ssrc: clientVideo.ssrc, wallMs, timestamp: frames[0]!.pts })),
    ]);
    client.send("audio", [
      Buffer.from(writeSenderReport({ ...about, ssrc: clientAudio.ssrc, wallMs: wallMs + 500, timestamp: 0 })),
    ]);
    client.send("audio", sound.slice(1));
    await sink.until(() => sink.audios.length === sound.length);
    const between = sink.audios.at(-1)!.dtsMs - sink.videos[0]!.dtsMs;
    assert.ok(Math.abs(between - (500 + 59 * 20)) < 1, `${between} ms`);
  });

  it("takes candidates after the offer under the session's ETag alone, and refuses a restart by its code", async () => {
    server = await WhipServer.start(take);
    const client = connect();
    const { bare, candidates } = await client.offer();
    const response = await server.post("/whip/KEY", bare);
    const session = `${server.url}${response.headers.get("location")}`;
    const etag = response.headers.get("etag")!;
    const own = bare
      .split("\r\n")
      .filter((line) => /^a=ice-(ufrag|pwd)/.test(line))
      .slice(0, 2);
    const patch = (lines: readonly string[], headers: Record<string, string>) =>
      fetch(session, {
        method: "PATCH",
        body: [...lines, ""].join("\r\n"),
        headers: { "content-type": fragmentType, ...headers },
      });
    client.answer(await response.text());
    const missing = await patch(own, {});
    assert.deepEqual([missing.status, await codeOf(missing)], [428, "WEBRTC_ETAG_MISSING"]);
    const wrong = await patch(own, { "if-match": '"other"' });
    assert.deepEqual([wrong.status, await codeOf(wrong)], [412, "WEBRTC_ETAG_WRONG"]);
    for (const anyTag of ["*", '"*"']) {
      const restart = await patch([`a=ice-ufrag:${ufrag}`, `a=ice-pwd:${pwd}`], { "if-match": anyTag });
      assert.deepEqual([restart.status, await codeOf(restart)], [422, "WEBRTC_ICE_RESTART_UNSUPPORTED"]);
    }
    const many = Array<string>(49).fill(candidates[0]!);
    assert.equal(await codeOf(await patch([...own, ...many], { "if-match": etag })), "WEBRTC_CANDIDATES_EXCEEDED");
    assert.equal(await codeOf(await patch(["nothing"], { "if-match": etag })), "WEBRTC_SDP_INVALID");
    assert.equal((await patch([...own, "a=mid:0", ...candidates], { "if-match": etag })).status, 204);
    await client.open;
  });

  it("takes the key as a bearer too, and says what a page of another origin may send and read", async () => {
    const keys: string[] = [];
    server = await WhipServer.start(async (key) => {
      keys.push(key);
      return sink;
    });
    const response = await server.post("/whip", browserOffer(), { authorization: "Bearer SECRET" });
    assert.deepEqual([response.status, keys], [201, ["SECRET"]]);
    const exposed = response.headers.get("access-control-expose-headers")!;
    for (const name of ["Location", "Link", "ETag"]) assert.ok(exposed.includes(name), name);
    const none = await server.post("/whip", browserOffer());
    assert.deepEqual([none.status, await codeOf(none)], [401, "WHIP_KEY_MISSING"]);
    const preflight = await fetch(`${server.url}/whip/KEY`, { method: "OPTIONS" });
    assert.equal(preflight.status, 204);
    assert.match(preflight.headers.get("access-control-allow-headers")!, /Authorization/);
    assert.equal(preflight.headers.get("accept-post"), "application/sdp");
  });

  it("names ICE servers in Link headers, TURN with credentials that the server can check and that end", () =>
    withDirectory(async (directory) => {
      const turnSecretFile = join(directory, "turn");
      await writeFile(turnSecretFile, "shared\n");
      const servers = { stunUrls: ["stun:stun.example:3478"], turnUrls: ["turn:turn.example:3478?transport=udp"] };
      server = await WhipServer.start(take, { ...servers, turnSecretFile, turnSeconds: 600 });
      const beforeS = Math.floor(Date.now() / 1000);
      const links = (await server.post("/whip/KEY", browserOffer())).headers.get("link")!;
      assert.match(links, /<stun:stun\.example:3478>; rel="ice-server"/);
      const [, username = "", credential] =
        /<turn:.*>; rel="ice-server"; username="([^"]+)"; credential="([^"]+)"/.exec(links) ?? [];
      assert.equal(credential, createHmac("sha1", "shared").update(username).digest("base64"));
      assert.ok(Number(username.split(":")[0]) >= beforeS + 600);
      // Whoever asks gets no credentials: only a publisher whose key was good.
      const preflight = await fetch(`${server.url}/whip/KEY`, { method: "OPTIONS" });
      assert.equal(preflight.headers.get("link"), '<stun:stun.example:3478>; rel="ice-server"');
    }));

  it("answers everything else with a code, and asks about no key for an offer that cannot be answered", async () => {
    let asked = 0;
    server = await WhipServer.start(
      async () => {
        asked += 1;
        throw new CodedError({ code: "STREAM_KEY_UNKNOWN" });
      },
      { maxPublishers: 1 },
    );
    const refused: readonly (readonly [Promise<Response>, number, string])[] = [
      [server.post("/whip/KEY", "hello"), 400, "WEBRTC_SDP_INVALID"],
      [server.post("/whip/KEY", "v=0\r\n".repeat(20_000)), 413, "WEBRTC_SDP_TOO_LARGE"],
      [server.post("/whip/KEY", browserOffer(), { "content-type": "text/plain" }), 415, "WEBRTC_TYPE_UNSUPPORTED"],
      [server.post("/whip/KEY", browserOffer(), { "content-type": fragmentType }), 415, "WEBRTC_TYPE_UNSUPPORTED"],
      [server.post("/whip/KEY", browserOffer({ direction: "recvonly" })), 422, "WHIP_NOTHING_SENT"],
      [server.post("/whip", browserOffer(), { authorization: `Bearer ${"K".repeat(257)}` }), 401, "WHIP_KEY_MISSING"],
    ];
    for (const [answer, status, code] of refused) {
      const response = await answer;
      assert.deepEqual([response.status, await codeOf(response)], [status, code]);
    }
    assert.equal(asked, 0);
    const unknown = await server.post("/whip/KEY", browserOffer());
    assert.deepEqual([unknown.status, await codeOf(unknown), asked], [401, "STREAM_KEY_UNKNOWN", 1]);
  });

  it("takes no more sessions than it may, and has room again when one ends", async () => {
    server = await WhipServer.start(take, { maxPublishers: 1 });
    const first = await server.post("/whip/KEY", browserOffer());
    const second = await server.post("/whip/KEY", browserOffer());
    assert.deepEqual([first.status, second.status, await codeOf(second)], [201, 503, "WEBRTC_SESSIONS_EXCEEDED"]);
    await fetch(`${server.url}${first.headers.get("location")}`, { method: "DELETE" });
    assert.equal((await server.post("/whip/KEY", browserOffer())).status, 201);
  });

  it("ends a publish whose client never connects, and one whose client falls silent", async () => {
    server = await WhipServer.start(take, { connectTimeoutMs: 50 });
    await server.post("/whip/KEY", browserOffer());
    assert.deepEqual(await sink.ended.promise, { clean: false });
    await server.stop();
    sink = new RecorderSink();
    server = await WhipServer.start(take, { idleMs: 50 });
    await publish();
    assert.deepEqual(await sink.ended.promise, { clean: false });
  });

  it("closes a publisher whose sink refuses its media", async () => {
    server = await WhipServer.start(take);
    sink.video = () => {
      throw new CodedError({ code: "INGEST_PUBLISHER_REPLACED" });
    };
    const { client } = await publish();
    client.send("video", packetsOf(await codedTrack("h264"), clientVideo).flat());
    assert.deepEqual([await sink.ended.promise, sink.ends], [{ clean: false }, 1]);
  });

  it("says so where the native library cannot be loaded, and where it is switched off", async () => {
    server = await WhipServer.start(take, {
      load: async () => Promise.reject(new Error("no binary for this machine")),
    });
    const response = await server.post("/whip/KEY", browserOffer());
    assert.deepEqual([response.status, await codeOf(response)], [503, "WEBRTC_UNAVAILABLE"]);
    assert.equal(server.endpoint.fault?.code, "WEBRTC_UNAVAILABLE");
    await server.stop();
    server = await WhipServer.start(take, { enabled: false });
    assert.equal((await server.post("/whip/KEY", browserOffer())).status, 503);
  });

  it("tells a start whose UDP port is taken", async () => {
    server = await WhipServer.start(take);
    const twice = WhipServer.start(take, { port: server.endpoint.port });
    await assert.rejects(twice, (error: CodedError<{ code: string }>) => error.code === "WEBRTC_PORT_BUSY");
  });
});

function soundPackets(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => {
    // 20 ms of CELT silence.
    const packet = Buffer.from([0x80, clientAudio.payloadType, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfc, 0xff, 0xfe]);
    packet.writeUInt16BE(index, 2);
    packet.writeUInt32BE(index * 960, 4);
    packet.writeUInt32BE(clientAudio.ssrc, 8);
    return packet;
  });
}
