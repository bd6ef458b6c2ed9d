import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Frame, SourceVideoConfig } from "../../../sdk/protocol/frame.ts";
import { runFfmpeg, withDirectory } from "./ffmpeg.ts";

export interface Vp8Track {
  readonly config: SourceVideoConfig;
  readonly frames: readonly Frame[];
}

const FILE_HEAD = 32;
const FRAME_HEAD = 12;
const TICKS = 90_000;

/** Pictures of VP8 as an encoder makes them for a call, of whatever the program can read. */
export async function encodeVp8(input: readonly string[], fps: number, keyEvery: number): Promise<Vp8Track> {
  const flags = ["-deadline", "realtime", "-cpu-used", "8", "-auto-alt-ref", "0", "-lag-in-frames", "0"];
  const codec = ["-an", "-c:v", "libvpx", ...flags, "-b:v", "600k", "-g", `${keyEvery}`, "-pix_fmt", "yuv420p"];
  return withDirectory(async (directory) => {
    const path = join(directory, "made.ivf");
    await runFfmpeg([...input, ...codec, "-f", "ivf", path]);
    return readIvf(await readFile(path), TICKS / fps);
  });
}

function readIvf(file: Buffer, duration: number): Vp8Track {
  const [width, height] = [file.readUInt16LE(12), file.readUInt16LE(14)];
  const frames: Frame[] = [];
  for (let at = FILE_HEAD; at < file.length; ) {
    const from = at + FRAME_HEAD;
    const size = file.readUInt32LE(at);
    const data = Uint8Array.from(file.subarray(from, from + size));
    const pts = frames.length * duration;
    const key = (data[0]! & 1) === 0;
    frames.push({ kind: "video", epoch: 0, dts: pts, pts, duration, key, configVersion: 0, arrivalMs: 0, data });
    at = from + size;
  }
  const shape = { kind: "video", timescale: TICKS, width, height } as const;
  return { config: { ...shape, codec: "vp8", description: new Uint8Array(0), codecString: "vp8" }, frames };
}
