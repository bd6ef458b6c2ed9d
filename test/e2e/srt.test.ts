import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";
import { buyerOf, demoLadder } from "../../scripts/network/demo.ts";
import { createStream, endStream, getStream } from "../../sdk/client/actions/streams.ts";
import { getPlayback } from "../../sdk/client/actions/watch.ts";
import { TestNetwork } from "../support/e2e-network.ts";
import { waitFor, whenListed } from "../support/e2e-stream.ts";
import { publishPattern } from "../support/srt-caller.ts";

const run = promisify(execFile);
const quietly = ["-v", "error", "-nostdin"];
const someFrames = ["-map", "0:v", "-frames:v", "25", "-f", "framemd5", "-"];

describe("a network that is given video by SRT", function () {
  this.timeout(180_000);
  let network: TestNetwork;
  let isOver = false;
  before(async () => {
    network = await TestNetwork.start();
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
      const one = await createStream(caller, request);
      return one.srtUrls.length > 0 ? one : undefined;
    });
    const [url] = created.srtUrls as [string];

    const stranger = publishPattern(url.replace(/passphrase=.*/, "passphrase=of-another-stream"), 5);
    assert.notEqual((await once(stranger, "exit"))[0], 0);

    const first = publishPattern(url);
    const playback = await waitFor("the stream to be playable", 60_000, async () => {
      const found = await getPlayback(network, created.slug);
      return (await fetch(found.primary.hls)).ok ? found : undefined;
    });
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
});
