import { execFile } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const FOLDER = fileURLToPath(new URL("../../../shared/media/", import.meta.url));

/** Real inputs that stand beside the checkout; none where they do not, and then it is said. */
export function listMediaFiles(): string[] {
  if (!existsSync(FOLDER)) {
    process.stderr.write("no ../shared/media beside the checkout: its cases are not registered\n");
    return [];
  }
  return readdirSync(FOLDER)
    .filter((name) => !name.endsWith(".md"))
    .map((name) => join(FOLDER, name));
}

export interface ProbedVideo {
  readonly codec: string;
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  readonly durationS: number;
  readonly hasAudio: boolean;
}

/** What the ffprobe program sees when it decodes the whole file. The duration is from the first picture to the last's end. */
export async function probeVideo(path: string): Promise<ProbedVideo> {
  const { stdout } = await promisify(execFile)(
    "ffprobe",
    ["-v", "quiet", "-show_streams", "-show_frames", "-of", "json", path],
    { maxBuffer: 256 * 1024 * 1024 },
  );
  const report = JSON.parse(stdout) as {
    streams: { index: number; codec_type: string; codec_name: string; width: number; height: number }[];
    frames: { stream_index: number; best_effort_timestamp_time?: string; pkt_duration_time?: string }[];
  };
  const video = report.streams.find((stream) => stream.codec_type === "video")!;
  const shown = report.frames.filter((frame) => frame.stream_index === video.index);
  const begins = shown.map((frame) => Number(frame.best_effort_timestamp_time));
  const ends = shown.map((frame, index) => begins[index]! + Number(frame.pkt_duration_time ?? 0));
  const finite = (values: readonly number[]) => values.filter(Number.isFinite);
  return {
    codec: video.codec_name,
    width: video.width,
    height: video.height,
    frames: shown.length,
    durationS: Math.max(...finite(ends)) - Math.min(...finite(begins)),
    hasAudio: report.streams.some((stream) => stream.codec_type === "audio"),
  };
}
