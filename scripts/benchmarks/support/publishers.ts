import { type ChildProcess, execFile, fork } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";
import type { PublishersArguments } from "./publisher-crowd.ts";

/** Publishers that share no process with what they publish to. */
export class Publishers {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Resolves when all of them publish. */
  static async start(given: PublishersArguments): Promise<Publishers> {
    const child = fork(new URL("./publisher-crowd.ts", import.meta.url), [JSON.stringify(given)]);
    const [first] = await Promise.race([once(child, "message"), once(child, "exit")]);
    if (first !== "ready") throw new Error("the publishers ended before all of them published");
    return new Publishers(child);
  }

  /** @throws where some publisher was turned away since. */
  assertPublishing(): void {
    if (this.#child.exitCode === null && this.#child.signalCode === null) return;
    throw new Error("the publishers ended while they were measured");
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, "exit");
    this.#child.send("stop");
    await gone;
  }
}

/** Pictures of 2.5 Mb/s, noise over a pattern that fills its rate, a key frame every two seconds; and sound where it is wanted. */
export async function writeCameraFile(path: string, { durationS, sound }: { durationS: number; sound: boolean }) {
  const picture = "testsrc2=size=1280x720:rate=30,noise=alls=20:allf=t";
  const rate = sound ? "2500k" : "2640k";
  await promisify(execFile)("ffmpeg", [
    ...["-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", picture],
    ...(sound ? ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"] : []),
    ...["-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-g", "60", "-sc_threshold", "0", "-pix_fmt", "yuv420p"],
    ...["-b:v", rate, "-minrate", rate, "-maxrate", rate, "-bufsize", "1250k"],
    ...(sound ? ["-c:a", "aac", "-ac", "2", "-b:a", "128k"] : []),
    ...["-t", String(durationS), "-flvflags", "no_duration_filesize", "-f", "flv", path],
  ]);
}
