import assert from "node:assert/strict";
import { checkStream } from "@leat/node/media/inspect/check-stream.ts";
import { initSegment } from "@leat/node/media/mp4/init.ts";
import { addLive } from "@leat/node/media-io/hls/routes.ts";
import { createRtmpServer, type RtmpServer } from "@leat/node/media-io/rtmp/server.ts";
import { WebrtcEndpoint } from "@leat/node/media-io/webrtc/endpoint.ts";
import type { EdgeStream } from "@leat/node/services/delivery/edge-stream.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import type { AudioConfig, Frame, VideoConfig } from "@leat/sdk/protocol/frame.ts";
import type { Ladder } from "@leat/transcoder/ladder.ts";
import { readLoudness, readMedia, readSight } from "@leat/transcoder/tools/media.ts";
import type { MediaItem } from "@leat/transcoder/tools/media-item.ts";
import { publish } from "@leat/transcoder/tools/publisher.ts";
import { type FastifyInstance, fastify } from "fastify";
import { FakeBalancer } from "../../support/fake-balancer.ts";
import { fetchFile, fetchText } from "../../support/hls-judge.ts";
import { readTrack } from "../../support/media/mp4-reader.ts";
import { MediaNode } from "../../support/media-network.ts";
import { publishInfo, publishItems, until } from "../../support/publish-items.ts";
import { encodeSound, soundOf, toInputs } from "../../support/sound.ts";
import { WebrtcClient } from "../../support/webrtc-client.ts";
import { WhepServer } from "../../support/whep-server.ts";
import { WhepViewer } from "../../support/whep-viewer.ts";
import { wholeSegment } from "../../support/whole-segment.ts";

/** How far a flash and its beep may be apart wherever they are seen and heard. */
const LIMIT_MS = 80;
const pattern = { width: 160, height: 120, fps: 30, keyframeEveryS: 2, flashEveryS: 1 };
const ladder: Ladder = [
  { name: "120p", codec: "h264", height: 120, videoBitrate: 200_000, audioBitrate: 96_000 },
  { name: "90p-vp9", codec: "vp9", height: 90, videoBitrate: 150_000, audioBitrate: 64_000 },
];

describe("a flash and its beep", function () {
  this.timeout(60_000);
  const nodes: MediaNode[] = [];
  const viewers: WebrtcClient[] = [];
  let rtmp: RtmpServer | undefined;
  let whep: WhepServer | undefined;
  let http: FastifyInstance | undefined;
  // The library is one for the process, clients included: it stays until they are gone.
  const kept = new WebrtcEndpoint({ enabled: true, host: "127.0.0.1", port: 0, publicAddresses: [] }, silentLogger);

  before(() => kept.start());
  after(() => kept.stop());
  afterEach(async () => {
    for (const viewer of viewers.splice(0)) viewer.close();
    await http?.close();
    await whep?.stop();
    await rtmp?.stop();
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
    whep = undefined;
    http = undefined;
    rtmp = undefined;
  });

  async function startNodes(balancer: FakeBalancer): Promise<[origin: MediaNode, edge: MediaNode]> {
    for (let index = 0; index < 3; index += 1) {
      const node = new MediaNode(balancer);
      nodes.push(node);
      await node.start();
    }
    const [origin, transcoder, edge] = nodes as [MediaNode, MediaNode, MediaNode];
    balancer.transcoders = [transcoder];
    return [origin, edge];
  }

  for (const codec of ["aac", "opus"] as const) {
    it(`stay together in every rung and both codecs of files, with captions in H.264, from ${codec}`, async () => {
      const balancer = new FakeBalancer(ladder);
      const [origin, edge] = await startNodes(balancer);
      const items = await readMedia({ pattern: { ...pattern, durationS: 6, captions: true } });
      const sent = codec === "aac" ? items : await withOpus(items);
      const sink = await origin.ingest.authorize(balancer.streamKey, publishInfo());
      await publishItems(sink, sent.slice(0, 200));
      await balancer.until(() => balancer.jobs.length > 0);
      await balancer.assign(edge, balancer.deliverySpec());
      await publishItems(sink, sent.slice(200));
      await sink.end({ clean: true });
      const stream = edge.delivery.findStream(balancer.slug)!;
      await until(() => stream.window.ended);
      const seen = [1, 2].map((rung) => trackOf(stream, rung));
      const heard = [100, 101].map((rung) => trackOf(stream, rung));
      const beeps = await Promise.all(
        heard.map(async ({ config, frames }) => readLoudness(config as AudioConfig, frames)),
      );
      for (const { config, frames } of seen) {
        const { flashesAtMs, captions } = await readSight(config as VideoConfig, frames);
        assert.equal(flashesAtMs.length, 5);
        assert.deepEqual(captions, config.codec === "h264" ? captionsOf(180) : captions.map(() => ""));
        for (const { beepsAtMs } of beeps) assertTogether(flashesAtMs, beepsAtMs);
      }
      // Told with the first manifest: some players of DASH look for what it names alone.
      assert.equal(stream.window.mpd()!.match(/<Period id/g)?.length, 1);
      const named = stream.window.mpd()!.match(/contentType="video"[^>]*>\n<Accessibility[^>]*>.*?codecs="[^"]*"/gs);
      assert.equal(named?.length, 1);
      assert.match(named[0], /cea-608.*codecs="avc1/s);
    });
  }

  it("stay together by WebRTC where all rungs are H.264, and files keep to AAC", async () => {
    const balancer = new FakeBalancer(ladder.slice(0, 1));
    const [origin, edge] = await startNodes(balancer);
    rtmp = createRtmpServer({
      host: "127.0.0.1",
      port: 0,
      authorize: (key, info) => origin.ingest.authorize(key, info),
      logger: silentLogger,
    });
    await rtmp.start();
    const inputs = [{ pattern: { ...pattern, durationS: 20 } }];
    const publisher = publish({ url: `${rtmp.url}/${balancer.streamKey}`, inputs });
    await publisher.started;
    await balancer.until(() => balancer.jobs.length > 0);
    await balancer.assign(edge, balancer.deliverySpec());
    const stream = edge.delivery.findStream(balancer.slug)!;
    await until(() => stream.window.head >= 0);
    whep = await WhepServer.start(stream);
    const client = new WebrtcClient("RecvOnly");
    viewers.push(client);
    const viewer = new WhepViewer(client, "h264");
    const answer = await whep.post("/live/slug/whep", (await client.offer()).bare);
    assert.equal(answer.status, 201);
    client.answer(await answer.text());
    // Four seconds of sound, and the picture that goes with the last of it.
    await until(() => viewer.sound.length >= 200 && viewer.reports.size === 2);
    const { length } = viewer.pictures;
    await until(() => viewer.pictures.length >= length + 6);
    http = fastify();
    await addLive(http, edge.delivery);
    const url = `${await http.listen({ host: "127.0.0.1", port: 0 })}/live/${balancer.slug}`;
    assert.deepEqual((await checkStream(`${url}/master.m3u8`, fetchFile)).findings, []);
    for (const file of ["master.m3u8", "manifest.mpd"]) {
      const text = await fetchText(`${url}/${file}`);
      assert.match(text, /mp4a\.40\.2/);
      assert.doesNotMatch(text, /opus/);
    }
    await publisher.stop();

    const zeroMs = showsAtMs(viewer, "audio", viewer.sound[0]!.timestamp);
    const sound = viewer.sound.map(({ timestamp, payload }): Frame => {
      const pts = Math.round((showsAtMs(viewer, "audio", timestamp) - zeroMs) * 48);
      return frameOf("audio", pts, true, payload);
    });
    const pictures = viewer.pictures.map(({ timestamp, key, data }): Frame => {
      const pts = Math.round((showsAtMs(viewer, "video", timestamp) - zeroMs) * 90);
      return frameOf("video", pts, key, data);
    });
    const config = viewer.pictures.find((picture) => picture.config !== undefined)!.config!;
    const { flashesAtMs } = await readSight(config, pictures);
    const { beepsAtMs } = await readLoudness(opus, sound);
    assert.ok(beepsAtMs.length >= 3, `${beepsAtMs}`);
    // Pictures from before the first sound come at once, with times of their own.
    const nearest = beepsAtMs.map((beepMs) =>
      flashesAtMs.reduce((best, atMs) => (Math.abs(atMs - beepMs) < Math.abs(best - beepMs) ? atMs : best)),
    );
    assertTogether(nearest, beepsAtMs);
  });
});

const opus: AudioConfig = {
  kind: "audio",
  codec: "opus",
  timescale: 48_000,
  sampleRate: 48_000,
  channels: 2,
  description: Uint8Array.of(0, 2, 0, 0, 0, 0, 0xbb, 0x80, 0, 0, 0),
  codecString: "opus",
};

function assertTogether(flashesAtMs: readonly number[], beepsAtMs: readonly number[]): void {
  const facts = `flashes ${flashesAtMs.map(Math.round)}, beeps ${beepsAtMs}`;
  assert.equal(flashesAtMs.length, beepsAtMs.length, facts);
  for (const [index, atMs] of flashesAtMs.entries()) assert.ok(Math.abs(atMs - beepsAtMs[index]!) <= LIMIT_MS, facts);
}

/** As the pattern has them. */
function captionsOf(pictures: number): string[] {
  return Array.from({ length: pictures }, (_, number) =>
    Buffer.from([0xfc, (number >> 7) & 0x7f, number & 0x7f]).toString("hex"),
  );
}

/** The same pictures with their sound in Opus, as WebRTC sends it. */
async function withOpus(items: readonly MediaItem[]): Promise<MediaItem[]> {
  const { config, frames } = soundOf(items);
  const [, made] = await encodeSound(config, toInputs(frames));
  const waiting = [...made!.frames];
  const sent: MediaItem[] = [{ type: "config", config: made!.configs[0]! }];
  for (const item of items) {
    if ((item.type === "config" ? item.config : item.frame).kind === "audio") continue;
    sent.push(item);
    if (item.type === "config") continue;
    const untilTicks = (item.frame.dts * 48) / 90;
    while (waiting[0] !== undefined && waiting[0].pts <= untilTicks)
      sent.push({ type: "frame", frame: waiting.shift()! });
  }
  return [...sent, ...waiting.map((frame): MediaItem => ({ type: "frame", frame }))];
}

function trackOf(stream: EdgeStream, rung: number) {
  const { window } = stream;
  const { name } = window.renditions.find((info) => info.rung === rung)!;
  const held = window.held(rung);
  const init = initSegment(window.config(name, held[0]!.configVersion)!);
  const media = held.map(({ sequence }) => wholeSegment(stream, rung, sequence)!);
  return readTrack(Buffer.concat([init, ...media]));
}

/** The wall clock of what an RTP timestamp shows, by the sender's newest report. */
function showsAtMs({ reports }: WhepViewer, kind: "video" | "audio", timestamp: number): number {
  const report = reports.get(kind)!;
  return report.ntpMs + ((timestamp - report.timestamp) | 0) / (kind === "video" ? 90 : 48);
}

function frameOf(kind: "video" | "audio", pts: number, key: boolean, data: Uint8Array): Frame {
  return { kind, epoch: 0, dts: pts, pts, duration: 0, key, configVersion: 0, arrivalMs: 0, data };
}
