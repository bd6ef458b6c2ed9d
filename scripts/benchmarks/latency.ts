import { type CreatedStream, createStream } from "@leat/sdk/client/actions/streams.ts";
import { getPlayback } from "@leat/sdk/client/actions/watch.ts";
import type { LadderRequest } from "@leat/sdk/protocol/job.ts";
import type { Browser, Page } from "playwright-core";
import { openBrowser, whenState } from "../../test/support/browser.ts";
import { TestNetwork } from "../../test/support/e2e-network.ts";
import { nodeAt, waitFor } from "../../test/support/e2e-stream.ts";
import { playWhep } from "../../test/support/webrtc-page.ts";
import { buyerOf } from "../network/demo.ts";
import type { NodeName } from "../network/layout.ts";
import type { BenchCase } from "./case.ts";
import { publishClock } from "./support/clock-publisher.ts";
import { percentile, readLatencies } from "./support/picture-clock.ts";
import { publishClockByWhip } from "./support/whip-clock.ts";

/** One in six at 30 a second, so that they are spread over 48 s of media. */
const SAMPLES = 240;
const EVERY = 6;
/** Until a player has come to where it plays, seconds. */
const SETTLE_S = 15;
/** A player by WHEP is there from its first picture on. */
const WHEP_SETTLE_S = 5;
const limitMs = 120_000;

const ladder: LadderRequest = [
  { name: "360p", codec: "h264", height: 360, videoBitrate: 1_000_000, audioBitrate: 96_000 },
];

interface Scene {
  readonly network: TestNetwork;
  readonly browser: Browser;
  readonly slug: string;
}

interface Way {
  readonly publish: (browser: Browser, created: CreatedStream, isAt: (url: string) => boolean) => Promise<Publishing>;
  /** Takes the stream in; default the one that does not transcode. */
  readonly at?: NodeName;
  /** Nothing is transcoded: the picture as it comes in. */
  readonly passthrough?: boolean;
  readonly watch: (scene: Scene) => Promise<Page>;
}

interface Publishing {
  stop(): Promise<void>;
}

/** One transcodes, another one takes in and serves, the third serves alone. */
const TRANSCODER = "node-b";
const INGEST = "node-a";
const roles: Readonly<Record<string, readonly string[]>> = { "node-c": ["delivery"] };

/** How the picture comes in, and how a viewer gets it, under the name that the table and the JSON have. */
const ways: Readonly<Record<string, Way>> = {
  "ll-hls": { publish: publishByRtmp, watch: watchPage },
  "rtmp-whep": { publish: publishByRtmp, watch: watchWhep },
  "whip-whep": { publish: publishByWhip, watch: watchWhep },
  "rtmp-whep-same-node": { publish: publishByRtmp, watch: watchWhep, at: TRANSCODER },
  "rtmp-whep-source": { publish: publishByRtmp, watch: watchWhep, passthrough: true },
  "ll-hls-source": { publish: publishByRtmp, watch: watchPage, passthrough: true },
};

/**
 * Glass to glass: from the making of a picture, whose wall clock is drawn into it, to its showing in Chromium, read back
 * from the player's canvas. By RTMP or WHIP to one node, transcoded at another (or the same, or not at all), served by the
 * edge that the cluster chose.
 */
export const run: BenchCase = async ({ log }) => {
  let browser: Browser | undefined;
  log("start a network");
  const network = await TestNetwork.start({
    adjust: (name, config) => {
      const node = config.node as Record<string, unknown>;
      return roles[name] === undefined ? config : { ...config, node: { ...node, roles: roles[name] } };
    },
  });
  try {
    browser = await openBrowser();
    const rows: Record<string, string | number>[] = [];
    const json: Record<string, { p50Ms: number; p95Ms: number }> = {};
    for (const [name, { publish, watch, at = INGEST, passthrough = false }] of Object.entries(ways)) {
      const isAt = (url: string) => nodeAt(network, url) === at;
      const published = (created: CreatedStream) => publish(browser!, created, isAt);
      const latencies = await withStream(network, { publish: published, passthrough }, async (slug) => {
        const page = await watch({ network, browser: browser!, slug });
        log(`${name}: plays; ${SAMPLES} pictures follow`);
        try {
          return await readLatencies(page, SAMPLES, EVERY);
        } finally {
          await page.close();
        }
      });
      const [p50Ms, p95Ms] = [percentile(latencies, 0.5), percentile(latencies, 0.95)];
      rows.push({ way: name, samples: latencies.length, p50Ms, p95Ms, maxMs: Math.max(...latencies) });
      json[name] = { p50Ms, p95Ms };
    }
    return { rows, json };
  } finally {
    await browser?.close();
    await network.stop();
  }
};

async function withStream<T>(
  network: TestNetwork,
  { publish, passthrough }: { publish: (created: CreatedStream) => Promise<Publishing>; passthrough: boolean },
  measure: (slug: string) => Promise<T>,
): Promise<T> {
  const token = network.economy.deployment.tokens.USDC;
  const wanted = passthrough ? { ladder: [], passthrough } : { ladder };
  const created = await createStream(buyerOf(network), { ...wanted, token, unsignedBudgetBytes: 10_000_000_000n });
  const publisher = await publish(created);
  try {
    await waitFor("the stream to be playable", limitMs, async () => {
      const { primary } = await getPlayback(network, created.slug);
      return (await fetch(primary.hls)).ok || undefined;
    });
    return await measure(created.slug);
  } finally {
    await publisher.stop();
  }
}

async function publishByRtmp(_: Browser, { ingestUrls }: CreatedStream, isAt: (url: string) => boolean) {
  return publishClock(findAt(ingestUrls, isAt));
}

async function publishByWhip(browser: Browser, { whipUrls }: CreatedStream, isAt: (url: string) => boolean) {
  const page = await publishClockByWhip(browser, findAt(whipUrls, isAt));
  return { stop: () => page.close() };
}

function findAt(urls: readonly string[], isAt: (url: string) => boolean): string {
  const url = urls.find(isAt);
  if (url === undefined) throw new Error("the stream was not given to the node that this way is measured at");
  return url;
}

/** The cluster's own watch page, whose player is hls.js. */
async function watchPage({ network, browser, slug }: Scene): Promise<Page> {
  const page = await browser.newPage({ viewport: { width: 900, height: 640 } });
  await page.goto(`${network.clusterUrl}/play/${slug}`);
  await whenState(page, "playing");
  const settled = (seconds: number) =>
    document.querySelector("video")!.played.length > 0 && performance.now() > seconds * 1_000;
  await page.waitForFunction(settled, SETTLE_S, { timeout: limitMs });
  return page;
}

/** A page with nothing but a player by WHEP, at the edge that the cluster chose. */
async function watchWhep({ network, browser, slug }: Scene): Promise<Page> {
  const { primary } = await getPlayback(network, slug);
  const page = await browser.newPage();
  await playWhep(page, new URL("whep", primary.hls).href);
  await page.waitForFunction((seconds) => document.querySelector("video")!.currentTime > seconds, WHEP_SETTLE_S, {
    timeout: limitMs,
  });
  return page;
}
