import assert from "node:assert/strict";
import type { AddressInfo } from "node:net";
import { addLive } from "@leat/node/media-io/hls/routes.ts";
import { addPages } from "@leat/node/web/routes.ts";
import { type FastifyInstance, fastify } from "fastify";
import type { Browser, Page } from "playwright-core";
import { openBrowser, whenState } from "../../support/browser.ts";
import { TestStream } from "../../support/hls-stream.ts";
import { encodeFragmented } from "../../support/media/ffmpeg.ts";
import { readTrack } from "../../support/media/mp4-reader.ts";

const PICTURES_S = 6;
const tone = (durationS: number) => ["-f", "lavfi", "-i", `sine=frequency=440:sample_rate=48000:duration=${durationS}`];
const pictures = ["-f", "lavfi", "-i", `testsrc2=size=320x240:rate=30:duration=${PICTURES_S}`];
const h264 = ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-g", "60", "-pix_fmt", "yuv420p"];

describe("the watch page of a stream that is over", function () {
  this.timeout(60_000);
  let browser: Browser;
  let page: Page;
  let app: FastifyInstance;
  let streams: Map<string, TestStream>;
  let url: string;

  before(async () => {
    browser = await openBrowser();
    streams = new Map();
    app = fastify();
    await addLive(app, { findStream: (slug) => streams.get(slug) });
    await addPages(app);
    app.get<{ Params: { slug: string } }>("/v1/play/:slug", async ({ params: { slug } }) => {
      const primary = streams.has(slug) ? { hls: `${url}/live/${slug}/master.m3u8` } : null;
      return { stream: "0x", slug, state: "ended", primary, fallback: null };
    });
    await app.listen({ host: "127.0.0.1", port: 0 });
    url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
  });

  after(async () => {
    await browser?.close();
    await app?.close();
  });

  afterEach(() => page?.close());

  for (const [what, soundS] of [
    ["sound and picture end together", PICTURES_S],
    ["its sound ends long before its picture", PICTURES_S - 2],
    ["its sound goes on behind its picture", PICTURES_S + 2],
  ] as const) {
    it(`says so where ${what}`, async () => {
      streams.set("over", await makeStream(soundS));
      page = await browser.newPage();
      await page.goto(`${url}/watch/over`);
      await whenState(page, "playing");
      await whenState(page, "ended");
      const shownS = await page.evaluate(() => document.querySelector("video")!.currentTime);
      assert.ok(shownS > Math.max(soundS, PICTURES_S) - 0.2, `${shownS} s were shown`);
    });
  }

  it("says so where nobody serves it any more", async () => {
    page = await browser.newPage();
    await page.goto(`${url}/watch/gone`);
    await whenState(page, "ended");
  });
});

/** A stream that ended, of two seconds a segment. */
async function makeStream(soundS: number): Promise<TestStream> {
  const [video, audio] = await Promise.all([
    encodeFragmented(pictures, h264),
    encodeFragmented(tone(soundS), ["-c:a", "aac"]),
  ]);
  const stream = new TestStream();
  stream.window.describe([
    { rung: 1, name: "240p", kind: "video", codec: "h264", family: "h264", width: 320, height: 240, bitrate: 300_000 },
    { rung: 100, name: "audio-aac", kind: "audio", codec: "aac", bitrate: 96_000 },
  ]);
  const cuts = (durationS: number) => Array.from({ length: Math.ceil(durationS / 2) }, (_, at) => at * 2);
  stream.addTrack(1, readTrack(video), cuts(PICTURES_S));
  stream.addTrack(100, readTrack(audio), cuts(soundS));
  stream.window.end();
  return stream;
}
