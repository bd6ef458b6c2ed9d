import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { waitFor } from "../e2e-stream.ts";
import { playWhep } from "../webrtc-page.ts";
import { addBarcode, openPage, players, root } from "./browser-page.ts";
import { Ear } from "./ear.ts";
import { AUDIO_TICKS_PER_MS, packetEar, readReports, senderMs, VIDEO_TICKS_PER_MS } from "./packet-ear.ts";
import { LOOK, type Player, WHITE_ABOVE } from "./program-players.ts";
import { type Apart, type Sight, Sightings, type Sound } from "./sightings.ts";

/** A beep whose news takes longer is not judged. */
const LATEST_MS = 40;
const LOG_LIMIT_MS = 30_000;
const APART_EVERY_MS = 1_000;

/** Says at what time of the page's sound, in seconds, a beep began. Runs where a page's sound is made. */
const pageEar = `
${Ear}
registerProcessor("ear", class extends AudioWorkletProcessor {
  ear = new Ear(sampleRate / 1_000);
  process([[samples]]) {
    if (samples === undefined) return true;
    for (const atMs of this.ear.hear(samples, currentTime * 1_000)) this.port.postMessage(atMs / 1_000);
    return true;
  }
});`;

/** A player of a library's own, or of the browser's, in a page with one video. */
export interface PageSource {
  readonly name: string;
  /** The library's file, that a page loads as it is. */
  readonly script?: string;
  readonly start: (page: Page) => Promise<void>;
  /** As {@link Player.stepsBack}; none where nothing is said. */
  readonly stepsBack?: number;
  /** Where pictures and beeps are told by the times of their packets: brings the clocks of both to one. */
  readonly settle?: (page: Page, seen: Sightings) => Promise<void>;
}

export function hlsJs(url: string): PageSource {
  return {
    name: "hls.js",
    script: join(root, "node_modules/hls.js/dist/hls.min.js"),
    // It nudges its clock where it stalls.
    stepsBack: 2,
    start: (page) =>
      page.evaluate((address) => {
        type Hls = new () => { loadSource(url: string): void; attachMedia(video: HTMLVideoElement): void };
        const hls = new (window as unknown as { Hls: Hls }).Hls();
        hls.loadSource(address);
        hls.attachMedia(document.querySelector("video")!);
      }, url),
  };
}

export function dashJs(url: string): PageSource {
  return {
    name: "dash.js",
    script: join(players, "dashjs/dist/modern/umd/dash.all.min.js"),
    // It goes twice to where a period begins, once for each coming of a publisher.
    stepsBack: 2,
    start: (page) =>
      page.evaluate((address) => {
        type Player = { initialize(video: HTMLVideoElement, url: string, autoPlay: boolean): void };
        const { dashjs } = window as unknown as { dashjs: { MediaPlayer(): { create(): Player } } };
        dashjs.MediaPlayer().create().initialize(document.querySelector("video")!, address, true);
      }, url),
  };
}

export function shakaPlayer(url: string): PageSource {
  return {
    name: `shaka-player, ${url.endsWith(".mpd") ? "DASH" : "HLS"}`,
    script: join(players, "shaka-player/dist/shaka-player.compiled.js"),
    start: (page) =>
      page.evaluate(async (address) => {
        type Player = EventTarget & {
          attach(video: HTMLVideoElement): Promise<void>;
          load(url: string): Promise<void>;
        };
        const { shaka } = window as unknown as { shaka: { Player: new () => Player } };
        const player = new shaka.Player();
        player.addEventListener("error", (event) => {
          const { code, severity } = (event as CustomEvent<{ code: number; severity: number }>).detail;
          console.error(`shaka: ${code}, severity ${severity}`);
        });
        await player.attach(document.querySelector("video")!);
        await player.load(address);
      }, url),
  };
}

/** @param eventLogs Where the browser writes of its connections. */
export function whep(url: string, eventLogs: string): PageSource {
  return {
    name: "WHEP in Chromium",
    // Where it gets no pictures for long it asks for the newest key frame, and shows what it had anew.
    stepsBack: 2,
    start: (page) => playWhep(page, url, packetEar),
    settle: (page, seen) => settleWhep(page, seen, eventLogs),
  };
}

/**
 * Brings pictures and beeps to the sender's wall clock by the reports that the browser got of it. It writes its log every
 * five seconds, and what is left when a connection is closed is sometimes lost: it has to play until then.
 */
async function settleWhep(page: Page, seen: Sightings, eventLogs: string): Promise<void> {
  const told = await page.evaluate(async () => {
    const { peer } = window as unknown as { peer: RTCPeerConnection };
    const found: { kind: "video" | "audio"; ssrc: number; remoteTimestamp: number }[] = [];
    for (const [, report] of await peer.getStats()) if (report.type === "remote-outbound-rtp") found.push(report);
    return found;
  });
  const [ofPictures, ofSound] = await Promise.all(
    (["video", "audio"] as const).map((kind) => {
      const { ssrc, remoteTimestamp: newestMs } = told.find((one) => one.kind === kind)!;
      return waitFor(`the newest report of ${kind} in the log`, LOG_LIMIT_MS, async () => {
        const reports = await readReports(eventLogs, ssrc);
        return reports.some(({ wallMs }) => wallMs > newestMs - 1) ? reports : undefined;
      });
    }),
  );
  seen.settle(
    (atMs) => senderMs(ofPictures!, atMs, VIDEO_TICKS_PER_MS),
    (atMs) => senderMs(ofSound!, atMs, AUDIO_TICKS_PER_MS),
  );
}

export async function playInPage(
  browser: Browser,
  origin: string,
  { name, script, start, stepsBack = 0, settle: bringTogether }: PageSource,
): Promise<Player> {
  const page = await openPage(browser, origin);
  const seen = new Sightings();
  const words: string[] = [];
  page.on("console", (message) => words.push(message.text()));
  page.on("crash", () => seen.fail(new Error(`the page of ${name} crashed`)));
  await page.exposeFunction("note", (noted: (Sight | Sound | Apart)[]) => {
    for (const one of noted) seen.add(one);
  });
  await addBarcode(page);
  if (script !== undefined) await page.addScriptTag({ path: script });
  await page.evaluate(() => {
    document.body.replaceChildren(Object.assign(document.createElement("video"), { autoplay: true }));
  });
  await start(page);
  const isLive = bringTogether !== undefined;
  const limits = { whiteAbove: WHITE_ABOVE, quietMs: Ear.quietMs, latestMs: LATEST_MS, apartEveryMs: APART_EVERY_MS };
  await page.evaluate(watchVideo, { pageEar, isLive, videoTicksPerMs: VIDEO_TICKS_PER_MS, ...limits, ...LOOK });
  const settle = async () => bringTogether?.(page, seen);
  return { name, seen, isComplete: false, isLive, stepsBack, words, settle, stop: () => page.context().close() };
}

interface Watching {
  readonly pageEar: string;
  readonly isLive: boolean;
  readonly whiteAbove: number;
  readonly quietMs: number;
  readonly latestMs: number;
  readonly apartEveryMs: number;
  readonly videoTicksPerMs: number;
  readonly width: number;
  readonly height: number;
}

/** Runs in the page: notes each picture as it is shown, and each beep. */
async function watchVideo(watching: Watching): Promise<void> {
  const { pageEar, isLive, whiteAbove, quietMs, latestMs, apartEveryMs, videoTicksPerMs, width, height } = watching;
  type Window = {
    note(noted: object[]): void;
    readBarcode(gray: Uint8Array, width: number, height: number): number | undefined;
    peer: RTCPeerConnection;
    tap: Worker;
  };
  const { note, readBarcode, peer, tap } = window as unknown as Window;
  const video = document.querySelector("video")!;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  const gray = new Uint8Array(width * height);
  let pending: object[] = [];
  let isSought = false;
  video.addEventListener("seeking", () => {
    isSought = true;
  });
  const look = (_now: number, { mediaTime, rtpTimestamp }: VideoFrameCallbackMetadata) => {
    video.requestVideoFrameCallback(look);
    context.drawImage(video, 0, 0, width, height);
    const { data } = context.getImageData(0, 0, width, height);
    for (let at = 0; at < gray.length; at += 1) gray[at] = data[4 * at]!;
    const below = gray.subarray(Math.round(gray.length / 3));
    pending.push({
      number: readBarcode(gray, width, height) ?? null,
      atMs: isLive ? rtpTimestamp! / videoTicksPerMs : mediaTime * 1_000,
      isWhite: below.reduce((sum, value) => sum + value, 0) / below.length > whiteAbove,
      isSought,
    });
    isSought = video.seeking;
    if (pending.length < 10) return;
    note(pending);
    pending = [];
  };
  video.requestVideoFrameCallback(look);
  if (isLive) {
    tap.onmessage = ({ data: beepAtMs }: MessageEvent<number>) => pending.push({ beepAtMs });
    setInterval(async () => {
      const playedMs = new Map<string, number>();
      for (const [, report] of await peer.getStats()) {
        const at: number | undefined = report.estimatedPlayoutTimestamp;
        if (report.type === "inbound-rtp" && at !== undefined) playedMs.set(report.kind, at);
      }
      if (playedMs.size === 2) pending.push({ soundLateMs: playedMs.get("video")! - playedMs.get("audio")! });
    }, apartEveryMs);
    return;
  }
  if (video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) {
    await new Promise((resolve) => video.addEventListener("loadeddata", resolve, { once: true }));
  }
  const audio = new AudioContext();
  await audio.audioWorklet.addModule(URL.createObjectURL(new Blob([pageEar], { type: "text/javascript" })));
  const worklet = new AudioWorkletNode(audio, "ear");
  let playsFrom = 0;
  video.addEventListener("playing", () => {
    playsFrom = audio.currentTime;
  });
  worklet.port.onmessage = ({ data: beganAt }: MessageEvent<number>) => {
    // A video that stands is silent: it may have stopped within the beep.
    if ((beganAt - playsFrom) * 1_000 < quietMs) return;
    const agoMs = (audio.currentTime - beganAt) * 1_000;
    // Heard of late, on a busy machine: the video may have stood still since, and nobody can tell when it was.
    if (agoMs <= latestMs) pending.push({ beepAtMs: video.currentTime * 1_000 - agoMs });
  };
  audio.createMediaElementSource(video).connect(worklet).connect(audio.destination);
  await audio.resume();
}
