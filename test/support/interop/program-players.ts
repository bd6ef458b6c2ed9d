import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { readBarcode } from "@leat/transcoder/tools/barcode.ts";
import { Ear } from "./ear.ts";
import { Sightings } from "./sightings.ts";

export interface Player {
  readonly name: string;
  readonly seen: Sightings;
  /** It shows every picture that it got, however long that takes. */
  readonly isComplete: boolean;
  /** It shows pictures as they come, and what is lost is asked for anew. */
  readonly isLive: boolean;
  /** How often at most it may show a picture after a later one, all comings together. */
  readonly stepsBack: number;
  /** What it said of itself, last words last. */
  readonly words: readonly string[];
  /** Brings what it showed and let hear to one clock, where that is not so from the beginning. */
  settle(): Promise<void>;
  stop(): Promise<void>;
}

/** Pictures as they are judged: small, and grey. */
export const LOOK = { width: 160, height: 90 } as const;
export const WHITE_ABOVE = 200;
const SAMPLE_RATE = 48_000;

/** The ffmpeg program plays an address, and tells what it decodes. */
export function playByFfmpeg(name: string, url: string): Player {
  return decode(name, ["-i", url], undefined);
}

/** GStreamer's own player takes a playlist apart and decodes it; the ffmpeg program says what came out. */
export function playByGstreamer(name: string, url: string): Player {
  const { width, height } = LOOK;
  const picture = `video/x-raw,format=GRAY8,width=${width},height=${height},pixel-aspect-ratio=1/1`;
  const sound = `audio/x-raw,format=S16LE,rate=${SAMPLE_RATE},channels=1`;
  const patient = ["queue", "max-size-time=0", "max-size-buffers=0", "max-size-bytes=0"];
  // What is played as fast as it comes is always short of what shall lie in store: the launcher would pause it for ever,
  // and goes on where something else is live.
  const neverPaused = ["audiotestsrc", "is-live=true", "wave=silence", "!", "fakesink"];
  const gstreamer = spawn(
    "gst-launch-1.0",
    [
      ...["-q", "uridecodebin3", `uri=${url}`, "name=from"],
      ...["from.", "!", ...patient, "!", "videoconvert", "!", "videoscale", "!", picture, "!", ...patient, "!", "to."],
      ...["from.", "!", ...patient, "!", "audioconvert", "!", "audioresample", "!", sound, "!", ...patient, "!", "to."],
      ...["matroskamux", "name=to", "streamable=true", "!", "fdsink", "fd=1"],
      ...neverPaused,
    ],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  return decode(name, ["-f", "matroska", "-i", "pipe:0"], gstreamer);
}

function decode(name: string, input: readonly string[], before: ChildProcess | undefined): Player {
  const { width, height } = LOOK;
  const ffmpeg = spawn(
    "ffmpeg",
    [
      ...["-hide_banner", "-nostats", "-loglevel", "info", ...input],
      ...["-map", "0:v:0", "-vf", `scale=${width}:${height},format=gray,showinfo=checksum=0`],
      ...["-fps_mode", "passthrough", "-f", "rawvideo", "pipe:1"],
      ...["-map", "0:a:0", "-af", `aresample=${SAMPLE_RATE},aformat=s16:channel_layouts=mono,ashowinfo`],
      ...["-f", "s16le", "pipe:3"],
    ],
    { stdio: [before?.stdout ?? "ignore", "pipe", "pipe", "pipe"] },
  );
  const seen = new Sightings();
  const complaints: string[] = [];
  const times = new ToldTimes();
  const pictures = new Cutter(ffmpeg.stdio[1] as Readable);
  const sounds = new Cutter(ffmpeg.stdio[3] as Readable);
  const ear = new Ear(SAMPLE_RATE / 1_000);
  readLines(ffmpeg.stderr as Readable, (line) => {
    if (!times.hear(line) && !/^ |Skip|Opening/.test(line)) complaints.push(line);
  });
  times.onPicture = async (atMs) => {
    const gray = await pictures.take(width * height);
    seen.add({ number: readBarcode(gray, width, height) ?? null, atMs, isWhite: isWhite(gray) });
  };
  times.onSound = async (fromMs, samples) => {
    for (const beepAtMs of ear.hear(soundOf(await sounds.take(samples * 2)), fromMs)) seen.add({ beepAtMs });
  };
  if (before?.stderr) readLines(before.stderr, (line) => complaints.push(line));
  let isStopped = false;
  const children = [ffmpeg, ...(before === undefined ? [] : [before])];
  // What it writes is the other program's alone: held open here, it would never hear that nobody reads any more.
  before?.stdout?.destroy();
  const ends = children.map((child) => once(child, "exit"));
  for (const end of ends) {
    void end.then(([code]) => {
      if (!isStopped) seen.fail(new Error(`${name} ended with ${code}: ${complaints.slice(-20).join("\n")}`));
    });
  }
  return {
    name,
    seen,
    isComplete: true,
    isLive: false,
    stepsBack: 0,
    words: complaints,
    settle: async () => {},
    async stop() {
      isStopped = true;
      for (const child of children) child.kill("SIGKILL");
      await Promise.all(ends);
    },
  };
}

/** When each picture and each piece of sound stands, as the program's filters say before they pass it on. */
class ToldTimes {
  onPicture: (atMs: number) => Promise<void> = async () => {};
  onSound: (atMs: number, samples: number) => Promise<void> = async () => {};
  #pictures: Promise<void> = Promise.resolve();
  #sounds: Promise<void> = Promise.resolve();

  hear(line: string): boolean {
    const atMs = Number(/ pts_time:\s*(-?[\d.]+)/.exec(line)?.[1]) * 1_000;
    if (line.includes("Parsed_showinfo")) {
      if (Number.isFinite(atMs)) this.#pictures = this.#pictures.then(() => this.onPicture(atMs));
      return true;
    }
    if (!line.includes("Parsed_ashowinfo")) return false;
    const samples = Number(/ nb_samples:(\d+)/.exec(line)?.[1]);
    if (samples > 0) this.#sounds = this.#sounds.then(() => this.onSound(atMs, samples));
    return true;
  }
}

/** Gives a stream's bytes in the sizes that are asked for. */
class Cutter {
  #held = Buffer.alloc(0);
  #more = Promise.withResolvers<void>();

  constructor(stream: Readable) {
    stream.on("data", (chunk: Buffer) => {
      this.#held = Buffer.concat([this.#held, chunk]);
      this.#more.resolve();
      this.#more = Promise.withResolvers();
    });
  }

  async take(size: number): Promise<Buffer> {
    while (this.#held.length < size) await this.#more.promise;
    const taken = this.#held.subarray(0, size);
    this.#held = this.#held.subarray(size);
    return taken;
  }
}

function soundOf(pcm: Buffer): Float32Array {
  return Float32Array.from({ length: pcm.length / 2 }, (_, index) => pcm.readInt16LE(2 * index) / 32_768);
}

function isWhite(gray: Buffer): boolean {
  // Below the barcode.
  const below = gray.subarray(Math.round(gray.length / 3));
  return below.reduce((sum, value) => sum + value, 0) / below.length > WHITE_ABOVE;
}

function readLines(stream: Readable, onLine: (line: string) => void): void {
  let rest = "";
  stream.on("data", (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split("\n");
    rest = lines.pop()!;
    for (const line of lines) onLine(line);
  });
}
