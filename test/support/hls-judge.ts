import { spawn } from "node:child_process";
import { readBarcode } from "@leat/transcoder/tools/barcode.ts";

/** One rung as a stranger's player sees it: fetched over HTTP, decoded by the ffmpeg program. */
export interface JudgedRung {
  readonly name: string;
  readonly codecs: string;
  readonly width: number;
  readonly height: number;
  /** Barcode numbers by segment number, in presentation order. */
  readonly segments: ReadonlyMap<number, readonly number[]>;
  readonly discontinuities: number;
  readonly gaps: number;
}

interface PlaylistSegment {
  readonly sequence: number;
  readonly uri: string;
  readonly map: string;
  readonly gap: boolean;
}

/** Fetches every rung that a master playlist names and reads the number in each frame. */
export async function judgeMaster(masterUrl: string): Promise<JudgedRung[]> {
  const master = await fetchText(masterUrl);
  const lines = master.split("\n");
  const rungs: JudgedRung[] = [];
  for (const [index, line] of lines.entries()) {
    if (!line.startsWith("#EXT-X-STREAM-INF:")) continue;
    const [width, height] = (/RESOLUTION=(\d+)x(\d+)/.exec(line) ?? []).slice(1).map(Number);
    const url = new URL(lines[index + 1]!, masterUrl).href;
    rungs.push(await judgeRung(url, /CODECS="([^"]*)"/.exec(line)?.[1] ?? "", width ?? 0, height ?? 0));
  }
  return rungs;
}

async function judgeRung(playlistUrl: string, codecs: string, width: number, height: number): Promise<JudgedRung> {
  const playlist = await fetchText(playlistUrl);
  const segments = new Map<number, readonly number[]>();
  let gaps = 0;
  for (const segment of segmentsOf(playlist)) {
    if (segment.gap) {
      gaps += 1;
      continue;
    }
    const init = await fetchBytes(new URL(segment.map, playlistUrl).href);
    const media = await fetchBytes(new URL(segment.uri, playlistUrl).href);
    segments.set(segment.sequence, await readNumbers(Buffer.concat([init, media]), width, height));
  }
  const discontinuities = playlist.split("\n").filter((line) => line === "#EXT-X-DISCONTINUITY").length;
  const name = new URL(playlistUrl).pathname.split("/").at(-2) ?? "";
  return { name, codecs, width, height, segments, discontinuities, gaps };
}

export function segmentsOf(playlist: string): PlaylistSegment[] {
  const segments: PlaylistSegment[] = [];
  let sequence = Number(/#EXT-X-MEDIA-SEQUENCE:(\d+)/.exec(playlist)?.[1] ?? 0);
  let map = "";
  let gap = false;
  for (const line of playlist.split("\n")) {
    if (line.startsWith("#EXT-X-MAP:")) map = /URI="([^"]+)"/.exec(line)?.[1] ?? "";
    else if (line === "#EXT-X-GAP") gap = true;
    else if (line !== "" && !line.startsWith("#")) {
      segments.push({ sequence, uri: line, map, gap });
      sequence += 1;
      gap = false;
    }
  }
  return segments;
}

/** The barcode of every frame that the ffmpeg program decodes from one segment; -1 where none can be read. */
export async function readNumbers(media: Buffer, width: number, height: number): Promise<number[]> {
  const args = ["-hide_banner", "-loglevel", "error", "-i", "pipe:0", "-an", "-fps_mode", "passthrough"];
  const ffmpeg = spawn("ffmpeg", [...args, "-f", "rawvideo", "-pix_fmt", "gray", "pipe:1"]);
  const numbers: number[] = [];
  const frameSize = width * height;
  let pending = Buffer.alloc(0);
  let complaint = "";
  ffmpeg.stderr.on("data", (chunk: Buffer) => {
    complaint += chunk.toString();
  });
  ffmpeg.stdout.on("data", (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= frameSize) {
      numbers.push(readBarcode(pending.subarray(0, frameSize), width, height) ?? -1);
      pending = pending.subarray(frameSize);
    }
  });
  ffmpeg.stdin.on("error", () => undefined);
  ffmpeg.stdin.end(media);
  const code = await new Promise<number | null>((resolve, reject) => {
    ffmpeg.once("error", reject);
    ffmpeg.once("close", resolve);
  });
  if (code !== 0) throw new Error(`ffmpeg ended with ${code}: ${complaint.slice(0, 500)}`);
  return numbers;
}

export async function fetchText(url: string): Promise<string> {
  return (await fetchBytes(url)).toString();
}

export async function fetchBytes(url: string): Promise<Buffer> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return Buffer.from(await response.arrayBuffer());
}

/** What an inspection fetches; undefined for what is not there. */
export async function fetchFile(url: string): Promise<Uint8Array | undefined> {
  const response = await fetch(url);
  const bytes = new Uint8Array(await response.arrayBuffer());
  return response.ok ? bytes : undefined;
}
