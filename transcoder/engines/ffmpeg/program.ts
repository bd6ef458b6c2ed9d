import { spawn } from "node:child_process";
import { TranscodeError } from "../../errors.ts";

const INSTALL = "apt-get install ffmpeg";
const OLDEST = { major: 5, minor: 1 } as const;
const LAST_WORDS_CHARS = 2000;

export interface ProgramResult {
  readonly exitCode: number | null;
  readonly stdout: string;
  /** The end of what it wrote to its error output. */
  readonly stderr: string;
}

/** Runs a program to its end. `onProgress` hears that it said something. */
export function runProgram(program: string, args: readonly string[], onProgress?: () => void): Promise<ProgramResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    const stop = () => child.kill("SIGKILL");
    process.once("exit", stop);
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      // With a listener for progress the output is progress, and endless.
      if (onProgress) onProgress();
      else stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr = (stderr + text).slice(-LAST_WORDS_CHARS);
    });
    child.on("error", (error: NodeJS.ErrnoException) => reject(error.code === "ENOENT" ? missing(program) : error));
    child.on("close", (exitCode) => {
      process.off("exit", stop);
      resolve({ exitCode, stdout, stderr });
    });
  });
}

/** Throws where the program is not there or too old, and says how it is installed. */
export async function assertProgram(program: "ffmpeg" | "ffprobe"): Promise<void> {
  const { stdout } = await runProgram(program, ["-version"]);
  const match = /version n?(\d+)\.(\d+)/.exec(stdout);
  // Builds from a repository's head carry no number: they are newer.
  if (!match) return;
  const [major, minor] = [Number(match[1]), Number(match[2])];
  if (major < OLDEST.major || (major === OLDEST.major && minor < OLDEST.minor)) throw missing(`${program} 5.1`);
}

function missing(program: string): TranscodeError {
  return new TranscodeError({ code: "TRANSCODE_PROGRAM_MISSING", program, install: INSTALL });
}
