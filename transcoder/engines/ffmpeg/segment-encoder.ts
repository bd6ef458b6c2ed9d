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
/** What stands before each picture of H.264 and of HEVC: a delimiter, which is asked of the encoder. */
const DELIMITERS = { h264: Buffer.from([0, 0, 0, 1, 9]), hevc: Buffer.from([0, 0, 0, 1, 70]) } as const;

/** One program for one segment of one rung: it begins with a key frame by nature. Coded pictures come out in order. */
export class SegmentEncoder {
  readonly #process: ChildProcess;
  readonly #input: Writable;
  readonly #split: Split;

  constructor(rung: ResolvedRung, preset: VideoPreset, fps: number) {
    const { width, height, codec } = rung;
    const reading = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", `${width}x${height}`, "-framerate", String(fps)];
    const options = codec === "h264" || codec === "hevc" ? delimited(codec, preset) : preset;
    const coding = videoArguments(rung, options, LIVE_GOP, 1);
    const writing = [
      "-fps_mode",
      "passthrough",
      "-flush_packets",
      "1",
      "-f",
      options === preset ? "ivf" : codec,
      "pipe:1",
    ];
    this.#split = codec === "h264" || codec === "hevc" ? splitDelimited(DELIMITERS[codec]) : splitIvf();
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

function delimited(codec: "h264" | "hevc", preset: VideoPreset): VideoPreset {
  const name = codec === "h264" ? "x264-params" : "x265-params";
  // The program alone writes no file's head: HEVC's parameter sets must come with the key frame, as H.264's do.
  const asked = codec === "h264" ? "aud=1" : "aud=1:repeat-headers=1";
  const params = [preset.options[name], asked].filter(Boolean).join(":");
  return { ...preset, options: { ...preset.options, [name]: params } };
}

type Split = (bytes: Buffer, isEnd: boolean) => { frames: Buffer[]; rest: Buffer };

/** A picture is whole when the next delimiter stands behind it. */
function splitDelimited(delimiter: Buffer): Split {
  return (bytes, isEnd) => {
    const frames: Buffer[] = [];
    let from = bytes.indexOf(delimiter);
    while (from >= 0) {
      const next = bytes.indexOf(delimiter, from + delimiter.length);
      if (next < 0) {
        if (!isEnd) return { frames, rest: bytes.subarray(from) };
        frames.push(bytes.subarray(from));
        break;
      }
      frames.push(bytes.subarray(from, next));
      from = next;
    }
    return { frames, rest: from < 0 && !isEnd ? bytes : Buffer.alloc(0) };
  };
}

function splitIvf(): Split {
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
