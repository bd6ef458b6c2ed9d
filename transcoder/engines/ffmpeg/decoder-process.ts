import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import type { Frame, SourceVideoConfig } from "@leat/sdk/protocol/frame.ts";
import { FLV_HEADER, flvVideoFrame, flvVideoHeader } from "../../bitstream/flv.ts";
import { matroskaFrame, matroskaHeader } from "../../bitstream/matroska.ts";
import type { ResolvedRung } from "../../ladder.ts";
import { scaleGraph } from "./arguments.ts";

/** The header's fifth byte says which tracks will come: the program waits for each that it names. */
const VIDEO_ONLY = Buffer.from(FLV_HEADER.with(4, 1));

/** Called for each picture in the order of showing, with its scaled planes for each rung. */
export type OnPicture = (id: number, planes: readonly Buffer[]) => void;

/** How frames reach the program. Both clocks count milliseconds, and carry our ticks as if they were. */
interface Container {
  readonly name: string;
  header(config: SourceVideoConfig): Uint8Array;
  frame(frame: Frame): Uint8Array;
}

const flv: Container = {
  name: "flv",
  header: (config) => Buffer.concat([VIDEO_ONLY, flvVideoHeader(config, 0).toFileBytes()]),
  frame: (frame) => flvVideoFrame(frame, 1).toFileBytes(),
};

/** What FLV does not carry in every version of the program. */
const matroska: Container = {
  name: "matroska",
  header: matroskaHeader,
  frame: (frame) => matroskaFrame(frame, frame.pts),
};

/**
 * One program that decodes and scales for all rungs. Frames go in with our ticks for times, so that the program's own
 * log tells which picture came out; the pictures come through one pipe a rung.
 */
export class DecoderProcess {
  readonly #process: ChildProcess;
  readonly #input: Writable;
  readonly #onPicture: OnPicture;
  readonly #container: Container;
  readonly #ids = new Map<number, number>();
  readonly #times: number[] = [];
  readonly #planes: Buffer[][];
  readonly #closed: Promise<void>;
  #log = "";
  #origin: number | undefined;

  constructor(config: SourceVideoConfig, rungs: readonly ResolvedRung[], onPicture: OnPicture) {
    this.#container = config.codec === "h264" ? flv : matroska;
    this.#onPicture = onPicture;
    this.#planes = rungs.map(() => []);
    const outputs = rungs.flatMap((_, index) => {
      return ["-map", `[v${index}]`, "-fps_mode", "passthrough", "-f", "rawvideo", `pipe:${index + 3}`];
    });
    const whole = rungs.map(({ fps: _, ...rung }) => rung);
    const graph = scaleGraph("[0:v]", whole, "showinfo=checksum=0,");
    // One picture is enough to analyse: its header says all, and its rate, for which dozens would be held back, is not
    // asked for. "nobuffer" would throw away what was analysed.
    const reading = [
      "-analyzeduration",
      "1",
      "-fpsprobesize",
      "0",
      "-copyts",
      "-threads",
      "1",
      "-f",
      this.#container.name,
      "-i",
      "pipe:0",
    ];
    const args = ["-hide_banner", "-nostats", "-loglevel", "info", ...reading, "-filter_complex", graph, ...outputs];
    const pipes = rungs.map(() => "pipe" as const);
    this.#process = spawn("ffmpeg", args, { stdio: ["pipe", "ignore", "pipe", ...pipes] });
    this.#input = this.#process.stdin!;
    this.#input.on("error", () => {});
    this.#input.write(this.#container.header(config));
    (this.#process.stderr as Readable).setEncoding("utf8").on("data", (text: string) => this.#readLog(text));
    for (const [index, rung] of rungs.entries()) {
      const size = (rung.width * rung.height * 3) / 2;
      readBlocks(this.#process.stdio[index + 3] as Readable, size, (block) => {
        this.#planes[index]!.push(block);
        this.#match();
      });
    }
    this.#closed = once(this.#process, "close").then(() => {});
  }

  /** Resolves when the program's input has room. */
  async write(frame: Frame, id: number): Promise<void> {
    this.#origin ??= Math.min(frame.dts, frame.pts);
    const moved = { ...frame, dts: frame.dts - this.#origin, pts: frame.pts - this.#origin };
    this.#ids.set(moved.pts, id);
    const isTaken = this.#input.write(this.#container.frame(moved));
    if (!isTaken) await Promise.race([once(this.#input, "drain"), this.#closed]);
  }

  /** Resolves when every picture came out. */
  async end(): Promise<void> {
    this.#input.end();
    await this.#closed;
  }

  kill(): void {
    this.#process.kill("SIGKILL");
  }

  #readLog(text: string): void {
    const lines = (this.#log + text).split("\n");
    this.#log = lines.pop() ?? "";
    for (const line of lines) {
      const match = /Parsed_showinfo.*\bn:\s*\d+\s+pts:\s*(-?\d+)/.exec(line);
      if (match) this.#times.push(Number(match[1]));
    }
    this.#match();
  }

  #match(): void {
    while (this.#times.length > 0 && this.#planes.every((blocks) => blocks.length > 0)) {
      const id = this.#ids.get(this.#times.shift()!);
      const planes = this.#planes.map((blocks) => blocks.shift()!);
      if (id !== undefined) this.#onPicture(id, planes);
    }
  }
}

function readBlocks(stream: Readable, size: number, onBlock: (block: Buffer) => void): void {
  let block = Buffer.allocUnsafe(size);
  let filled = 0;
  stream.on("data", (chunk: Buffer) => {
    for (let at = 0; at < chunk.length; ) {
      const count = chunk.copy(block, filled, at);
      filled += count;
      at += count;
      if (filled < size) continue;
      onBlock(block);
      block = Buffer.allocUnsafe(size);
      filled = 0;
    }
  });
}
