import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { inspect, promisify } from "node:util";
import { checkVerdicts } from "@leat/sdk/protocol/signed.ts";
import { SOURCE_RUNG } from "@leat/sdk/protocol/stream.ts";
import type { Ladder } from "@leat/transcoder/ladder.ts";
import { FakeBalancer } from "../../support/fake-balancer.ts";
import { MediaNode, type NodeFaults } from "../../support/media-network.ts";
import { type MultipartPart, readMultipart } from "../../support/multipart.ts";
import { codeOf, makeTsSegments, PushServer } from "../../support/push-server.ts";
import { demux, H264, makeTs, probeTs } from "../../support/ts-files.ts";

const ladder: Ladder = [
  { name: "240p", codec: "h264", height: 240, videoBitrate: 300_000, audioBitrate: 96_000 },
  { name: "120p", codec: "h264", height: 120, videoBitrate: 150_000, audioBitrate: 64_000 },
  { name: "120p-vp9", codec: "vp9", height: 120, videoBitrate: 150_000, audioBitrate: 64_000 },
];
/** As MistServer asks a gateway. */
const mist = { accept: "multipart/mixed", "content-duration": "1000", "content-resolution": "320x240" };

describe("segments pushed to an origin", function () {
  this.timeout(90_000);
  let balancer: FakeBalancer;
  let server: PushServer | undefined;
  let segments: Uint8Array[];
  const nodes: MediaNode[] = [];

  before(async () => {
    const pictures = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=4"];
    const sound = ["-f", "lavfi", "-i", "sine=frequency=500:sample_rate=48000:duration=4"];
    segments = await makeTsSegments(...pictures, ...sound, ...H264, "-c:a", "aac");
  });

  beforeEach(() => {
    balancer = new FakeBalancer(ladder);
  });

  afterEach(async () => {
    await server?.stop();
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
    server = undefined;
  });

  async function startNode(faults: NodeFaults = {}): Promise<MediaNode> {
    const node = new MediaNode(balancer, faults);
    nodes.push(node);
    await node.start();
    return node;
  }

  const push = (number: number, headers: Record<string, string> = mist) =>
    server!.push(`/live/${balancer.streamKey}/${number}.ts`, segments[number]!, headers);

  it("are answered with their renditions before the next comes, each whole and on the publisher's clock", async () => {
    balancer = new FakeBalancer(ladder, { passthrough: true });
    const [origin, transcoder] = [await startNode(), await startNode()];
    balancer.transcoders = [transcoder!];
    server = await PushServer.start((key, info) => origin!.ingest.authorize(key, info), { answerMs: 30_000 });
    const isPassed = (number: number) =>
      balancer
        .of("segment.published")
        .some(({ body: { rungs, sequence } }) => rungs.includes(SOURCE_RUNG) && sequence >= number);
    const answers: MultipartPart[][] = [];
    for (let number = 0; number < 4; number += 1) {
      const response = await push(number);
      assert.equal(response.status, 200);
      answers.push(await readMultipart(response));
      // The source as a rung is for viewers, who wait for nothing that follows either.
      await balancer.until(() => isPassed(number));
    }
    for (const [number, parts] of answers.entries()) {
      assert.deepEqual(
        parts.map(({ headers }) => [
          headers["Rendition-Name"],
          headers["Content-Type"],
          headers["Content-Disposition"],
        ]),
        ["240p", "120p"].map((name) => [
          name,
          `video/mp2t; name="${name}_${number}.ts"`,
          `attachment; filename="${name}_${number}.ts"`,
        ]),
      );
      const source = demux(Uint8Array.from(segments[number]!));
      for (const [at, { body }] of parts.entries()) {
        assert.deepEqual(await probeTs(body), {
          video: { codec: "h264", width: [320, 160][at], height: [240, 120][at], frames: 25 },
          audio: { codec: "aac", frames: source.audios.length },
        });
        const made = demux(Uint8Array.from(body));
        const shown = (videos: typeof made.videos) =>
          videos.map(({ dtsMs, ctsMs }) => Math.round(dtsMs + ctsMs)).toSorted((left, right) => left - right);
        assert.deepEqual(shown(made.videos), shown(source.videos));
        assert.deepEqual(
          made.audios.map(({ dtsMs, data }) => [Math.round(dtsMs), data.length]),
          source.audios.map(({ dtsMs, data }) => [Math.round(dtsMs), data.length]),
        );
      }
    }
    // Paid and checked like any other stream's.
    const receipts = () => balancer.of("receipt.submit").filter(({ body }) => body.kind === "transcode");
    await balancer.until(() => receipts().length >= 4);
    await balancer.until(() =>
      balancer.of("check.submit").some(({ body }) => body.check.value.verdict === checkVerdicts.passed),
    );
  });

  it("are answered in time when their transcoder dies, and with their renditions once another made them", async () => {
    const [origin, first, second] = [await startNode(), await startNode(), await startNode()];
    balancer.transcoders = [first!, second!];
    const families = ["h264", "vp9"];
    server = await PushServer.start((key, info) => origin!.ingest.authorize(key, info), { answerMs: 2_000 });
    let response = await push(0);
    // Its workers may take longer to start than an answer may wait.
    while (response.status === 503) response = await push(0);
    assert.equal((await readMultipart(response)).length, 2);
    await first!.crash();
    response = await push(1);
    assert.deepEqual([response.status, await codeOf(response)], [503, "PUSH_RENDITIONS_LATE"]);
    for (const family of families.filter((one) => balancer.jobs.find((job) => job.family === one)?.node === first)) {
      await balancer.replaceJob(family);
    }
    response = await push(1);
    while (response.status === 503) response = await push(1);
    const parts = await readMultipart(response);
    for (const { body } of parts) assert.equal((await probeTs(body)).video?.frames, 25);
    assert.equal(parts.length, 2);
    assert.equal(origin!.ingest.positionOf(balancer.stream), 1, "it was taken once");
  });

  it("are named by the profiles that a client asks for, and one that the ladder lacks is refused", async () => {
    const [origin, transcoder] = [await startNode(), await startNode()];
    balancer.transcoders = [transcoder!];
    server = await PushServer.start((key, info) => origin!.ingest.authorize(key, info), { answerMs: 30_000 });
    const ask = async (number: number, profiles: readonly object[]) =>
      push(number, { ...mist, "livepeer-transcode-configuration": JSON.stringify({ profiles }) });
    const names = (parts: readonly MultipartPart[]) => parts.map(({ headers }) => headers["Rendition-Name"]);
    const small = { name: "P120p25fps4x3", width: 160, height: 120, bitrate: 1 };
    const large = { name: "P1080p", width: 1_920, height: 1_080 };
    assert.deepEqual(names(await readMultipart(await ask(0, [small]))), ["P120p25fps4x3"]);
    const both = await readMultipart(await ask(1, [large, small]));
    assert.deepEqual(names(both), ["P1080p", "P120p25fps4x3"]);
    assert.equal((await probeTs(both[0]!.body)).video?.height, 240, "no rung is larger than its source");
    const unsold = await ask(2, [small, { name: "P144p", width: 192, height: 144 }]);
    assert.deepEqual([unsold.status, await codeOf(unsold)], [422, "PUSH_PROFILE_UNSOLD"]);
    const plain = await push(3, {});
    assert.deepEqual([plain.status, await plain.text()], [200, ""]);
  });

  it("are not taken, the first of them neither, where a profile is asked for that the ladder lacks", async () => {
    const origin = await startNode();
    server = await PushServer.start((key, info) => origin.ingest.authorize(key, info));
    const ask = (number: number, width: number, height: number) => {
      const profiles = [{ name: "wanted", width, height }];
      return push(number, { "livepeer-transcode-configuration": JSON.stringify({ profiles }) });
    };
    const refused = async (response: Response) => [response.status, await codeOf(response)];
    assert.deepEqual(await refused(await ask(0, 192, 144)), [422, "PUSH_PROFILE_UNSOLD"]);
    assert.equal(origin.ingest.positionOf(balancer.stream), null);
    assert.equal(balancer.of("source.ready").length, 0);
    // Nobody transcodes here.
    const taken = ask(0, 160, 120);
    await balancer.until(() => {
      const ready = balancer.told.findIndex(({ method }) => method === "source.ready");
      return ready >= 0 && balancer.told.slice(ready).filter(({ method }) => method === "publish.renew").length >= 2;
    });
    assert.deepEqual(await refused(await ask(1, 192, 144)), [422, "PUSH_PROFILE_UNSOLD"]);
    assert.equal(origin.ingest.positionOf(balancer.stream), 0);
    await server.service.stop();
    assert.equal((await taken).status, 503);
  });

  it("of a stream that its owner ended are refused as those of one that ended long ago", async () => {
    const origin = await startNode();
    server = await PushServer.start((key, info) => origin.ingest.authorize(key, info));
    // Nobody transcodes here.
    const taken = push(0);
    await balancer.until(() => balancer.of("source.ready").length === 1);
    await origin.ingest.end(origin.desk.runningJobs()[0]!.job, 1, "STREAM_ENDED");
    const ended = await push(1);
    assert.deepEqual([ended.status, await codeOf(ended)], [410, "STREAM_ENDED"]);
    const first = await taken;
    assert.deepEqual([first.status, await codeOf(first)], [410, "STREAM_ENDED"]);
  });

  it("are answered whole where the source's own rung leaves out what follows a forced boundary", async () => {
    balancer = new FakeBalancer(ladder, { passthrough: true });
    const [origin, transcoder] = [await startNode(), await startNode()];
    balancer.transcoders = [transcoder!];
    server = await PushServer.start((key, info) => origin!.ingest.authorize(key, info), { answerMs: 30_000 });
    const input = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=5"];
    const long = await makeTs(...input, ...H264, "-g", "250", "-sc_threshold", "0");
    const response = await server.push(`/live/${balancer.streamKey}/0.ts`, long, mist);
    assert.equal(response.status, 200);
    const parts = await readMultipart(response);
    assert.deepEqual(
      parts.map(({ headers }) => headers["Rendition-Name"]),
      ["240p", "120p"],
    );
    for (const { body } of parts) assert.equal((await probeTs(body)).video?.frames, 125);
    assert.equal(origin!.ingest.positionOf(balancer.stream), 1, "it is two segments");
  });

  it("may come from the ffmpeg program's own writer of HLS, which puts each where it is told to", async () => {
    const [origin, transcoder] = [await startNode(), await startNode()];
    balancer.transcoders = [transcoder!];
    server = await PushServer.start((key, info) => origin!.ingest.authorize(key, info), { answerMs: 30_000 });
    const base = `http://127.0.0.1:${server.port}/live/${balancer.streamKey}`;
    const input = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=3", ...H264];
    const output = ["-f", "hls", "-hls_time", "1", "-method", "PUT", "-hls_segment_filename", `${base}/%d.ts`];
    // Its playlists are refused, as a gateway refuses them, and it goes on.
    await promisify(execFile)("ffmpeg", ["-v", "quiet", "-nostdin", ...input, ...output, `${base}/index.m3u8`]);
    const pictures = () => balancer.of("publish.renew").at(-1)?.body.frames ?? 0;
    await balancer.until(() => pictures() === 75);
    const health = balancer.of("publish.renew").findLast(({ body }) => body.health !== undefined)?.body.health;
    assert.ok(health !== undefined && health.videoBitrate > 0 && health.keyIntervalMs! <= 1_000, inspect(health));
    assert.equal(health.missingPictures, 0);
    await balancer.until(() => balancer.published.get("h264") === 2);
  });
});
