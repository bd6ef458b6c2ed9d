import type { AudioConfig, Frame, VideoConfig } from "../../sdk/protocol/frame.ts";
import { encodeFragmented } from "./media/ffmpeg.ts";
import { encodeVp8, type Vp8Track } from "./media/ivf.ts";
import { readTrack } from "./media/mp4-reader.ts";

export interface CodedTrack {
  readonly config: VideoConfig;
  readonly frames: readonly Frame[];
}

const encoders = {
  h264: ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency"],
  vp9: ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-auto-alt-ref", "0", "-lag-in-frames", "0"],
  av1: ["-c:v", "libsvtav1", "-preset", "12", "-svtav1-params", "pred-struct=1"],
  hevc: ["-c:v", "libx265", "-preset", "ultrafast", "-tune", "zerolatency", "-x265-params", "log-level=none:keyint=15"],
} as const;
type Coded = keyof typeof encoders;

const picturesOf = (size: string) => ["-f", "lavfi", "-i", `testsrc2=size=${size}:rate=30:duration=2`];

const made = new Map<string, Promise<CodedTrack>>();
const madeVp8 = new Map<string, Promise<Vp8Track>>();

/** Pictures as a real encoder makes them for a call: two seconds, four key frames, none that refers to a later one. */
export function codedTrack(codec: Coded, size = "320x180"): Promise<CodedTrack> {
  const key = `${codec} ${size}`;
  const known = made.get(key) ?? make(codec, size);
  made.set(key, known);
  return known;
}

/** The same in VP8, which no rung has. */
export function codedVp8(size = "320x180"): Promise<Vp8Track> {
  const known = madeVp8.get(size) ?? encodeVp8(picturesOf(size), 30, 15);
  madeVp8.set(size, known);
  return known;
}

/** Two seconds of a tone as AAC. */
export async function codedSound(): Promise<{ readonly config: AudioConfig; readonly frames: readonly Frame[] }> {
  const tone = ["-f", "lavfi", "-i", "sine=frequency=500:sample_rate=48000:duration=2"];
  const { config, frames } = readTrack(await encodeFragmented(tone, ["-c:a", "aac"]));
  return { config: config as AudioConfig, frames };
}

async function make(codec: Coded, size: string): Promise<CodedTrack> {
  const flags = [
    ...encoders[codec],
    "-g",
    "15",
    "-pix_fmt",
    "yuv420p",
    ...(codec === "hevc" ? ["-tag:v", "hvc1"] : []),
  ];
  const { config, frames } = readTrack(await encodeFragmented(picturesOf(size), flags));
  return { config: config as VideoConfig, frames };
}
