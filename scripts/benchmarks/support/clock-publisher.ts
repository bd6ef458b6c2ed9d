import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { clockPicture } from "./picture-clock.ts";

const { width, height, fps } = clockPicture;
const source = join(import.meta.dirname, "clock-source.ts");

/** The ffmpeg program, as live software would: no frame held back, a key frame every two seconds, and a tone. */
const encoding = [
  ...["-v", "error", "-nostdin", "-fflags", "nobuffer"],
  ...["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", `${width}x${height}`, "-r", String(fps), "-i", "pipe:0"],
  // At its own pace (-re) the tone would begin some 300 ms after the pictures, and this program holds them back for it.
  ...["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"],
  ...["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-bf", "0", "-g", String(2 * fps)],
  ...["-b:v", "1500k", "-c:a", "aac", "-b:a", "96k", "-flush_packets", "1", "-f", "flv"],
];

/** Publishes the clock by RTMP until it is stopped. */
export function publishClock(url: string): { stop(): Promise<void> } {
  const clock = spawn(process.execPath, [source], { stdio: ["ignore", "pipe", "inherit"] });
  const encoder = spawn("ffmpeg", [...encoding, url], { stdio: [clock.stdout, "ignore", "inherit"] });
  const gone = Promise.all([once(clock, "exit"), once(encoder, "exit")]);
  return {
    async stop() {
      encoder.kill("SIGTERM");
      clock.kill("SIGTERM");
      await gone;
    },
  };
}
