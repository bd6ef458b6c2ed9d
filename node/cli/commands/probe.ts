import { writeFile } from "node:fs/promises";
import { CodedError } from "@leat/sdk/base/errors.ts";
import { describeFileReason, fileReason } from "@leat/sdk/base/file-reasons.ts";
import { kindOf } from "@leat/transcoder/encoders.ts";
import { type EngineName, GATEWAY_TIMEOUT_MS } from "@leat/transcoder/engine.ts";
import { TranscodeError } from "@leat/transcoder/errors.ts";
import { describeHardware, type HardwareReport } from "@leat/transcoder/hardware-report.ts";
import { type EncoderReport, probeEncoders } from "@leat/transcoder/probe.ts";
import { type Command, Option } from "commander";
import { printResult, renderTable } from "../output.ts";

export class ProbeReportError extends CodedError<{ code: "PROBE_REPORT_UNWRITABLE"; path: string; reason: string }> {}

interface ProbeFlags {
  readonly engine: EngineName;
  readonly gateway?: string;
  readonly report?: string;
}

/** Pixels a second of the picture that people compare machines by. */
const FULL_HD_30 = 1920 * 1080 * 30;

export function register(program: Command): void {
  program
    .command("probe")
    .description("encode a few frames with every encoder of this machine: which work, and how fast each is")
    .addOption(
      new Option("--engine <name>", "what encodes").choices(["node-av", "ffmpeg", "livepeer"]).default("node-av"),
    )
    .option("--gateway <url>", "the go-livepeer gateway of the engine livepeer: http://HOST:9935")
    .option("--report <file>", "write what others can learn from this machine, without its name, paths or users")
    .action(async ({ engine, gateway: url, report: file }: ProbeFlags, command: Command) => {
      if (engine === "livepeer" && url === undefined) throw new TranscodeError({ code: "TRANSCODE_GATEWAY_UNSET" });
      const gateway = url === undefined ? {} : { gateway: { url, timeoutMs: GATEWAY_TIMEOUT_MS } };
      const report = describeHardware(engine, await probeEncoders({ engine, ...gateway }));
      if (file !== undefined) await writeReport(file, report);
      printResult(command, report, (value) => render(value, file));
    });
}

async function writeReport(path: string, report: HardwareReport): Promise<void> {
  try {
    await writeFile(path, `${JSON.stringify(report, null, 2)}\n`);
  } catch (cause) {
    const reason = fileReason(cause);
    const message = `the report ${path} cannot be written: ${describeFileReason(reason)}`;
    throw new ProbeReportError({ code: "PROBE_REPORT_UNWRITABLE", path, reason }, { cause, message });
  }
}

function render({ encoders }: HardwareReport, file: string | undefined): string {
  const table = renderTable(encoders.map(toRow));
  return file === undefined ? table : `${table}\n\nwritten to ${file}: docs/operations/hardware.md says where it helps`;
}

function toRow({ encoder, codec, works, pixelsPerSecond, reason }: EncoderReport) {
  return {
    encoder,
    codec,
    kind: kindOf(encoder),
    works: works ? "yes" : "no",
    "Mpx/s": works ? (pixelsPerSecond / 1e6).toFixed(1) : "",
    "x 1080p30": works ? (pixelsPerSecond / FULL_HD_30).toFixed(2) : "",
    why: reason ?? "",
  };
}
