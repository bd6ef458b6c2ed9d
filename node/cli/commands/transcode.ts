import { readFile } from "node:fs/promises";
import { CodedError } from "@leat/sdk/base/errors.ts";
import { describeFileReason, fileReason } from "@leat/sdk/base/file-reasons.ts";
import { findNamedLadder } from "@leat/sdk/protocol/named-ladders.ts";
import type { StoredEngineName } from "@leat/transcoder/engine.ts";
import { TranscodeError } from "@leat/transcoder/errors.ts";
import { type Ladder, parseLadder } from "@leat/transcoder/ladder.ts";
import { type StoredReport, transcodeFile } from "@leat/transcoder/stored.ts";
import { type Command, Option } from "commander";
import { makeFolder } from "../../kernel/make-folder.ts";
import { withInterrupt } from "../interrupt.ts";
import { printResult, renderTable } from "../output.ts";

export class LadderFileError extends CodedError<{ code: "LADDER_FILE_UNREADABLE"; path: string; reason: string }> {}

interface TranscodeFlags {
  readonly ladder: string;
  readonly out: string;
  readonly engine?: StoredEngineName;
}

export function register(program: Command): void {
  program
    .command("transcode")
    .description("turn a file into one MP4 for each rung of a ladder, and report")
    .argument("<input>", "media file")
    .requiredOption(
      "--ladder <file>",
      "JSON array of rungs: name, codec, height, videoBitrate, audioBitrate, fps; or h264, hevc, vp9, av1 or several as h264+vp9",
    )
    .requiredOption("--out <dir>", "folder for the renditions")
    .addOption(new Option("--engine <name>", "what encodes").choices(["node-av", "ffmpeg"]))
    .action(async (input: string, { ladder, out, engine }: TranscodeFlags, command: Command) => {
      const rungs = await readLadder(ladder);
      await makeFolder(out).catch((cause: unknown) => {
        throw new TranscodeError(
          { code: "TRANSCODE_OUTPUT_UNWRITABLE", path: out, reason: fileReason(cause) },
          { cause },
        );
      });
      const report = await withInterrupt((signal) =>
        transcodeFile({ input, ladder: rungs, outDir: out, engine, signal }),
      );
      printResult(command, report, renderReport);
    });
}

/** A name, or the file at `path`. */
export async function readLadder(path: string): Promise<Ladder> {
  const named = findNamedLadder(path);
  if (named !== undefined) return named;
  let content: unknown;
  try {
    content = JSON.parse(await readFile(path, "utf8"));
  } catch (cause) {
    const reason = fileReason(cause);
    const message = `the ladder ${path} cannot be read as JSON: ${describeFileReason(reason)}`;
    throw new LadderFileError({ code: "LADDER_FILE_UNREADABLE", path, reason }, { cause, message });
  }
  return parseLadder(content);
}

function renderReport(report: StoredReport): string {
  const { source, renditions, dropped, wallMs, cpuMs } = report;
  const rows = renditions.map(({ name, codec, width, height, frames, durationMs, bytes, file }) => ({
    name,
    codec,
    size: `${width}x${height}`,
    frames,
    durationMs,
    bytes,
    file,
  }));
  return [
    `source: ${source.codec} ${source.width}x${source.height}, ${source.frames} frames, ${source.durationMs} ms`,
    renderTable(rows),
    ...dropped.map((rung) => `dropped: ${JSON.stringify(rung)}`),
    `took ${wallMs} ms, ${cpuMs} ms of CPU`,
  ].join("\n");
}
