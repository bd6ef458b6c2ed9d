import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { WebrtcEndpoint } from "@leat/node/media-io/webrtc/endpoint.ts";
import { writeNack, writePli } from "@leat/node/media-io/webrtc/rtcp.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { OPUS_RUNG } from "@leat/sdk/protocol/stream.ts";
import { browserOffer } from "../../../support/browser-offer.ts";
import { codedTrack } from "../../../support/coded-track.ts";
import { withDirectory } from "../../../support/media/ffmpeg.ts";
import { isMedia, UdpRelay } from "../../../support/udp-relay.ts";
import { WebrtcClient } from "../../../support/webrtc-client.ts";
import { WhepServer } from "../../../support/whep-server.ts";
import { RelayedStream } from "../../../support/whep-stream.ts";
import { WhepViewer } from "../../../support/whep-viewer.ts";
import { codeOf } from "../../../support/whip-server.ts";

describe("whep", () => {
  let server: WhepServer | undefined;
  let clients: WebrtcClient[] = [];
  let stream: RelayedStream;
  let relay: UdpRelay | undefined;
  // The library is one for the process, clients included: it stays until they are gone.
  const kept = new WebrtcEndpoint({ enabled: true, host: "127.0.0.1", port: 0, publicAddresses: [] }, silentLogger);

  before(() => kept.start());
  after(() => kept.stop());
  beforeEach(() => {
    stream = new RelayedStream();
  });
  afterEach(async () => {
    for (const client of clients) client.close();
    clients = [];
    relay?.close();
    relay = undefined;
    await server?.stop();
    server = undefined;
  });

  async function watch(codec: "h264" | "vp9" | "av1" = "h264", path = "/live/slug/whep"): Promise<WhepViewer> {
    const client = new WebrtcClient("RecvOnly", codec);
    clients.push(client);
    const { followed } = stream;
    const viewer = new WhepViewer(client, codec);
    // Without candidates there is no way past the relay, and nothing comes before the client has its answer.
    const { bare } = await client.offer();
    const response = await server!.post(path, bare);
    assert.equal(response.status, 201);
    const answer = await response.text();
    client.answer(relay?.through(answer) ?? answer);
    await client.open;
    // The other side may open a moment later.
    await until(() => stream.followed > followed);
    return viewer;
  }

  it("names ICE servers in its answer, TURN with credentials of this session", () =>
    withDirectory(async (directory) => {
      const turnSecretFile = join(directory, "turn");
      await writeFile(turnSecretFile, "shared\n");
      stream.add(1, "180p", await codedTrack("h264"));
      const servers = { stunUrls: ["stun:stun.example:3478"], turnUrls: ["turn:turn.example:3478?transport=udp"] };
      server = await WhepServer.start(stream, { ...servers, turnSecretFile, turnSeconds: 600 });
      const client = new WebrtcClient("RecvOnly");
      clients.push(client);
      const answer = await server.post("/live/slug/whep", (await client.offer()).bare);
      assert.equal(answer.status, 201);
      assert.match(answer.headers.get("access-control-expose-headers")!, /\bLink\b/);
      const links = answer.headers.get("link")!;
      assert.match(links, /<stun:stun\.example:3478>; rel="ice-server"/);
      const [, username = "", credential] =
        /<turn:.*>; rel="ice-server"; username="([^"]+)"; credential="([^"]+)"/.exec(links) ?? [];
      assert.equal(credential, createHmac("sha1", "shared").update(username).digest("base64"));
    }));

  for (const codec of ["h264", "vp9", "av1"] as const) {
    it(`begins with what leads to the newest picture of ${codec}, and goes on with each as it comes`, async () => {
      const track = await codedTrack(codec);
      stream.add(1, "180p", track);
      // The second group of pictures is at its third.
      stream.pass(1, 4, track.frames.slice(0, 18));
      server = await WhepServer.start(stream);
      const viewer = await watch(codec);
      await until(() => viewer.pictures.length === 3);
      for (const frame of track.frames.slice(18, 40)) stream.pass(1, 5, [frame]);
      await until(() => viewer.pictures.length === 25);
      const sizes = track.frames.slice(15, 40).map(({ data }) => data.length);
      assert.deepEqual(
        viewer.pictures.map(({ key }) => key),
        track.frames.slice(15, 40).map(({ key }) => key),
      );
      // H.264 goes out without delimiters, and its parameter sets are apart.
      if (codec !== "h264")
        assert.deepEqual(
          viewer.pictures.map(({ data }) => data.length),
          sizes,
        );
      const times = viewer.pictures.map(({ timestamp }) => timestamp);
      const steps = times.slice(1).map((time, index) => (time - times[index]! + 2 ** 32) % 2 ** 32);
      assert.deepEqual(steps.slice(0, 2), [90, 90]);
      assert.ok(steps.slice(3).every((step) => step === 3_000));
      const counted = stream.counted.filter(({ rung }) => rung === 1);
      assert.deepEqual(
        counted.map(({ bytes }) => bytes),
        sizes,
      );
      assert.deepEqual([counted[0]!.sequence, counted.at(-1)!.sequence], [4, 5]);
    });
  }

  it("waits for the next key frame where the newest is too far back", async () => {
    const track = await codedTrack("h264", "1280x720");
    stream.add(1, "720p", track);
    const [key, ...rest] = track.frames.slice(0, 15);
    // Half a megabyte since the key frame.
    for (let round = 0; round < 60; round += 1) {
      stream.pass(1, 0, round === 0 ? [key!, ...rest] : rest, round * 50_000);
    }
    server = await WhepServer.start(stream);
    const viewer = await watch();
    stream.pass(1, 1, track.frames.slice(15, 20), 60 * 50_000);
    await until(() => viewer.pictures.length === 5);
    assert.equal(viewer.pictures[0]!.key, true);
    assert.equal(stream.counted[0]!.sequence, 1);
  });

  it("plays Opus beside the picture, on one clock by its reports", async () => {
    const track = await codedTrack("h264");
    stream.add(1, "180p", track);
    stream.window.renditions.push({ rung: OPUS_RUNG, name: "audio-opus", kind: "audio", codec: "opus", bitrate: 1 });
    stream.pass(1, 0, track.frames.slice(0, 1));
    server = await WhepServer.start(stream);
    const viewer = await watch();
    await until(() => viewer.pictures.length === 1);
    const [first] = track.frames;
    const data = Uint8Array.of(0xfc, 0xff, 0xfe);
    const sound = {
      kind: "audio",
      epoch: 0,
      duration: 960,
      key: true,
      configVersion: 0,
      arrivalMs: Date.now(),
      data,
    } as const;
    // Half a second after the picture.
    const pts = Math.round((first!.pts * 48) / 90) + 24_000;
    stream.relay.frame(OPUS_RUNG, 0, { ...sound, dts: pts, pts });
    await until(() => viewer.sound.length === 1 && viewer.reports.size === 2);
    assert.deepEqual(Uint8Array.from(viewer.sound[0]!.payload), data);
    const [picture, heard] = [viewer.reports.get("video")!, viewer.reports.get("audio")!];
    assert.ok(Math.abs(heard.ntpMs - picture.ntpMs - 500) <= 1, `${heard.ntpMs - picture.ntpMs}`);
    assert.equal(stream.counted.filter(({ rung }) => rung === OPUS_RUNG).length, 1);
  });

  it("sends again what a viewer missed, so that one of ten lost loses no picture", async () => {
    const track = await codedTrack("h264");
    stream.add(1, "180p", track);
    server = await WhepServer.start(stream);
    relay = await UdpRelay.start(server.endpoint.port);
    const viewer = await watch();
    let media = 0;
    relay.fate = (bytes, towards) => {
      if (towards === "server" || !isMedia(bytes)) return 0;
      media += 1;
      return media % 10 === 0 ? "lost" : 0;
    };
    const missed = new Set<number>();
    for (const frame of track.frames.slice(0, -1)) {
      stream.pass(1, 0, [frame]);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => stream.counted.length === track.frames.length - 1);
    // Nobody can miss what was lost at the very end.
    relay.fate = () => 0;
    stream.pass(1, 0, track.frames.slice(-1));
    await until(() => {
      const had = viewer.packets.map(({ sequence }) => sequence);
      const [first, last] = [Math.min(...had), Math.max(...had)];
      const lost: number[] = [];
      for (let sequence = first; sequence < last; sequence += 1) if (!had.includes(sequence)) lost.push(sequence);
      for (const sequence of lost) missed.add(sequence);
      if (lost.length > 0) viewer.client.send("video", [writeNack(9, viewer.packets[0]!.ssrc, lost)]);
      return lost.length === 0 && viewer.packets.filter(({ marker }) => marker).length === track.frames.length;
    });
    assert.ok(missed.size > 5, `${missed.size} were lost`);
  });

  it("answers a wish for a key frame with the newest and what followed it", async () => {
    const track = await codedTrack("h264");
    stream.add(1, "180p", track);
    server = await WhepServer.start(stream);
    const viewer = await watch();
    stream.pass(1, 0, track.frames.slice(0, 10));
    await until(() => viewer.pictures.length === 10);
    viewer.client.send("video", [writePli(9, viewer.packets[0]!.ssrc)]);
    await until(() => viewer.pictures.length === 20);
    assert.equal(viewer.pictures[10]!.key, true);
    const times = viewer.pictures.map(({ timestamp }) => timestamp);
    const steps = times.slice(1).map((time, index) => (time - times[index]! + 2 ** 32) % 2 ** 32);
    assert.ok(
      steps.every((step) => step > 0 && step < 2 ** 31),
      "times never go back",
    );
  });

  it("goes on with a key frame where pictures were taken back", async () => {
    const track = await codedTrack("h264");
    stream.add(1, "180p", track);
    server = await WhepServer.start(stream);
    const viewer = await watch();
    stream.pass(1, 0, track.frames.slice(0, 5));
    await until(() => viewer.pictures.length === 5);
    stream.relay.takeBack(1, 2);
    stream.pass(1, 0, track.frames.slice(5, 8));
    stream.pass(1, 0, track.frames.slice(15, 17));
    await until(() => viewer.pictures.length === 7);
    assert.deepEqual(
      viewer.pictures.slice(5).map(({ key }) => key),
      [true, false],
    );
  });

  it("plays the rung that is asked for, the largest of H.264 without a wish, and VP9 or AV1 to who has no H.264", async () => {
    const [small, large, vp9, av1] = await Promise.all([
      codedTrack("h264"),
      codedTrack("h264", "640x360"),
      codedTrack("vp9"),
      codedTrack("av1"),
    ]);
    stream.add(1, "180p", small);
    stream.add(2, "360p", large);
    stream.add(3, "180p-vp9", vp9);
    stream.add(4, "180p-av1", av1);
    server = await WhepServer.start(stream);
    for (const [index, [codec, path, rung]] of (
      [
        ["h264", "/live/slug/whep", 2],
        ["h264", "/live/slug/whep?rung=180p", 1],
        ["vp9", "/live/slug/whep", 3],
        ["av1", "/live/slug/whep", 4],
      ] as const
    ).entries()) {
      const viewer = await watch(codec, path);
      stream.counted.length = 0;
      for (const [one, track] of [
        [1, small],
        [2, large],
        [3, vp9],
        [4, av1],
      ] as const)
        stream.pass(one, 0, track.frames.slice(0, 1), (index + 1) * 90_000);
      await until(() => viewer.pictures.length > 0);
      assert.ok(
        stream.counted.some((one) => one.rung === rung),
        `${codec} ${path}`,
      );
    }
  });

  it("ends when the stream does, at the viewer's goodbye, and for one that never connects", async () => {
    const track = await codedTrack("h264");
    stream.add(1, "180p", track);
    server = await WhepServer.start(stream, { connectTimeoutMs: 50 });
    const refused = await server.post("/live/slug/whep", browserOffer({ direction: "recvonly" }));
    assert.equal(server.service.sessions.size, 1);
    await until(() => server!.service.sessions.size === 0);
    assert.equal((await fetch(`${server.url}${refused.headers.get("location")}`, { method: "DELETE" })).status, 404);
    await server.stop();
    server = await WhepServer.start(stream);
    const second = await server.post("/live/slug/whep", browserOffer({ direction: "recvonly" }));
    assert.equal((await fetch(`${server.url}${second.headers.get("location")}`, { method: "DELETE" })).status, 200);
    await watch();
    assert.equal(server.service.sessions.size, 1);
    stream.relay.end();
    assert.equal(server.service.sessions.size, 0);
  });

  it("ends where a viewer may watch no more", async () => {
    const track = await codedTrack("h264");
    stream.add(1, "180p", track);
    server = await WhepServer.start(stream, { recheckMs: 100 });
    await watch();
    assert.equal(server.service.sessions.size, 1);
    stream.guarded = { id: "0x1", slug: "slug", policy: { type: "jwt", keys: [] } };
    await until(() => server!.service.sessions.size === 0);
    assert.equal(stream.followed, 0);
  });

  it("ends at once where the stream gets another policy, and soon where viewers have to pay for it", async () => {
    const track = await codedTrack("h264");
    stream.add(1, "180p", track);
    server = await WhepServer.start(stream, { recheckMs: 600_000 });
    await watch();
    stream.guarded = { id: "0x1", slug: "slug", policy: { type: "jwt", keys: [] } };
    await until(() => server!.service.sessions.size === 0);
    await server.stop();
    delete stream.guarded;
    server = await WhepServer.start(stream, { recheckMs: 100 });
    await watch();
    stream.isUnbudgeted = true;
    await until(() => server!.service.sessions.size === 0);
  });

  it("plays a smaller rung where the largest has pictures that refer to later ones", async () => {
    const [small, large] = await Promise.all([codedTrack("h264"), codedTrack("h264", "640x360")]);
    stream.add(1, "180p", small);
    stream.add(2, "360p", large);
    const [key, next, later] = large.frames;
    stream.pass(2, 0, [key!, { ...later!, dts: next!.dts }, { ...next!, dts: later!.dts }]);
    stream.pass(1, 0, small.frames.slice(0, 3));
    server = await WhepServer.start(stream);
    const receive = browserOffer({ direction: "recvonly" });
    assert.equal(await codeOf(await server.post("/live/slug/whep?rung=360p", receive)), "WHEP_PICTURES_REORDERED");
    const viewer = await watch();
    await until(() => viewer.pictures.length === 3);
    assert.deepEqual(new Set(stream.counted.map(({ rung }) => rung)), new Set([1]));
  });

  it("remembers that a rung's pictures refer to later ones, where its newest do not show it", async () => {
    const [small, large] = await Promise.all([codedTrack("h264"), codedTrack("h264", "640x360")]);
    stream.add(1, "180p", small);
    stream.add(2, "360p", large);
    const [key, next, later] = large.frames;
    stream.pass(2, 0, [key!, { ...later!, dts: next!.dts }, { ...next!, dts: later!.dts }, large.frames[15]!]);
    stream.pass(1, 0, small.frames.slice(0, 3));
    server = await WhepServer.start(stream);
    const receive = browserOffer({ direction: "recvonly" });
    assert.equal(await codeOf(await server.post("/live/slug/whep?rung=360p", receive)), "WHEP_PICTURES_REORDERED");
    await watch();
    await until(() => stream.counted.length > 0);
    assert.deepEqual(new Set(stream.counted.map(({ rung }) => rung)), new Set([1]));
  });

  it("goes on with a smaller rung where the largest shows only later that its pictures refer to later ones", async () => {
    const [small, large] = await Promise.all([codedTrack("h264"), codedTrack("h264", "640x360")]);
    stream.add(1, "180p", small);
    stream.add(2, "360p", large);
    const [key, next, later] = large.frames;
    stream.pass(2, 0, [key!]);
    stream.pass(1, 0, small.frames.slice(0, 1));
    server = await WhepServer.start(stream);
    const viewer = await watch();
    await until(() => stream.counted.length === 1);
    await watch("h264", "/live/slug/whep?rung=360p");
    await until(() => stream.counted.length === 2);
    stream.pass(2, 0, [
      { ...later!, dts: next!.dts },
      { ...next!, dts: later!.dts },
    ]);
    stream.pass(1, 0, small.frames.slice(1, 3));
    await until(() => viewer.pictures.length >= 4);
    // Who asked for that rung gets no other.
    assert.deepEqual([server.service.sessions.size, stream.followed], [1, 1]);
    await until(() => viewer.pictures.length === 5);
    assert.deepEqual(
      stream.counted.map(({ rung }) => rung),
      [2, 2, 2, 2, 1, 1, 1],
    );
  });

  it("counts a viewer and what it got with those who watch files", async () => {
    const track = await codedTrack("h264");
    stream.add(1, "180p", track);
    const seen: string[] = [];
    let [bytes, seconds] = [0, 0];
    const audience = {
      see: ({ ip }: { ip: string }) => void seen.push(ip),
      sent: (more: number, longer: number) => {
        bytes += more;
        seconds += longer;
      },
    };
    server = await WhepServer.start(stream, { audience });
    const viewer = await watch();
    stream.pass(1, 0, track.frames.slice(0, 30));
    await until(() => viewer.pictures.length === 30);
    assert.equal(seen[0], "127.0.0.1");
    assert.equal(
      bytes,
      track.frames.slice(0, 30).reduce((sum, { data }) => sum + data.length, 0),
    );
    assert.ok(Math.abs(seconds - 1) < 0.001, `${seconds} s`);
  });
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
