import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";
import { buyerOf, createSoon, demoLadder } from "../../scripts/network/demo.ts";
import { createStream, endStream, getStream, listJobs } from "../../sdk/client/actions/streams.ts";
import { TestNetwork } from "../support/e2e-network.ts";
import { waitFor, whenListed, whenPlayable } from "../support/e2e-stream.ts";
import { readMultipart } from "../support/multipart.ts";
import { makeTsSegments } from "../support/push-server.ts";
import { SourceServer } from "../support/source-server.ts";
import { publishPattern } from "../support/srt-caller.ts";
import { H264, makeTs, probeTs } from "../support/ts-files.ts";

const run = promisify(execFile);
const quietly = ["-v", "error", "-nostdin"];
const someFrames = ["-map", "0:v", "-frames:v", "25", "-f", "framemd5", "-"];

describe("a network that is given video as transport streams", function () {
  this.timeout(180_000);
  let network: TestNetwork;
  let isOver = false;
  before(async () => {
    // Sources of this machine are none that anybody else could reach.
    const pull = { allow: ["127.0.0.1"] };
    const adjust = (_: string, config: Record<string, unknown>) => ("rtmp" in config ? { ...config, pull } : config);
    network = await TestNetwork.start({ adjust });
  });
  after(() => {
    isOver = true;
    return network?.stop();
  });

  it("plays what the ffmpeg program sends to the address of its buyer, to who watches by SRT too, and goes on when it comes back", async () => {
    const caller = buyerOf(network);
    const token = network.economy.deployment.tokens.USDC;
    const request = { ladder: demoLadder, token, unsignedBudgetBytes: 1_000_000_000n };
    // A node that was just started is offered once it has told the balancer of itself.
    const created = await waitFor("an SRT address", 20_000, async () => {
      const one = await createSoon(caller, request);
      return one.srtUrls.length > 0 ? one : undefined;
    });
    const [url] = created.srtUrls as [string];

    const stranger = publishPattern(url.replace(/passphrase=.*/, "passphrase=of-another-stream"), 5);
    assert.notEqual((await once(stranger, "exit"))[0], 0);

    const first = publishPattern(url);
    const playback = await whenPlayable(network, created);
    await whenListed(playback.primary.hls, 1);
    const { stdout } = await run("ffmpeg", [...quietly, "-i", playback.primary.srt!, ...someFrames]);
    assert.equal(stdout.split("\n").filter((line) => /^0,/.test(line)).length, 25);
    const { servedBytes } = (await (await fetch(new URL("audience", playback.primary.hls))).json()) as {
      servedBytes: number;
    };
    assert.ok(servedBytes > 0);
    first.kill("SIGKILL");
    await once(first, "exit");
    const before = Number((await getStream(caller, created.id)).segments);
    // The lease stands for three seconds after the last frame: an encoder tries until it is let in.
    const comingBack = (async () => {
      while (!isOver) await once(publishPattern(url), "exit");
    })();
    await whenListed(playback.primary.hls, before + 2);
    isOver = true;
    await endStream(caller, created.id);
    await comingBack;
    const ended = await waitFor("the stream's end", 60_000, async () => {
      const found = await getStream(caller, created.id);
      return found.state === "ended" ? found : undefined;
    });
    assert.equal(ended.endCode, "STREAM_ENDED");
    assert.equal(ended.source?.video?.codec, "h264");
    assert.equal(ended.source?.audio?.codec, "aac");
    assert.ok(Number(ended.segments) > before + 2);
  });

  it("answers segments that are pushed to the address of its buyer with their renditions, and pays for them", async () => {
    const caller = buyerOf(network);
    const token = network.economy.deployment.tokens.USDC;
    const request = { ladder: demoLadder, token, unsignedBudgetBytes: 1_000_000_000n };
    const created = await createSoon(caller, request);
    const front = await fetch(`${network.clusterUrl}/ingest/${created.streamKey}`);
    const { nodes } = (await front.json()) as { nodes: { ways: { protocol: string; url: string }[] }[] };
    const url = nodes[0]!.ways.find(({ protocol }) => protocol === "push")!.url;
    assert.ok(created.pushUrls.includes(url));
    const pictures = ["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25:duration=3"];
    const segments = await makeTsSegments(...pictures, ...H264);
    const headers = { accept: "multipart/mixed", "content-duration": "1000" };
    for (const [number, body] of segments.entries()) {
      const parts = await waitFor(`renditions of segment ${number}`, 60_000, async () => {
        const response = await fetch(`${url}/${number}.ts`, { method: "POST", headers, body: Buffer.from(body) });
        // What is not made in time is asked for again.
        return response.status === 503 ? undefined : readMultipart(response);
      });
      const found = await Promise.all(
        parts.map(async ({ headers: of, body: made }) => [of["Rendition-Name"], await probeTs(made)]),
      );
      assert.deepEqual(found, [
        ["480p", { video: { codec: "h264", width: 640, height: 360, frames: 25 } }],
        ["240p", { video: { codec: "h264", width: 426, height: 240, frames: 25 } }],
      ]);
    }
    const { id } = created;
    await whenPlayable(network, created);
    await endStream(caller, id);
    const checked = await waitFor("the checks of what was pushed", 60_000, async () => {
      const made = (await listJobs(caller, id)).filter(({ primitive }) => primitive === "transcode");
      const attempts = made.flatMap((job) => job.attempts.map((attempt) => [attempt.checked, attempt.failed]));
      return attempts.every(([count]) => count === segments.length) ? attempts : undefined;
    });
    assert.deepEqual(checked, [
      [3, 0],
      [3, 0],
    ]);
  });

  it("fetches the source that its buyer names once somebody wants to watch it, and none where that leads inside", async () => {
    const caller = buyerOf(network);
    const token = network.economy.deployment.tokens.USDC;
    const request = { ladder: demoLadder, token, unsignedBudgetBytes: 1_000_000_000n };
    const pictures = ["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25:duration=12"];
    const ts = await makeTs(...pictures, ...H264, "-g", "50");
    const source = await SourceServer.open();
    try {
      source.answer = (_request, response) => response.writeHead(200, { "content-length": ts.length }).end(ts);
      const inside = (url: string) => createStream(caller, { ...request, pull: { url } });
      await assert.rejects(inside("http://10.0.0.1/live.ts"), {
        detail: { code: "API_REFUSED", reason: "PULL_ADDRESS_PRIVATE", status: 403 },
      });
      await assert.rejects(inside("file:///etc/passwd"), {
        detail: { code: "API_REFUSED", reason: "PULL_SCHEME_REFUSED", status: 400 },
      });
      const created = await createSoon(caller, { ...request, pull: { url: source.url(), when: "viewers" } });
      assert.deepEqual(source.asked, []);
      const playback = await whenPlayable(network, created);
      await whenListed(playback.primary.hls, 2);
      assert.deepEqual(source.asked, ["/live.ts"]);
      const ended = await waitFor("the source's end", 60_000, async () => {
        const found = await getStream(caller, created.id);
        return found.state === "ended" ? found : undefined;
      });
      assert.deepEqual([ended.endCode, ended.frames, ended.pull?.code], ["STREAM_ENDED", "300", null]);
    } finally {
      source.close();
    }
  });
});
