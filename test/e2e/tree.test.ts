import assert from "node:assert/strict";
import type { Browser, Page } from "playwright-core";
import type { NodeName } from "../../scripts/network/layout.ts";
import { longestFreeze, openBrowser, readPicture, startCountingPictures, whenPlayed } from "../support/browser.ts";
import { assertWhole, range } from "../support/e2e-facts.ts";
import { TestNetwork } from "../support/e2e-network.ts";
import { nodeAt, waitFor, whenListed } from "../support/e2e-stream.ts";
import { judgeMaster } from "../support/hls-judge.ts";
import { playWhep } from "../support/webrtc-page.ts";

const fps = 30;
const durationS = 18;
const pattern = { width: 320, height: 240, fps, durationS, keyframeEveryS: 2, bFrames: 0 };
/** A second to be served by the next one, and what a player holds back on a machine that does all of this at once. */
const freezeLimitMs = 2_000;

describe("an edge below an edge", function () {
  this.timeout(120_000);
  let network: TestNetwork;
  let browser: Browser;

  before(async () => {
    const roles: Partial<Record<NodeName, string[]>> = {
      "node-a": ["ingest"],
      "node-b": ["delivery"],
      "node-c": ["delivery"],
    };
    network = await TestNetwork.start({
      adjust: (name, config) => {
        if (name === "balancer") return { ...config, balancer: { edgeFanOut: 1 } };
        return name in roles ? { ...config, node: { ...(config.node as object), roles: roles[name] } } : config;
      },
    });
    browser = await openBrowser();
  });

  after(async () => {
    await browser?.close();
    await network?.stop();
  });

  it("goes on playing when the one above it is killed, and its files lack no picture", async () => {
    const stream = await network.publish({ ladder: [], passthrough: true, inputs: [{ pattern }], at: ["node-a"] });
    const { primary, fallback } = await stream.playback();
    const [first, second] = [primary.hls, fallback!.hls];
    // The origin feeds one, and that one the other, whichever came first.
    const isParent = await waitFor("an edge that feeds the other", 30_000, () => findParent([first, second]));
    const [parent, child] = isParent === first ? [first, second] : [second, first];
    await whenListed(child, 1);
    const page = await open();
    await playWhep(page, new URL("whep", child).href);
    const viewing = stream.view(child);
    await whenPlayed(page, 2);
    await startCountingPictures(page);
    await network.killNode(nodeAt(network, parent));
    await whenPlayed(page, 4);
    const freeze = await longestFreeze(page);
    assert.ok(freeze.ms <= freezeLimitMs && freeze.pictures > fps, JSON.stringify(freeze));
    const picture = await readPicture(page);
    assert.ok(picture.brightest > 180 && picture.darkest < 60, JSON.stringify(picture));
    assert.equal((await stream.publisher.done).videoFrames, durationS * fps);
    await viewing;
    assertWhole(await judgeMaster(child), ["source"], range(0, durationS * fps));
  });

  async function findParent(edges: readonly string[]): Promise<string | undefined> {
    for (const edge of edges) {
      const text = await (await fetch(new URL("/metrics", edge))).text();
      if (/^leat_delivery_edges_fed 1$/m.test(text)) return edge;
    }
    return undefined;
  }

  async function open(): Promise<Page> {
    const page = await browser.newPage();
    await page.goto(`${network.clusterUrl}/healthz`);
    return page;
  }
});
