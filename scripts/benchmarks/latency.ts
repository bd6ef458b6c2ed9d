import { type CreatedStream, createStream } from "@leat/sdk/client/actions/streams.ts";
import { getPlayback } from "@leat/sdk/client/actions/watch.ts";
import type { LadderRequest } from "@leat/sdk/protocol/job.ts";
import type { Browser, Page } from "playwright-core";
import { openBrowser, whenState } from "../../test/support/browser.ts";
import type { TestNetwork } from "../../test/support/e2e-network.ts";
import { nodeAt, waitFor } from "../../test/support/e2e-stream.ts";
import { openPage, playersFolder } from "../../test/support/interop/browser-page.ts";
import { dashJs } from "../../test/support/interop/browser-players.ts";
import { playWhep } from "../../test/support/webrtc-page.ts";
import { ensurePlayers } from "../lib/test-players.ts";
import { buyerOf } from "../network/demo.ts";
import type { BenchCase, BenchOptions, BenchResult } from "./case.ts";
import { withNetwork } from "./support/bench-network.ts";
import { publishClock } from "./support/clock-publisher.ts";
import { judgeLimits, type Limit } from "./support/limits.ts";
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
  /** Nothing is transcoded: the picture as it comes in. */
  readonly passthrough?: boolean;
  readonly watch: (scene: Scene) => Promise<Page>;
}

interface Publishing {
  stop(): Promise<void>;
}

/**
 * One takes in and serves, another one transcodes, the third serves alone. No node transcodes what it took in: it checks
 * what others make of it.
 */
const INGEST = "node-a";
const roles: Readonly<Record<string, readonly string[]>> = { "node-c": ["delivery"] };

/** How the picture comes in, and how a viewer gets it, under the name that the table and the JSON have. */
const ways: Readonly<Record<string, Way>> = {
  "ll-hls": { publish: publishByRtmp, watch: watchPage },
  dash: { publish: publishByRtmp, watch: watchDash },
  "rtmp-whep": { publish: publishByRtmp, watch: watchWhep },
  "whip-whep": { publish: publishByWhip, watch: watchWhep },
  "rtmp-whep-source": { publish: publishByRtmp, watch: watchWhep, passthrough: true },
  "ll-hls-source": { publish: publishByRtmp, watch: watchPage, passthrough: true },
};

/**
 * Glass to glass: from the making of a picture, whose wall clock is drawn into it, to its showing in Chromium, read back
 * from the player's canvas. By RTMP or WHIP to one node, transcoded at another (or not at all), served by the edge that
 * the cluster chose.
 */
export const run: BenchCase = async ({ log, signal }) => {
  ensurePlayers(playersFolder, log);
  const chosen = await withNetwork(log, adjust, (network) => runAll(network, log, signal));
  const hops = await withNetwork(log, adjustHops, (network) => runHops(network, log, signal));
  const { rows, json } = join([chosen, hops]);
  return { rows, json, shortfall: judgeLimits(limitsOf(rows)) };
};

/** All by the 95th percentile; what an edge, or another node's rendition, may add stands beside the source from one edge. */
function limitsOf(rows: BenchResult["rows"]): Limit[] {
  const p95Of = (name: string) => Number(rows.find(({ way }) => way === name)?.p95Ms);
  const more = (name: string, than: string, most: number) => {
    return { figure: `${name} beyond ${than}`, value: p95Of(name) - p95Of(than), most };
  };
  return [
    { figure: "rtmp-whep", value: p95Of("rtmp-whep"), most: 420 },
    { figure: "whip-whep", value: p95Of("whip-whep"), most: 300 },
    { figure: "ll-hls", value: p95Of("ll-hls"), most: 1_500 },
    more("rtmp-whep", "rtmp-whep-source", 700),
    more("ll-hls", "ll-hls-source", 700),
    more("rtmp-whep-two-hops", "rtmp-whep-one-hop", 150),
  ];
}

async function runAll(network: TestNetwork, log: BenchOptions["log"], signal: AbortSignal): Promise<BenchResult> {
  const browser = await openBrowser();
  try {
    const results: BenchResult[] = [];
    for (const [name, { publish, watch, passthrough = false }] of Object.entries(ways)) {
      signal.throwIfAborted();
      const measured = await withStream(network, { publish, browser, passthrough }, async (slug) =>
        measure(name, await watch({ network, browser, slug }), log),
      );
      results.push(measured);
    }
    return join(results);
  } finally {
    await browser.close();
  }
}

/** The picture as it comes in, from an edge that has it from the origin, and from one that has it from that edge. */
async function runHops(network: TestNetwork, log: BenchOptions["log"], signal: AbortSignal): Promise<BenchResult> {
  const browser = await openBrowser();
  try {
    return await withStream(network, { publish: publishByRtmp, browser, passthrough: true }, async (slug) => {
      const [above, below] = await waitFor("an edge below an edge", limitMs, () => findHops(network, slug));
      signal.throwIfAborted();
      const first = await measure("rtmp-whep-one-hop", await watchWhepAt(browser, above), log);
      signal.throwIfAborted();
      return join([first, await measure("rtmp-whep-two-hops", await watchWhepAt(browser, below), log)]);
    });
  } finally {
    await browser.close();
  }
}

async function measure(name: string, page: Page, log: BenchOptions["log"]): Promise<BenchResult> {
  log(`${name}: plays; ${SAMPLES} pictures follow`);
  try {
    const latencies = await readLatencies(page, SAMPLES, EVERY);
    const [p50Ms, p95Ms] = [percentile(latencies, 0.5), percentile(latencies, 0.95)];
    const row = { way: name, samples: latencies.length, p50Ms, p95Ms, maxMs: Math.max(...latencies) };
    return { rows: [row], json: { [name]: { p50Ms, p95Ms } } };
  } finally {
    await page.close();
  }
}

function join(results: readonly BenchResult[]): BenchResult {
  return {
    rows: results.flatMap(({ rows }) => rows),
    json: Object.assign({}, ...results.map(({ json }) => json)),
  };
}

/** The stream's two edges, the one that feeds the other first. */
async function findHops(network: TestNetwork, slug: string): Promise<readonly [string, string] | undefined> {
  const { primary, fallback } = await getPlayback(network, slug);
  if (fallback === null) return undefined;
  const edges = [primary.hls, fallback.hls] as const;
  for (const [at, edge] of edges.entries()) {
    const metrics = await (await fetch(new URL("/metrics", edge))).text();
    if (/^leat_delivery_edges_fed 1$/m.test(metrics)) return [edge, edges[1 - at]!];
  }
  return undefined;
}

/** One takes in, and feeds one edge, which feeds the other. */
function adjustHops(name: string, config: Record<string, unknown>): Record<string, unknown> {
  if (name === "balancer") return { ...config, balancer: { edgeFanOut: 1 } };
  if (!["node-a", "node-b", "node-c"].includes(name)) return config;
  return { ...config, node: { ...(config.node as object), roles: [name === INGEST ? "ingest" : "delivery"] } };
}

function adjust(name: string, config: Record<string, unknown>): Record<string, unknown> {
  const node = config.node as Record<string, unknown>;
  return roles[name] === undefined ? config : { ...config, node: { ...node, roles: roles[name] } };
}

async function withStream<T>(
  network: TestNetwork,
  { publish, browser, passthrough }: Pick<Way, "publish"> & { browser: Browser; passthrough: boolean },
  measure: (slug: string) => Promise<T>,
): Promise<T> {
  const token = network.economy.deployment.tokens.USDC;
  const wanted = passthrough ? { ladder: [], passthrough } : { ladder };
  const request = { ...wanted, token, unsignedBudgetBytes: 10_000_000_000n };
  const isAt = (url: string) => nodeAt(network, url) === INGEST;
  // Nodes that were just started are offered once they have told the balancer of themselves.
  const created = await waitFor(`a stream at ${INGEST}`, limitMs, async () => {
    const one = await createStream(buyerOf(network), request).catch(() => undefined);
    return one?.ingestUrls.some(isAt) ? one : undefined;
  });
  const publisher = await publish(browser, created, isAt);
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
  return publishClock(ingestUrls.find(isAt)!);
}

async function publishByWhip(browser: Browser, { whipUrls }: CreatedStream, isAt: (url: string) => boolean) {
  const page = await publishClockByWhip(browser, whipUrls.find(isAt)!);
  return { stop: () => page.close() };
}

/** The cluster's own watch page, whose player is hls.js. */
async function watchPage({ network, browser, slug }: Scene): Promise<Page> {
  const page = await browser.newPage({ viewport: { width: 900, height: 640 } });
  await page.goto(`${network.clusterUrl}/play/${slug}`);
  await whenState(page, "playing");
  await settle(page);
  return page;
}

/** A page with nothing but dash.js as it comes, which keeps to what the manifest says of latency. */
async function watchDash({ network, browser, slug }: Scene): Promise<Page> {
  const { primary } = await getPlayback(network, slug);
  const player = dashJs(new URL("manifest.mpd", primary.hls).href);
  const page = await openPage(browser, `${network.clusterUrl}/play/${slug}`);
  await page.addScriptTag({ path: player.script! });
  await page.evaluate(() => {
    document.body.replaceChildren(Object.assign(document.createElement("video"), { autoplay: true, muted: true }));
  });
  await player.start(page);
  await settle(page);
  return page;
}

async function settle(page: Page): Promise<void> {
  const settled = (seconds: number) =>
    document.querySelector("video")!.played.length > 0 && performance.now() > seconds * 1_000;
  await page.waitForFunction(settled, SETTLE_S, { timeout: limitMs });
}

/** A page with nothing but a player by WHEP, at the edge that the cluster chose. */
async function watchWhep({ network, browser, slug }: Scene): Promise<Page> {
  const { primary } = await getPlayback(network, slug);
  return watchWhepAt(browser, primary.hls);
}

async function watchWhepAt(browser: Browser, hls: string): Promise<Page> {
  const page = await browser.newPage();
  await playWhep(page, new URL("whep", hls).href);
  await page.waitForFunction((seconds) => document.querySelector("video")!.currentTime > seconds, WHEP_SETTLE_S, {
    timeout: limitMs,
  });
  return page;
}
