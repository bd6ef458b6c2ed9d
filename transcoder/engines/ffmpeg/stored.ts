import { renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { StoredRendition, StoredResult, StoredSpec } from "../../engine.ts";
import { TranscodeError } from "../../errors.ts";
import type { ResolvedRung } from "../../ladder.ts";
import { audioCodecFor, audioGroups, resolveLadder } from "../../ladder.ts";
import { AUDIO_ENCODERS, AUDIO_SAMPLE_RATE, STORED_GOP_SECONDS, storedPreset } from "../../presets.ts";
import { partialPath, storedMp4, storedThreads } from "../../stored.ts";
import { scaleGraph, videoArguments } from "./arguments.ts";
import { assertProgram, runProgram } from "./program.ts";

interface ProbedStream {
  readonly index: number;
  readonly codec_type?: string;
  readonly codec_name?: string;
  readonly width?: number;
  readonly height?: number;
  readonly avg_frame_rate?: string;
  readonly channels?: number;
  readonly duration?: string;
  readonly nb_read_packets?: string;
  readonly disposition?: { readonly attached_pic?: number };
}

/** One run of the program: decodes once, and writes one MP4 for each rung. */
export async function runStored(spec: StoredSpec, onProgress: () => void): Promise<StoredResult> {
  await assertProgram("ffmpeg");
  await assertProgram("ffprobe");
  const streams = await probe(spec.input, ["-show_streams"]);
  const video = streams.find((one) => one.codec_type === "video" && one.disposition?.attached_pic !== 1);
  if (!video) throw new TranscodeError({ code: "TRANSCODE_INPUT_NO_VIDEO", input: spec.input });
  const { codec_name: codec = "unknown", width = 0, height = 0 } = video;
  if (width < 2 || height < 2) throw unreadable(spec.input, "its video has no size");
  const fps = readRate(video.avg_frame_rate);
  const { rungs, dropped } = resolveLadder(spec.ladder, { width, height, fps });
  const audio = streams.find((one) => one.codec_type === "audio" && (one.channels ?? 0) > 0);
  const outputs = rungs.map((rung) => ({
    rung,
    file: join(spec.outDir, `${rung.name}.mp4`),
    partial: partialPath(spec.outDir, rung.name, process.pid),
  }));
  try {
    const groups = audioGroups(rungs);
    const each = outputs.flatMap(({ rung, partial }, index) => {
      const preset = storedPreset(rung.codec, rung.videoBitrate);
      const gop = Math.max(1, Math.round(STORED_GOP_SECONDS * (rung.fps ?? fps)));
      const picture = videoArguments(rung, preset, gop, storedThreads());
      const sound = audio ? soundArguments(rung, audio, groups) : [];
      return [
        "-map",
        `[v${index}]`,
        ...picture,
        "-fps_mode",
        "passthrough",
        ...sound,
        "-movflags",
        storedMp4.movflags,
        "-f",
        "mp4",
        partial,
      ];
    });
    const reading = ["-noautorotate", "-threads", String(storedThreads()), "-i", spec.input];
    const graph = ["-filter_complex", scaleGraph(`[0:${video.index}]`, rungs)];
    const talk = ["-v", "error", "-nostdin", "-y", "-progress", "pipe:1"];
    const run = await runProgram("ffmpeg", [...talk, ...reading, ...graph, ...each], onProgress);
    if (run.exitCode !== 0) throw explain(run.stderr, spec);
    if (/partial file/.test(run.stderr)) {
      throw new TranscodeError({
        code: "TRANSCODE_INPUT_TRUNCATED",
        input: spec.input,
        framesDeclared: 0,
        framesFound: 0,
      });
    }
    const renditions: StoredRendition[] = [];
    for (const { rung, file, partial } of outputs) renditions.push(await describe(rung, partial, file));
    // A thinned rung does not count the source's pictures.
    const whole = renditions.find((_, index) => rungs[index]!.fps === undefined);
    const frames = whole?.frames ?? (await countFrames(spec.input, video.index));
    if (frames === 0) throw new TranscodeError({ code: "TRANSCODE_INPUT_NO_PICTURE", input: spec.input });
    for (const { file, partial } of outputs) renameSync(partial, file);
    const durationMs = whole?.durationMs ?? renditions[0]!.durationMs;
    return { source: { codec, width, height, frames, durationMs }, renditions, dropped };
  } finally {
    for (const { partial } of outputs) rmSync(partial, { force: true });
  }
}

function soundArguments(
  rung: ResolvedRung,
  audio: ProbedStream,
  groups: readonly { codec: string; bitrate: number }[],
): string[] {
  const codec = audioCodecFor(rung.codec);
  const bitrate = groups.find((group) => group.codec === codec)?.bitrate ?? rung.audioBitrate;
  const channels = audio.channels === 1 ? 1 : 2;
  const encoder = ["-c:a", AUDIO_ENCODERS[codec], "-b:a", bitrate, "-ar", AUDIO_SAMPLE_RATE, "-ac", channels];
  return ["-map", `0:${audio.index}`, ...encoder.map(String)];
}

async function describe(rung: ResolvedRung, partial: string, file: string): Promise<StoredRendition> {
  const streams = await probe(partial, ["-show_streams", "-count_packets", "-select_streams", "v:0"]);
  const frames = Number(streams[0]?.nb_read_packets ?? 0);
  const durationMs = Math.round(Number(streams[0]?.duration ?? 0) * 1000);
  const { name, codec, width, height } = rung;
  return { name, codec, width, height, frames, durationMs, bytes: statSync(partial).size, file };
}

async function countFrames(input: string, index: number): Promise<number> {
  const streams = await probe(input, ["-count_frames", "-show_streams", "-select_streams", String(index)]);
  return Number((streams[0] as { nb_read_frames?: string } | undefined)?.nb_read_frames ?? 0);
}

async function probe(input: string, options: readonly string[]): Promise<readonly ProbedStream[]> {
  const run = await runProgram("ffprobe", ["-v", "error", ...options, "-of", "json", input]);
  if (run.exitCode !== 0) throw unreadable(input, lastLine(run.stderr));
  return (JSON.parse(run.stdout) as { streams?: ProbedStream[] }).streams ?? [];
}

function readRate(text: string | undefined): number {
  const [num = 0, den = 0] = (text ?? "").split("/").map(Number);
  const rate = num / den;
  return Number.isFinite(rate) && rate > 0 && rate <= 240 ? rate : 30;
}

function explain(stderr: string, spec: StoredSpec): TranscodeError {
  if (/No space left|Disk quota/.test(stderr))
    return new TranscodeError({ code: "TRANSCODE_DISK_FULL", path: spec.outDir });
  if (/Permission denied|Read-only file system/.test(stderr)) {
    return new TranscodeError({ code: "TRANSCODE_OUTPUT_UNWRITABLE", path: spec.outDir, reason: lastLine(stderr) });
  }
  if (/Invalid data found|moov atom not found/.test(stderr)) return unreadable(spec.input, lastLine(stderr));
  return new TranscodeError({ code: "TRANSCODE_PROGRAM_FAILED", program: "ffmpeg", reason: lastLine(stderr) });
}

function unreadable(input: string, reason: string): TranscodeError {
  return new TranscodeError({ code: "TRANSCODE_INPUT_UNREADABLE", input, reason });
}

const lastLine = (text: string) => text.trim().split("\n").at(-1) ?? "";
