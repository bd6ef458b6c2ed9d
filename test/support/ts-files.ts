import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { DemuxedItem, PublishedCue, PublishedTag } from "@leat/sdk/protocol/published.ts";
import { TsDemuxer, type TsStats } from "@leat/transcoder/mpegts/demuxer.ts";
import { withDirectory } from "./media/ffmpeg.ts";
import { withSplices } from "./splices.ts";

const run = promisify(execFile);

export const PICTURES = ["-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25:duration=2"];
export const SOUND = ["-f", "lavfi", "-i", "sine=frequency=500:sample_rate=48000:duration=2"];
export const H264 = ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "25", "-pix_fmt", "yuv420p"];
export const HEVC = [
  ...["-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p"],
  ...["-x265-params", "log-level=none:keyint=25:min-keyint=25"],
];

/** A file of another format with nothing coded anew, or a transport stream as it is. */
export async function readAsTs(path: string): Promise<Uint8Array> {
  if (path.endsWith(".ts")) return Uint8Array.from(await readFile(path));
  return makeTs("-i", path, "-map", "0:v:0", "-map", "0:a:0?", "-c", "copy");
}

/** A transport stream as the ffmpeg program writes it. */
export async function makeTs(...flags: readonly string[]): Promise<Uint8Array> {
  return withDirectory(async (directory) => {
    const file = join(directory, "made.ts");
    await run("ffmpeg", ["-v", "error", "-nostdin", "-y", ...flags, "-f", "mpegts", file]);
    return Uint8Array.from(await readFile(file));
  });
}

/** Two tracks of sound, of which the second begins later, and one of data. */
export async function makeManyTracks(...pictures: readonly string[]): Promise<Uint8Array> {
  const second = ["-itsoffset", "0.3", "-f", "lavfi", "-i", "sine=frequency=900:sample_rate=44100:duration=1"];
  const maps = ["-map", "0:v", "-map", "1:a", "-map", "2:a", "-c:a", "aac"];
  return withSplices(await makeTs(...pictures, ...SOUND, ...second, ...maps, ...H264), []);
}

export interface Demuxed {
  readonly items: readonly DemuxedItem[];
  readonly videos: readonly Extract<DemuxedItem, { type: "video" }>["sample"][];
  readonly audios: readonly Extract<DemuxedItem, { type: "audio" }>["sample"][];
  readonly configs: readonly Extract<DemuxedItem, { type: "config" }>["config"][];
  readonly cues: readonly PublishedCue[];
  readonly tags: readonly PublishedTag[];
  readonly ignored: readonly string[];
  readonly stats: TsStats;
}

/** All of a stream, given in pieces of this size. */
export function demux(bytes: Uint8Array, pieceBytes = bytes.length): Demuxed {
  const ignored: string[] = [];
  const demuxer = new TsDemuxer(({ pid, kind }) => ignored.push(`${kind} ${pid}`));
  const items: DemuxedItem[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) items.push(...demuxer.push(bytes.slice(at, at + pieceBytes)));
  items.push(...demuxer.end());
  return {
    items,
    videos: items.flatMap((item) => (item.type === "video" ? [item.sample] : [])),
    audios: items.flatMap((item) => (item.type === "audio" ? [item.sample] : [])),
    configs: items.flatMap((item) => (item.type === "config" ? [item.config] : [])),
    cues: items.flatMap((item) => (item.type === "cue" ? [item.cue] : [])),
    tags: items.flatMap((item) => (item.type === "tag" ? [item.tag] : [])),
    ignored,
    stats: demuxer.stats,
  };
}

/** Packets of a PID, by their places in the file. */
export function packetsOf(bytes: Uint8Array, pid: number): number[] {
  const places: number[] = [];
  for (let at = 0; at < bytes.length; at += 188) {
    if ((((bytes[at + 1]! & 0x1f) << 8) | bytes[at + 2]!) === pid) places.push(at);
  }
  return places;
}

export interface ProbedTs {
  readonly video?: { codec: string; width: number; height: number; frames: number };
  readonly audio?: { codec: string; frames: number };
}

/** What the ffprobe program decodes of a transport stream; throws where it complains. */
export async function probeTs(bytes: Uint8Array): Promise<ProbedTs> {
  return withDirectory(async (directory) => {
    const file = join(directory, "probed.ts");
    await writeFile(file, bytes);
    const entries = ["-show_entries", "stream=codec_type,codec_name,width,height,nb_read_frames"];
    const { stdout, stderr } = await run("ffprobe", [
      "-v",
      "warning",
      "-count_frames",
      ...entries,
      "-of",
      "json",
      file,
    ]);
    if (stderr !== "") throw new Error(stderr);
    const { streams } = JSON.parse(stdout) as { streams: Record<string, string>[] };
    const found = streams.map((stream): [string, object] => {
      const { codec_type: kind = "", codec_name: codec, nb_read_frames: frames, width, height } = stream;
      return [kind, { codec, ...(kind === "video" ? { width, height } : {}), frames: Number(frames) }];
    });
    return Object.fromEntries(found);
  });
}
