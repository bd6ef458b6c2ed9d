import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { buyerOf, createSoon } from "../../scripts/network/demo.ts";
import { createStream, getStream, setPlayback } from "../../sdk/client/actions/streams.ts";
import { getPlayback } from "../../sdk/client/actions/watch.ts";
import type { LadderRequest } from "../../sdk/protocol/job.ts";
import { openBrowser, readPicture, whenPlayed } from "../support/browser.ts";
import { TestNetwork } from "../support/e2e-network.ts";
import { waitFor, whenListed, whenPlayable } from "../support/e2e-stream.ts";
import { codeOf } from "../support/fake-market.ts";
import { playInPage, whep } from "../support/interop/browser-players.ts";
import { shape } from "../support/interop/pattern.ts";
import { judge } from "../support/interop/sightings.ts";
import { makePlaybackSigner } from "../support/playback-keys.ts";
import { playWhep, publishWhip } from "../support/webrtc-page.ts";

/** One rung of each family: WebRTC plays the first. */
const ladder: LadderRequest = [
  { name: "240p", codec: "h264", height: 240, videoBitrate: 500_000, audioBitrate: 64_000 },
  { name: "180p-vp9", codec: "vp9", height: 180, videoBitrate: 250_000, audioBitrate: 64_000 },
];
/** Four flashes. */
const LISTENED_S = 8;
const LIMIT_MS = 80;

describe("webrtc in a browser", function () {
  this.timeout(120_000);
  let eventLogs: string;
  let network: TestNetwork;
  let browser: Browser;
  let pages: Page[] = [];

  before(async () => {
    network = await TestNetwork.start();
    eventLogs = await mkdtemp(join(tmpdir(), "leat-webrtc-"));
    browser = await openBrowser(eventLogs);
  });
  after(async () => {
    await browser?.close();
    await network?.stop();
    await rm(eventLogs, { recursive: true, force: true });
  });
  afterEach(async () => {
    await Promise.all(pages.map((page) => page.close()));
    pages = [];
  });

  function publishFlashes() {
    const { fps, flashEveryS } = shape;
    return network.publish({
      ladder: ladder.slice(0, 1),
      inputs: [{ pattern: { width: 640, height: 360, fps, flashEveryS, durationS: 40 } }],
      publish: { loop: true },
    });
  }

  async function open(): Promise<Page> {
    const page = await browser.newPage();
    pages.push(page);
    // A page of another origin than any node.
    await page.goto(`${network.clusterUrl}/healthz`);
    return page;
  }

  it("plays by WHEP what is published by RTMP, with sound where all rungs are H.264, counted with who watches files", async () => {
    const stream = await publishFlashes();
    const { primary } = await stream.playback(1);
    const page = await open();
    await playWhep(page, whepOf(primary.hls));
    await whenPlayed(page, 4);
    const picture = await readPicture(page);
    assert.deepEqual([picture.height, picture.brightest > 180 && picture.darkest < 60], [240, true]);
    assert.deepEqual(await heardBy(page), { video: true, audio: true });
    const figures = (await (await fetch(new URL("audience", primary.hls))).json()) as {
      servedBytes: number;
      viewers: number;
    };
    assert.ok(figures.servedBytes > 100_000 && figures.viewers >= 1, JSON.stringify(figures));
  });

  it("has a flash and its beep together, by what the browser gets, decodes and shows", async () => {
    const { primary } = await (await publishFlashes()).playback(1);
    const player = await playInPage(browser, `${network.clusterUrl}/healthz`, whep(whepOf(primary.hls), eventLogs));
    await player.seen.whenShown("first", LISTENED_S);
    await player.settle();
    await player.stop();
    const { wrongLight, skewsMs, lateMs } = judge(player.seen);
    const [[skews], [late]] = [skewsMs, lateMs];
    assert.equal(wrongLight, 0);
    assert.ok(skews.length >= 2 && skews.every((skew) => Math.abs(skew) <= LIMIT_MS), `${skews}`);
    // It says so of tracks alone that it plays by one clock. How near it comes to it is a matter of the machine.
    assert.ok(late.length > 0);
  });

  it("shows a stream to who has a token, by files and by WHEP, and no more once the token's key is taken out", async () => {
    const [signer, next] = [makePlaybackSigner("ES256", "one"), makePlaybackSigner("EdDSA", "two")];
    const stream = await publishFlashes();
    const { created, caller } = stream;
    const bare = (await stream.playback(1)).primary.hls;
    const codeAt = async (url: string) => ((await (await fetch(url)).json()) as { error: { code: string } }).error.code;
    await setPlayback(caller, created.id, { type: "jwt", keys: [signer.key] });
    assert.equal(await codeAt(bare), "PLAYBACK_TOKEN_MISSING");
    assert.equal(await codeAt(`${network.clusterUrl}/v1/play/${created.slug}`), "PLAYBACK_TOKEN_MISSING");
    const exp = Math.floor(Date.now() / 1_000) + 3_600;
    const foreign = next.sign({ sub: created.slug, exp });
    await assert.rejects(getPlayback(network, created.slug, foreign), codeOf("WATCH_REFUSED"));
    const { hls } = (await getPlayback(network, created.slug, signer.sign({ sub: created.slug, exp }))).primary;
    await whenListed(hls, 1);
    const viewer = await open();
    await playWhep(viewer, whepOf(hls));
    await whenPlayed(viewer, 4);
    await assert.rejects(playWhep(await open(), whepOf(bare)), /401 .*PLAYBACK_TOKEN_MISSING/);
    await setPlayback(caller, created.id, { type: "jwt", keys: [next.key] });
    assert.equal(await codeAt(hls), "PLAYBACK_TOKEN_KEY_UNKNOWN");
    await viewer.waitForFunction(() =>
      ["closed", "failed", "disconnected"].includes(
        (window as unknown as { peer: RTCPeerConnection }).peer.connectionState,
      ),
    );
    const later = (await getPlayback(network, created.slug, next.sign({ sub: created.id, exp }))).primary.hls;
    await whenListed(later, 1);
  });

  it("publishes by WHIP through the front door: renditions come out, by files and by WHEP, and a goodbye ends the stream", async () => {
    const request = { ladder, token: network.economy.deployment.tokens.USDC, unsignedBudgetBytes: 1_000_000_000n };
    const created = await createSoon(buyerOf(network), request);
    const publisher = await open();
    // The browser follows to another origin, where its Authorization would not go along.
    const session = await publishWhip(publisher, `${network.clusterUrl}/ingest/${created.streamKey}`);
    const { hls } = (await whenPlayable(network, created)).primary;
    await whenListed(hls, 1);
    const viewer = await open();
    await playWhep(viewer, whepOf(hls));
    await whenPlayed(viewer, 4);
    const picture = await readPicture(viewer);
    assert.deepEqual([picture.height, picture.brightest > 150 && picture.darkest < 100], [240, true]);
    assert.deepEqual(await heardBy(viewer), { video: true, audio: true });
    assert.equal((await fetch(session, { method: "DELETE" })).status, 200);
    await waitFor("the end in the playlist", 60_000, async () => {
      const list = await (await fetch(new URL("240p/index.m3u8", hls))).text();
      return list.includes("#EXT-X-ENDLIST") ? true : undefined;
    });
  });

  it("makes every rung of what is published by WHIP in VP8 alone, and refuses it where there is no ladder", async () => {
    const common = { token: network.economy.deployment.tokens.USDC, unsignedBudgetBytes: 1_000_000_000n };
    const created = await createSoon(buyerOf(network), { ...common, ladder, passthrough: true });
    const publisher = await open();
    const session = await publishWhip(publisher, `${network.clusterUrl}/ingest/${created.streamKey}`, "video/VP8");
    const { hls } = (await whenPlayable(network, created)).primary;
    await whenListed(hls, 1);
    const { renditions, source } = await getStream(buyerOf(network), created.id);
    assert.deepEqual(
      renditions.flatMap(({ kind, name }) => (kind === "video" ? [name] : [])),
      ladder.map(({ name }) => name),
    );
    assert.deepEqual([source!.video!.codec, source!.audio!.codec], ["vp8", "opus"]);
    for (const { name, height } of ladder) {
      const viewer = await open();
      await playWhep(viewer, `${whepOf(hls)}?rung=${name}`);
      await whenPlayed(viewer, 2);
      const picture = await readPicture(viewer);
      assert.deepEqual([picture.height, picture.brightest > 150 && picture.darkest < 100], [height, true], name);
    }
    assert.equal((await fetch(session, { method: "DELETE" })).status, 200);

    const bare = await createSoon(buyerOf(network), { ...common, ladder: [], passthrough: true });
    const other = await open();
    const refused = publishWhip(other, `${network.clusterUrl}/ingest/${bare.streamKey}`, "video/VP8");
    await assert.rejects(refused, /422 .*INGEST_LADDER_MISSING/);
  });

  it("refuses a key that nobody has", async () => {
    const page = await open();
    const [, port] = /:(\d+)\//.exec(
      (await createStream(buyerOf(network), { ladder, token: network.economy.deployment.tokens.USDC })).whipUrls[0]!,
    )!;
    await assert.rejects(publishWhip(page, `http://127.0.0.1:${port}/whip/nobody`), /401 .*STREAM_KEY_UNKNOWN/);
  });
});

const whepOf = (hls: string) => new URL("whep", hls).href;

/** Whether packets of each kind came and were understood. */
function heardBy(page: Page): Promise<{ video: boolean; audio: boolean }> {
  return page.evaluate(async () => {
    const { peer } = window as unknown as { peer: RTCPeerConnection };
    const heard = { video: false, audio: false };
    for (const [, report] of await peer.getStats()) {
      if (report.type !== "inbound-rtp") continue;
      heard[report.kind as "video" | "audio"] = (report.framesDecoded ?? report.totalSamplesReceived) > 0;
    }
    return heard;
  });
}
