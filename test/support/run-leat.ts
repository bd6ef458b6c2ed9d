import process from "node:process";
import { runProgram } from "@leat/node/cli/program.ts";

export interface LeatAnswer {
  readonly code: number;
  readonly stdout: string;
}

/** A command in this process: a program of its own for each call would take a second. */
export async function runLeat(...argv: string[]): Promise<LeatAnswer> {
  const write = process.stdout.write;
  let stdout = "";
  process.stdout.write = (text: string | Uint8Array) => {
    stdout += text;
    return true;
  };
  try {
    return { code: await runProgram(argv), stdout };
  } finally {
    process.stdout.write = write;
  }
}

/** Code and message of a refusal. */
export async function refusalOf(...argv: string[]): Promise<readonly [code: string, message: string]> {
  const { stdout } = await runLeat(...argv, "--json");
  const { error } = JSON.parse(stdout) as { error: { code: string; message: string } };
  return [error.code, error.message];
}
