import { spawn } from "node:child_process";
import { inspectMaster } from "@leat/node/media/inspect/check-master.ts";
import { readLines } from "@leat/node/media/inspect/lines.ts";
import { type ListedSegment, readMedia } from "@leat/node/media/inspect/media-playlist.ts";
import { Findings } from "@leat/node/media/inspect/rules.ts";
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

/** Fetches every rung that a master playlist names and reads the number in each frame. */
export async function judgeMaster(masterUrl: string): Promise<JudgedRung[]> {
  const master = await fetchText(masterUrl);
  const { variants } = inspectMaster(readLines(master, new Findings()), new Findings());
  const shown = variants.filter(({ isIframes }) => !isIframes);
  return Promise.all(
    shown.map(({ uri, attributes }) => {
      const [width = 0, height = 0] = (attributes.get("RESOLUTION") ?? "").split("x").map(Number);
      return judgeRung(new URL(uri, masterUrl).href, attributes.get("CODECS") ?? "", width, height);
    }),
  );
}

async function judgeRung(playlistUrl: string, codecs: string, width: number, height: number): Promise<JudgedRung> {
  const listed = segmentsOf(await fetchText(playlistUrl));
  const segments = new Map<number, readonly number[]>();
  let gaps = 0;
  for (const segment of listed) {
    if (segment.gap) {
      gaps += 1;
      continue;
    }
    const init = await fetchBytes(new URL(segment.map!.uri, playlistUrl).href);
    const media = await fetchBytes(new URL(segment.uri, playlistUrl).href);
    segments.set(segment.sequence, await readNumbers(Buffer.concat([init, media]), width, height));
  }
  const discontinuities = listed.at(-1)?.discontinuities ?? 0;
  const name = new URL(playlistUrl).pathname.split("/").at(-2) ?? "";
  return { name, codecs, width, height, segments, discontinuities, gaps };
}

export function segmentsOf(playlist: string): readonly ListedSegment[] {
  const findings = new Findings();
  return readMedia(readLines(playlist, findings), findings).segments;
}

/** The barcode of every frame that the ffmpeg program decodes from one segment; -1 where none can be read. */
export async function readNumbers(media: Buffer, width: number, height: number): Promise<number[]> {
  const args = ["-v", "error", "-threads", "1", "-i", "pipe:0", "-an", "-fps_mode", "passthrough"];
  const ffmpeg = spawn("ffmpeg", [...args, "-f", "rawvideo", "-pix_fmt", "gray", "pipe:1"]);
  const numbers: number[] = [];
  const frame = Buffer.alloc(width * height);
  let filled = 0;
  let complaint = "";
  ffmpeg.stderr.on("data", (chunk: Buffer) => {
    complaint += chunk.toString();
  });
  ffmpeg.stdout.on("data", (chunk: Buffer) => {
    for (let at = 0; at < chunk.length; ) {
      const taken = chunk.copy(frame, filled, at);
      at += taken;
      filled += taken;
      if (filled < frame.length) return;
      numbers.push(readBarcode(frame, width, height) ?? -1);
      filled = 0;
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
