import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";

const flags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
  "--autoplay-policy=no-user-gesture-required",
];

/**
 * The system's own Chromium, without a window.
 * @param eventLogs A folder where it writes what comes and goes by WebRTC, a file for each connection.
 */
export function openBrowser(eventLogs?: string): Promise<Browser> {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const executablePath = folders.map((folder) => join(folder, "chromium")).find(existsSync);
  if (executablePath === undefined) throw new Error("no chromium is installed: apt-get install chromium");
  const args = eventLogs === undefined ? flags : [...flags, `--webrtc-event-logging=${eventLogs}`];
  return chromium.launch({ executablePath, args, headless: true });
}

/** Resolves when the page's player has reached this state, as the page itself says. */
export async function whenState(page: Page, state: string, limitMs = 30_000): Promise<void> {
  await page.waitForFunction((wanted) => document.body.dataset.state === wanted, state, { timeout: limitMs });
}

/** Resolves when so many more seconds of the video have been shown. */
export async function whenPlayed(page: Page, seconds: number, limitMs = 30_000): Promise<void> {
  await page.evaluate(
    async ([wanted, limit]) => {
      const video = document.querySelector("video")!;
      let [played, last] = [0, video.currentTime];
      const startedAt = performance.now();
      while (played < wanted) {
        if (performance.now() - startedAt > limit) throw new Error(`played ${played} s of ${wanted}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
        const step = video.currentTime - last;
        // A seek, or another edge's timeline, is not playing.
        if (step > 0 && step < 1) played += step;
        last = video.currentTime;
      }
    },
    [seconds, limitMs] as const,
  );
}

/** The picture that the video shows now: its size, and the spread of its brightness, 0 to 255. */
export function readPicture(
  page: Page,
): Promise<{ width: number; height: number; darkest: number; brightest: number }> {
  return page.evaluate(() => {
    const video = document.querySelector("video")!;
    const canvas = document.createElement("canvas");
    canvas.width = 160;
    canvas.height = 90;
    const context = canvas.getContext("2d")!;
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    let [darkest, brightest] = [255, 0];
    for (let at = 0; at < data.length; at += 4) {
      const bright = Math.round(0.299 * data[at]! + 0.587 * data[at + 1]! + 0.114 * data[at + 2]!);
      darkest = Math.min(darkest, bright);
      brightest = Math.max(brightest, bright);
    }
    return { width: video.videoWidth, height: video.videoHeight, darkest, brightest };
  });
}

/** Notes in the page, every 50 ms, how far the video has come. */
export async function startSampling(page: Page): Promise<void> {
  await page.evaluate(() => {
    const video = document.querySelector("video")!;
    const samples: [wallMs: number, mediaS: number][] = [];
    setInterval(() => samples.push([performance.now(), video.currentTime]), 50);
    Object.assign(window, { samples });
  });
}

/** The longest wall time, milliseconds, in which the video did not go on, since sampling began. */
export async function longestStallMs(page: Page): Promise<number> {
  const samples = await page.evaluate(() => (window as unknown as { samples: [number, number][] }).samples);
  let longest = 0;
  let [movedAt, last] = samples[0] ?? [0, 0];
  for (const [wallMs, mediaS] of samples) {
    const step = mediaS - last;
    // A new timeline begins elsewhere: going there is not yet playing.
    if (step > 0 && step < 1) movedAt = wallMs;
    longest = Math.max(longest, wallMs - movedAt);
    last = mediaS;
  }
  return longest;
}

/** Notes in the page when each picture is shown: the clock of a video that is live goes on without pictures. */
export async function startCountingPictures(page: Page): Promise<void> {
  await page.evaluate(() => {
    const video = document.querySelector("video")!;
    const shown: number[] = [performance.now()];
    const note = () => {
      shown.push(performance.now());
      video.requestVideoFrameCallback(note);
    };
    video.requestVideoFrameCallback(note);
    Object.assign(window, { shown });
  });
}

/** The longest wall time, milliseconds, in which no picture was shown, since counting began; and how many were. */
export async function longestFreeze(page: Page): Promise<{ readonly ms: number; readonly pictures: number }> {
  const shown = await page.evaluate(() => [...(window as unknown as { shown: number[] }).shown, performance.now()]);
  const gaps = shown.slice(1).map((at, index) => at - shown[index]!);
  return { ms: Math.max(...gaps), pictures: shown.length - 2 };
}

/** A player's clock may stand between two samples though its pictures go on. */
const STALL_MS = 150;

/** How long the video did not go on altogether, milliseconds of wall time, since sampling began. */
export async function stalledMs(page: Page): Promise<number> {
  const samples = await page.evaluate(() => (window as unknown as { samples: [number, number][] }).samples);
  let stalled = 0;
  let [movedAt, last] = samples[0] ?? [0, 0];
  for (const [wallMs, mediaS] of samples) {
    if (mediaS === last) continue;
    if (wallMs - movedAt >= STALL_MS) stalled += wallMs - movedAt;
    [movedAt, last] = [wallMs, mediaS];
  }
  return stalled;
}
