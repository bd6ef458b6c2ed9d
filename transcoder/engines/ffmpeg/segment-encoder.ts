import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import type { ResolvedRung } from "../../ladder.ts";
import type { VideoPreset } from "../../presets.ts";
import { LIVE_GOP } from "../../presets.ts";
import { videoArguments } from "./arguments.ts";

const IVF_HEADER_BYTES = 32;
const IVF_FRAME_HEADER_BYTES = 12;
/** What stands before each H.264 picture: a delimiter, which is asked of the encoder. */
const DELIMITER = Buffer.from([0, 0, 0, 1, 9]);

/** One program for one segment of one rung: it begins with a key frame by nature. Coded pictures come out in order. */
export class SegmentEncoder {
  readonly #process: ChildProcess;
  readonly #input: Writable;
  readonly #split: (bytes: Buffer, isEnd: boolean) => { frames: Buffer[]; rest: Buffer };

  constructor(rung: ResolvedRung, preset: VideoPreset, fps: number) {
    const { width, height, codec } = rung;
    const reading = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", `${width}x${height}`, "-framerate", String(fps)];
    const options = codec === "h264" ? delimited(preset) : preset;
    const coding = videoArguments(rung, options, LIVE_GOP, 1);
    const writing = [
      "-fps_mode",
      "passthrough",
      "-flush_packets",
      "1",
      "-f",
      codec === "h264" ? "h264" : "ivf",
      "pipe:1",
    ];
    this.#split = codec === "h264" ? splitDelimited : splitIvf();
    const args = ["-v", "error", ...reading, "-i", "pipe:0", ...coding, ...writing];
    this.#process = spawn("ffmpeg", args, { stdio: ["pipe", "pipe", "ignore"] });
    this.#input = this.#process.stdin!;
    this.#input.on("error", () => {});
  }

  /** Resolves when the program has room for another picture. */
  async write(planes: Buffer): Promise<void> {
    if (this.#input.write(planes)) return;
    await Promise.race([once(this.#input, "drain"), once(this.#process, "close")]);
  }

  end(): void {
    this.#input.end();
  }

  kill(): void {
    this.#process.kill("SIGKILL");
  }

  async *frames(): AsyncGenerator<Buffer> {
    let held: Buffer = Buffer.alloc(0);
    for await (const chunk of this.#process.stdout as Readable as AsyncIterable<Buffer>) {
      const { frames, rest } = this.#split(held.length > 0 ? Buffer.concat([held, chunk]) : chunk, false);
      held = rest;
      yield* frames;
    }
    yield* this.#split(held, true).frames;
  }
}

function delimited(preset: VideoPreset): VideoPreset {
  const params = [preset.options["x264-params"], "aud=1"].filter(Boolean).join(":");
  return { ...preset, options: { ...preset.options, "x264-params": params } };
}

/** A picture is whole when the next delimiter stands behind it. */
function splitDelimited(bytes: Buffer, isEnd: boolean): { frames: Buffer[]; rest: Buffer } {
  const frames: Buffer[] = [];
  let from = bytes.indexOf(DELIMITER);
  while (from >= 0) {
    const next = bytes.indexOf(DELIMITER, from + DELIMITER.length);
    if (next < 0) {
      if (!isEnd) return { frames, rest: bytes.subarray(from) };
      frames.push(bytes.subarray(from));
      break;
    }
    frames.push(bytes.subarray(from, next));
    from = next;
  }
  return { frames, rest: from < 0 && !isEnd ? bytes : Buffer.alloc(0) };
}

function splitIvf(): (bytes: Buffer) => { frames: Buffer[]; rest: Buffer } {
  let isHeaderRead = false;
  return (bytes) => {
    const frames: Buffer[] = [];
    let at = 0;
    if (!isHeaderRead) {
      if (bytes.length < IVF_HEADER_BYTES) return { frames, rest: bytes };
      isHeaderRead = true;
      at = IVF_HEADER_BYTES;
    }
    while (at + IVF_FRAME_HEADER_BYTES <= bytes.length) {
      const end = at + IVF_FRAME_HEADER_BYTES + bytes.readUInt32LE(at);
      if (end > bytes.length) break;
      frames.push(bytes.subarray(at + IVF_FRAME_HEADER_BYTES, end));
      at = end;
    }
    return { frames, rest: bytes.subarray(at) };
  };
}
