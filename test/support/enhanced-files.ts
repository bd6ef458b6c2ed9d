import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { VideoCodec } from "@leat/sdk/protocol/frame.ts";

const run = promisify(execFile);
const PUBLISHER = fileURLToPath(new URL("./enhanced-publisher.ts", import.meta.url));

export const FRAME_RATE = 25;
/** Three seconds, a key frame in each. */
export const FRAMES = 75;

export interface EnhancedCase {
  readonly codec: VideoCodec;
  readonly codecString: RegExp;
  readonly video: readonly string[];
  readonly audio: "opus" | "aac";
}

/** What a publisher of each codec sends that FLV did not know. */
export const enhancedCases: readonly EnhancedCase[] = [
  {
    // Pictures that refer to later ones, and groups that are open: what x265 makes when nobody says otherwise.
    codec: "hevc",
    codecString: /^hvc1\.1\.6\.L\d+\.90$/,
    video: ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=25:min-keyint=25"],
    audio: "opus",
  },
  {
    codec: "vp9",
    codecString: /^vp09\.00\.11\.08$/,
    video: ["-c:v", "libvpx-vp9", "-deadline", "good", "-cpu-used", "5", "-auto-alt-ref", "1", "-lag-in-frames", "16"],
    audio: "opus",
  },
  { codec: "av1", codecString: /^av01\.0\.00M\.08$/, video: ["-c:v", "libsvtav1", "-preset", "12"], audio: "aac" },
];

/** A file that the ffmpeg program made. */
export async function encodeCase({ codec, video, audio }: EnhancedCase, directory: string): Promise<string> {
  const path = join(directory, `${codec}.mkv`);
  const seconds = FRAMES / FRAME_RATE;
  const pictures = ["-f", "lavfi", "-i", `testsrc2=size=320x180:rate=${FRAME_RATE}:duration=${seconds}`];
  const tone = ["-f", "lavfi", "-i", `sine=frequency=440:sample_rate=48000:duration=${seconds}`];
  const sound = ["-c:a", audio === "opus" ? "libopus" : "aac", "-ac", "2"];
  const flags = [...video, "-g", `${FRAME_RATE}`, "-pix_fmt", "yuv420p", ...sound, path];
  const env = { ...process.env, SVT_LOG: "0" };
  await run("ffmpeg", ["-v", "error", "-nostdin", "-y", ...pictures, ...tone, ...flags], { env });
  return path;
}

/** Publishes a file as it is, by muxers that are not ours. Resolves when all of it was sent. */
export async function publishEnhanced(path: string, url: string): Promise<void> {
  await run(process.execPath, [PUBLISHER, path, url]);
}
