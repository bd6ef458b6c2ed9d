import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { LadderRung, ResolvedRung } from "@leat/transcoder/ladder.ts";
import { audioCodecFor, resolveLadder } from "@leat/transcoder/ladder.ts";
import { AUDIO_ENCODERS, AUDIO_SAMPLE_RATE, STORED_GOP_SECONDS, storedPreset } from "@leat/transcoder/presets.ts";
import { storedThreads } from "@leat/transcoder/stored.ts";
import { writePattern } from "@leat/transcoder/tools/media.ts";
import type { BenchCase } from "./case.ts";

const RUNS = 3;
const PATTERN = { width: 1280, height: 720, fps: 30, durationS: 10, videoBitrate: 4_000_000 } as const;
const REAL_INPUT = fileURLToPath(new URL("../../../shared/media/game-720p.ts", import.meta.url));
const RUNNER = fileURLToPath(new URL("./support/transcode-run.ts", import.meta.url));

const LADDER: readonly LadderRung[] = [
  { name: "720p", codec: "h264", height: 720, videoBitrate: 2_500_000, audioBitrate: 128_000 },
  { name: "360p", codec: "h264", height: 360, videoBitrate: 800_000, audioBitrate: 128_000 },
  { name: "360p-vp9", codec: "vp9", height: 360, videoBitrate: 600_000, audioBitrate: 64_000 },
];

interface Cost {
  readonly cpuMs: number;
  readonly wallMs: number;
}

interface Comparison {
  readonly cpuRatio: number;
  readonly wallRatio: number;
  readonly leat: Cost;
  readonly ffmpeg: Cost;
}

/** Our engine against the `ffmpeg` program: same ladder, settings and threads, in turns; medians of each turn's ratio. */
export const run: BenchCase = async ({ log, signal }) => {
  const directory = await mkdtemp(join(tmpdir(), "leat-bench-"));
  try {
    const pattern = join(directory, "pattern.flv");
    await writePattern(pattern, PATTERN);
    const inputs = [{ name: "pattern", path: pattern }];
    if (existsSync(REAL_INPUT)) inputs.push({ name: "game-720p", path: REAL_INPUT });
    const cases: Record<string, Comparison> = {};
    for (const input of inputs) {
      log(`${input.name}: ${RUNS} turns of three rungs`);
      cases[input.name] = await compare(input.path, directory, signal);
    }
    const all = Object.values(cases);
    const cpuRatio = Math.max(...all.map((one) => one.cpuRatio));
    const wallRatio = Math.max(...all.map((one) => one.wallRatio));
    const rows = Object.entries(cases).map(([input, { leat, ffmpeg, ...ratios }]) => ({
      input,
      ...ratios,
      leatCpuMs: leat.cpuMs,
      ffmpegCpuMs: ffmpeg.cpuMs,
      leatWallMs: leat.wallMs,
      ffmpegWallMs: ffmpeg.wallMs,
    }));
    return { rows, json: { cpuRatio, wallRatio, runs: RUNS, threads: storedThreads(), cases } };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
};

async function compare(input: string, directory: string, signal: AbortSignal): Promise<Comparison> {
  const ladderFile = join(directory, "ladder.json");
  await writeFile(ladderFile, JSON.stringify(LADDER));
  const ours: Cost[] = [];
  const theirs: Cost[] = [];
  for (let turn = 0; turn < RUNS; turn += 1) {
    signal.throwIfAborted();
    // Whoever goes first meets a colder cache: they take turns.
    for (const who of turn % 2 === 0 ? ["leat", "ffmpeg"] : ["ffmpeg", "leat"]) {
      if (who === "leat") ours.push(await measure(process.execPath, [RUNNER, input, ladderFile, directory]));
      else theirs.push(await measure("ffmpeg", ffmpegArguments(input, directory)));
    }
  }
  return {
    cpuRatio: round(median(ours.map((one, turn) => one.cpuMs / theirs[turn]!.cpuMs))),
    wallRatio: round(median(ours.map((one, turn) => one.wallMs / theirs[turn]!.wallMs))),
    leat: medianCost(ours),
    ffmpeg: medianCost(theirs),
  };
}

/** The shell's own clock counts the whole process tree: ours with its parent and its worker. */
async function measure(program: string, args: readonly string[]): Promise<Cost> {
  const script = `TIMEFORMAT='%R %U %S'; time "$@" >&2`;
  const { stderr } = await promisify(execFile)("bash", ["-c", script, "bash", program, ...args]);
  const [wall = 0, user = 0, system = 0] = stderr.trim().split("\n").at(-1)!.split(" ").map(Number);
  return { wallMs: Math.round(wall * 1000), cpuMs: Math.round((user + system) * 1000) };
}

function ffmpegArguments(input: string, directory: string): string[] {
  const { rungs } = resolveLadder(LADDER, PATTERN);
  const threads = String(storedThreads());
  const labels = rungs.map((_, index) => `[s${index}]`).join("");
  const scales = rungs.map((rung, index) => {
    return `[s${index}]scale=${rung.width}:${rung.height}:flags=bicubic,format=yuv420p[v${index}]`;
  });
  const graph = [`[0:v]split=${rungs.length}${labels}`, ...scales].join(";");
  const outputs = rungs.flatMap((rung, index) => outputArguments(rung, index, threads, directory));
  return ["-v", "error", "-nostdin", "-y", "-threads", threads, "-i", input, "-filter_complex", graph, ...outputs];
}

function outputArguments(rung: ResolvedRung, index: number, threads: string, directory: string): string[] {
  const preset = storedPreset(rung.codec, rung.videoBitrate)!;
  const rates = ["-b:v", rung.videoBitrate, "-maxrate", preset.maxrate, "-bufsize", preset.bufsize];
  const settings = Object.entries(preset.options).flatMap(([name, value]) => [`-${name}`, value]);
  const gop = ["-g", PATTERN.fps * STORED_GOP_SECONDS, "-bf", 0, "-threads", threads, "-vsync", "passthrough"];
  const video = ["-c:v", preset.encoder, ...rates, ...gop, ...settings];
  const encoder = AUDIO_ENCODERS[audioCodecFor(rung.codec)];
  const audio = ["-c:a", encoder, "-b:a", rung.audioBitrate, "-ar", AUDIO_SAMPLE_RATE];
  const file = join(directory, `ffmpeg-${rung.name}.mp4`);
  return ["-map", `[v${index}]`, "-map", "0:a", ...video, ...audio, "-f", "mp4", file].map(String);
}

function medianCost(costs: readonly Cost[]): Cost {
  return { cpuMs: median(costs.map((one) => one.cpuMs)), wallMs: median(costs.map((one) => one.wallMs)) };
}

function median(values: readonly number[]): number {
  return [...values].sort((left, right) => left - right)[Math.floor(values.length / 2)]!;
}

const round = (value: number) => Math.round(value * 1000) / 1000;
