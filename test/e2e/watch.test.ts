import assert from "node:assert/strict";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { longestStallMs, openBrowser, readPicture, startSampling, whenPlayed, whenState } from "../support/browser.ts";
import { TestNetwork, testLadder } from "../support/e2e-network.ts";
import { nodeAt, type TestStream, whenListed } from "../support/e2e-stream.ts";

const looped = {
  inputs: [{ pattern: { width: 640, height: 360, fps: 30, durationS: 10 } }],
  publish: { loop: true },
} as const;
/** A rung of each family: a browser that shows them shares the two cores with all that makes them. */
const ladder = testLadder.filter(({ name }) => name === "360p" || name === "240p-vp9");
const stallLimitMs = 3_000;

describe("the watch page in a browser", function () {
  this.timeout(120_000);
  let network: TestNetwork;
  let browser: Browser;
  let stream: TestStream;
  let page: Page;

  before(async () => {
    // The primary edge does nothing else, so that killing it is the loss of an edge and of nothing more: it is drawn
    // for its capacity and chosen for its price.
    network = await TestNetwork.start({
      adjust: (name, config) => {
        const node = { ...(config.node as object) };
        const jobs = { capacity: { deliveryBytesPerSecond: 8_000_000 } };
        if (name === "node-a") return { ...config, node: { ...node, roles: ["ingest"] } };
        if (name === "node-b") return { ...config, node: { ...node, roles: ["delivery"] }, sales: cheap(config.sales) };
        if (name === "node-c") return { ...config, node: { ...node, roles: ["transcode", "delivery"] }, jobs };
        return config;
      },
    });
    browser = await openBrowser();
    stream = await network.publish({ ladder, at: ["node-a"], ...looped });
    await stream.playback();
  });

  after(async () => {
    await browser?.close();
    await network?.stop();
  });

  afterEach(() => page?.close());

  for (const [width, height] of [
    [1280, 800],
    [390, 800],
  ] as const) {
    it(`plays H.264 and then VP9 at a width of ${width}`, async () => {
      page = await open(stream.created.slug, width, height);
      await whenState(page, "playing");
      await whenPlayed(page, 2);
      assert.equal(await page.evaluate(() => document.body.dataset.family), "h264");
      assertSeen(await readPicture(page));
      if (process.env.SCREENSHOT !== undefined && width === 1280) await takePicture(page);
      await page.getByRole("button", { name: "VP9" }).click();
      await page.waitForFunction(() => document.body.dataset.family === "vp9");
      await whenPlayed(page, 2);
      const picture = await readPicture(page);
      assertSeen(picture);
      assert.equal(picture.height, 240, `${picture.width}x${picture.height} is the VP9 rung`);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
    });
  }

  it("says that a stream is not on air", async () => {
    page = await open("A".repeat(22), 1280, 800);
    await whenState(page, "waiting");
    assert.match((await page.getByRole("status").textContent()) ?? "", /Not on air/);
  });

  it("moves to the other edge when its own is killed, and stalls for at most three seconds", async () => {
    const { primary, fallback } = await stream.playback();
    assert.deepEqual([nodeAt(network, primary.hls), nodeAt(network, fallback!.hls)], ["node-b", "node-c"]);
    await whenListed(fallback!.hls, 4);
    page = await open(stream.created.slug, 1280, 800);
    await whenState(page, "playing");
    await whenPlayed(page, 3);
    await startSampling(page);
    await network.killNode("node-b");
    await page.waitForFunction(() => document.querySelector("#edge")?.textContent === "fallback", undefined, {
      timeout: 30_000,
    });
    await whenPlayed(page, 6);
    assertSeen(await readPicture(page));
    const stallMs = await longestStallMs(page);
    assert.ok(stallMs <= stallLimitMs, `${stallMs} ms`);
  });

  it("says that the stream has ended when it has been shown to its end", async () => {
    page = await open(stream.created.slug, 1280, 800);
    await whenState(page, "playing");
    await stream.publisher.stop();
    await whenState(page, "ended");
    assert.match((await page.getByRole("status").textContent()) ?? "", /ended/);
  });

  async function open(slug: string, width: number, height: number): Promise<Page> {
    const opened = await browser.newPage({ viewport: { width, height } });
    await opened.goto(`${network.clusterUrl}/play/${slug}`);
    return opened;
  }
});

function assertSeen(picture: Awaited<ReturnType<typeof readPicture>>): void {
  assert.ok(picture.brightest > 180 && picture.darkest < 60, JSON.stringify(picture));
}

function cheap(sales: unknown): object {
  const { prices, ...rest } = sales as { prices: object[] };
  return { ...rest, prices: prices.map((list) => ({ ...list, deliveredByte: "0.000000000002" })) };
}

async function takePicture(page: Page): Promise<void> {
  // Small enough to be kept with the pages that show it.
  await page.setViewportSize({ width: 900, height: 640 });
  await page.screenshot({ path: join(import.meta.dirname, "../../docs/images/watch.png") });
}
