import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { buyerOf, createSoon } from "../../../scripts/network/demo.ts";
import { getPlayback } from "../../../sdk/client/actions/watch.ts";
import type { LadderRequest } from "../../../sdk/protocol/job.ts";
import { openBrowser, stalledMs, startSampling, whenPlayed } from "../../support/browser.ts";
import { TestNetwork } from "../../support/e2e-network.ts";
import { waitFor, whenListed } from "../../support/e2e-stream.ts";
import { BadWay, TcpRelay } from "../../support/impairment.ts";
import { hlsJs } from "../../support/interop/browser-players.ts";
import { writePatternFiles } from "../../support/interop/pattern.ts";
import { playByFfmpeg } from "../../support/interop/program-players.ts";
import { type Publishing, ways } from "../../support/interop/publishers.ts";
import { judge } from "../../support/interop/sightings.ts";
import { isMedia, UdpRelay } from "../../support/udp-relay.ts";
import { playWhep } from "../../support/webrtc-page.ts";

const impairment = { loss: 0.05, jitterMs: 100 };
const ladder: LadderRequest = [
  { name: "180p", codec: "h264", height: 180, videoBitrate: 500_000, audioBitrate: 96_000 },
];
const SRT_LATENCY_MS = 400;
const PUBLISHED_S = 30;
const WATCHED_S = 60;

describe("a way through a network that loses 5 % and delays up to 100 ms", function () {
  this.timeout(240_000);
  let directory: string;
  let files: Awaited<ReturnType<typeof writePatternFiles>>;
  let network: TestNetwork;
  let browser: Browser;
  let way: BadWay;
  let publishing: Publishing | undefined;
  const closing: (() => unknown)[] = [];

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "leat-impairment-"));
    files = await writePatternFiles(directory);
    network = await TestNetwork.start();
    browser = await openBrowser();
  });
  after(async () => {
    await browser?.close();
    await network?.stop();
    await rm(directory, { recursive: true, force: true });
  });
  beforeEach(() => {
    way = new BadWay(impairment);
  });
  afterEach(async () => {
    await publishing?.drop();
    publishing = undefined;
    for (const close of closing.splice(0).reverse()) await close();
    process.stdout.write(`      ${way.describe()}\n`);
  });

  it("loses no picture of an SRT publisher at 400 ms latency", async () => {
    const hls = await publish("ffmpeg by SRT", async (address) => {
      const url = new URL(address);
      const relay = await UdpRelay.start(Number(url.port));
      closing.push(() => relay.close());
      relay.fate = (_bytes, towards) => (towards === "server" ? way.next() : 0);
      url.port = String(relay.port);
      url.searchParams.set("latency", String(SRT_LATENCY_MS * 1_000));
      return url.href;
    });
    const player = playByFfmpeg("ffmpeg", hls);
    closing.push(() => player.stop());
    await player.seen.whenShown("first", PUBLISHED_S);
    const { missing, unread, backwards } = judge(player.seen);
    assert.deepEqual({ missing, unread, backwards }, { missing: 0, unread: 0, backwards: [] });
    assert.ok(way.lost > 0);
  });

  it("freezes WHEP for at most two seconds of a minute", async () => {
    const hls = await publish("ffmpeg by RTMP");
    const page = await open();
    const whep = new URL("whep", hls).href;
    await page.route(whep, async (route) => {
      // Without candidates there is no way past the relay.
      const offer = route
        .request()
        .postData()!
        .replace(/a=candidate:.*\r\n/g, "");
      const response = await route.fetch({ postData: offer });
      const answer = await response.text();
      const relay = await UdpRelay.start(Number(/ 127\.0\.0\.1 (\d+) typ host/.exec(answer)![1]));
      closing.push(() => relay.close());
      relay.fate = (bytes, towards) => (towards === "client" && isMedia(bytes) ? way.next() : 0);
      await route.fulfill({ response, body: relay.through(answer) });
    });
    await playWhep(page, whep);
    await whenPlayed(page, WATCHED_S, 2 * WATCHED_S * 1_000);
    const { frozenS, nacks } = await readFreezes(page);
    process.stdout.write(`      frozen for ${frozenS} s of ${WATCHED_S}, ${nacks} packets asked for again\n`);
    assert.ok(frozenS <= 2, `frozen for ${frozenS} s`);
    assert.ok(way.lost > 0 && nacks > 0);
  });

  it("stalls HLS for at most a second of a minute", async () => {
    const hls = new URL(await publish("ffmpeg by RTMP"));
    const relay = await TcpRelay.start(way, Number(hls.port));
    closing.push(() => relay.close());
    hls.port = String(relay.port);
    const page = await open();
    const { script, start } = hlsJs(hls.href);
    await page.addScriptTag({ path: script! });
    await page.evaluate(() => {
      const video = document.createElement("video");
      document.body.replaceChildren(Object.assign(video, { autoplay: true, muted: true }));
    });
    await start(page);
    // What comes before the first picture is not a stall.
    await whenPlayed(page, 1);
    await startSampling(page);
    await whenPlayed(page, WATCHED_S, 2 * WATCHED_S * 1_000);
    const stalled = await stalledMs(page);
    process.stdout.write(`      stalled for ${Math.round(stalled)} ms of ${WATCHED_S} s\n`);
    assert.ok(stalled <= 1_000, `stalled for ${stalled} ms`);
    assert.ok(way.lost > 0);
  });

  /** @returns The playlist of an edge. */
  async function publish(name: string, through = async (url: string) => url): Promise<string> {
    const { urlOf, start } = ways.find((one) => one.name === name)!;
    const token = network.economy.deployment.tokens.USDC;
    const created = await createSoon(buyerOf(network), { ladder, token, unsignedBudgetBytes: 1_000_000_000n });
    publishing = start({ url: await through(urlOf(created)!), files, coming: "first" });
    const { hls } = await waitFor("the stream to be playable", 60_000, async () => {
      const { primary } = await getPlayback(network, created.slug);
      return (await fetch(primary.hls)).ok ? primary : undefined;
    });
    await whenListed(hls, 1);
    return hls;
  }

  async function open(): Promise<Page> {
    const context = await browser.newContext({ bypassCSP: true, viewport: { width: 320, height: 180 } });
    closing.push(() => context.close());
    const page = await context.newPage();
    await page.goto(`${network.clusterUrl}/healthz`);
    return page;
  }
});

/** What the browser itself counted of the video. */
function readFreezes(page: Page): Promise<{ frozenS: number; nacks: number }> {
  return page.evaluate(async () => {
    const { peer } = window as unknown as { peer: RTCPeerConnection };
    for (const [, report] of await peer.getStats()) {
      if (report.type !== "inbound-rtp" || report.kind !== "video") continue;
      return { frozenS: report.totalFreezesDuration as number, nacks: report.nackCount as number };
    }
    throw new Error("no video was received");
  });
}
