import assert from "node:assert/strict";
import type { Browser } from "playwright-core";
import { openBrowser, readPicture, whenPlayed } from "../support/browser.ts";
import { codedTrack } from "../support/coded-track.ts";
import { playWhep } from "../support/webrtc-page.ts";
import { WhepServer } from "../support/whep-server.ts";
import { RelayedStream } from "../support/whep-stream.ts";

const FRAME_MS = 1_000 / 30;
const GROUP_TICKS = 180_000;

describe("AV1 by WHEP in a browser", function () {
  this.timeout(60_000);
  let browser: Browser;
  let server: WhepServer;
  let source: NodeJS.Timeout;

  before(async () => {
    browser = await openBrowser();
  });
  after(async () => {
    clearInterval(source);
    await browser?.close();
    await server?.stop();
  });

  it("is decoded and shown, where the stream has nothing else", async () => {
    const track = await codedTrack("av1", "640x360");
    const stream = new RelayedStream();
    stream.add(1, "360p-av1", track);
    server = await WhepServer.start(stream);
    let sent = 0;
    source = setInterval(() => {
      const round = Math.floor(sent / track.frames.length);
      stream.pass(1, round, [track.frames[sent % track.frames.length]!], round * GROUP_TICKS);
      sent += 1;
    }, FRAME_MS);
    const page = await browser.newPage();
    await page.goto(`${server.url}/nothing`);
    await playWhep(page, `${server.url}/live/slug/whep`);
    await whenPlayed(page, 1);
    const { width, height, darkest, brightest } = await readPicture(page);
    assert.deepEqual([width, height], [640, 360]);
    assert.ok(darkest < 60 && brightest > 180, `${darkest} to ${brightest}`);
  });
});
