import { join } from "node:path";
import type { Page } from "playwright-core";
import { waitFor } from "../e2e-stream.ts";
import { publishMedia } from "../webrtc-page.ts";
import { players } from "./browser-page.ts";
import { bundleScript } from "./bundle-script.ts";
import { shape } from "./pattern.ts";
import { type Publishing, type PublishScene, type Way, whip } from "./publishers.ts";

export interface PageScene extends PublishScene {
  /** A page of its own, of another origin than where it publishes. */
  readonly openPage: () => Promise<Page>;
}

export type PageWay = Way<PageScene>;

/** Whoever publishes a page's `media`, and leaves its connection there as `peer`. */
interface Publisher {
  /** What the page needs of it. */
  readonly script?: () => Promise<string>;
  /** Says whether the server took it: whoever was there before holds the stream for three seconds after its last picture. */
  readonly publish: (page: Page, url: string) => Promise<boolean>;
}

const HELD = 409;
/** Chromium reports of its sound after two seconds and a half for the first time. */
const settledS = 3;
const LIMIT_MS = 30_000;
const clientFile = join(players, "@eyevinn/whip-web-client/dist/whip-client.modern.js");

/** What publishes from a page of Chromium. */
export const pageWays: readonly PageWay[] = [
  { name: "Chromium by WHIP", urlOf: whip, start: fromPage({ publish: publishByBrowser }), settledS },
  {
    name: "whip-web-client by WHIP",
    urlOf: whip,
    start: fromPage({ script: () => bundleScript(clientFile, "whipWebClient"), publish: publishByClient }),
    settledS,
  },
];

async function publishByBrowser(page: Page, url: string): Promise<boolean> {
  const answered = await publishMedia(page, url);
  return answered.session !== undefined || isHeld(answered.status, answered.reason);
}

/** The key goes beside the address. The client itself tells refusals to the console alone. */
async function publishByClient(page: Page, url: string): Promise<boolean> {
  const [, endpoint, authkey] = /^(.*)\/([^/]+)$/.exec(url)!;
  const isAnswer = page.waitForResponse((one) => one.url() === endpoint && one.request().method() === "POST");
  const ingest = page.evaluate(
    async ({ endpoint, authkey }) => {
      type Loaded = {
        media: MediaStream;
        peer?: RTCPeerConnection;
        whipWebClient: { WHIPClient: new (how: object) => { ingest(media: MediaStream): Promise<void> } };
      };
      const page = window as unknown as Loaded;
      page.peer?.close();
      const peerConnectionFactory = (configuration: RTCConfiguration) => {
        page.peer = new RTCPeerConnection(configuration);
        return page.peer;
      };
      const client = new page.whipWebClient.WHIPClient({
        endpoint,
        opts: { authkey, iceServers: [] },
        peerConnectionFactory,
      });
      await client.ingest(page.media);
    },
    { endpoint: endpoint!, authkey: authkey! },
  );
  const [answer] = await Promise.all([isAnswer, ingest]);
  return answer.status() === 201 || isHeld(answer.status(), answer.statusText());
}

function isHeld(status: number, reason: string): false {
  if (status === HELD) return false;
  throw new Error(`${status} ${reason}`);
}

function fromPage({ script, publish }: Publisher) {
  return ({ url, coming, files, openPage }: PageScene): Publishing => {
    const opening = openPage();
    const spent = Promise.withResolvers<never>();
    // Nobody may wait for it yet.
    spent.promise.catch(() => undefined);
    const run = async () => {
      const page = await opening;
      if (script !== undefined) await page.addScriptTag({ content: await script() });
      await captureFile(page, files[coming].mp4);
      await waitFor("the stream to be free", LIMIT_MS, async () => (await publish(page, url)) || undefined);
      await playToEnd(page);
      throw new Error("the page has shown all of its file");
    };
    const ended = run().catch(spent.reject);
    return {
      spent: spent.promise,
      leftOut: async () => countLeftOut(await opening),
      async drop() {
        const page = await opening;
        if (!page.isClosed()) await crash(page);
        await ended;
      },
    };
  };
}

/**
 * The page's video plays the file, and each picture of it is painted for the page's `media`. Captured from the video
 * itself, pictures come twice, and sound is 60 to 110 ms early: how long a sound card would hold it, which Chromium
 * tells nobody that it sends to.
 */
async function captureFile(page: Page, file: string): Promise<void> {
  await page.evaluate(() => {
    const input = Object.assign(document.createElement("input"), { type: "file" });
    document.body.replaceChildren(document.createElement("canvas"), document.createElement("video"), input);
  });
  await page.setInputFiles("input", file);
  await page.evaluate(async ({ width, height }) => {
    const video = document.querySelector("video")!;
    const loaded = new Promise((resolve) => video.addEventListener("loadeddata", resolve, { once: true }));
    video.src = URL.createObjectURL(document.querySelector("input")!.files![0]!);
    await loaded;
    const canvas = Object.assign(document.querySelector("canvas")!, { width, height });
    const context = canvas.getContext("2d")!;
    const pictures = canvas.captureStream(0).getVideoTracks() as CanvasCaptureMediaStreamTrack[];
    const paint = () => {
      video.requestVideoFrameCallback(paint);
      context.drawImage(video, 0, 0, width, height);
      for (const track of pictures) track.requestFrame();
    };
    video.requestVideoFrameCallback(paint);
    const audio = new AudioContext();
    const sound = audio.createMediaStreamDestination();
    audio.createMediaElementSource(video).connect(sound);
    Object.assign(window, { media: new MediaStream([...pictures, ...sound.stream.getAudioTracks()]) });
  }, shape);
}

/** From the first picture on, once there is somebody to send it to. */
async function playToEnd(page: Page): Promise<void> {
  await page.evaluate(async () => {
    const { peer } = window as unknown as { peer: RTCPeerConnection };
    const video = document.querySelector("video")!;
    const ended = new Promise((resolve) => video.addEventListener("ended", resolve, { once: true }));
    while (peer.connectionState !== "connected") {
      await new Promise((resolve) => peer.addEventListener("connectionstatechange", resolve, { once: true }));
    }
    await video.play();
    await ended;
  });
}

/** A browser that has no time leaves pictures out before it encodes them. */
function countLeftOut(page: Page): Promise<number> {
  return page.evaluate(async (fps) => {
    const { peer } = window as unknown as { peer: RTCPeerConnection };
    for (const [, report] of await peer.getStats()) {
      if (report.type !== "outbound-rtp" || report.kind !== "video") continue;
      const shown = Math.ceil(document.querySelector("video")!.currentTime * fps);
      return Math.max(0, shown - (report.framesSent as number));
    }
    throw new Error("no pictures were sent");
  }, shape.fps);
}

/** Its process is gone at once: a page that is closed would say goodbye to whom it sends to. */
async function crash(page: Page): Promise<void> {
  const crashed = page.waitForEvent("crash");
  const session = await page.context().newCDPSession(page);
  session.send("Page.crash").catch(() => undefined);
  await crashed;
  await page.context().close();
}
