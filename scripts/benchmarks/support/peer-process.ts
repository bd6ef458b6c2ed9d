import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { BenchError } from "./bench-error.ts";

const STARTS_MS = 20_000;
const LOOK_MS = 50;

/** Pieces of what it said last that are kept. */
const WORDS = 20;

/** Starts another server's program and waits until it listens. @throws BENCH_PEER_FAILED */
export async function startPeer(
  peer: string,
  { program, args, port }: { program: string; args: readonly string[]; port: number },
): Promise<{ readonly pid: number; stop(): Promise<void> }> {
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
  const words: string[] = [];
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    words.push(text);
    words.splice(0, words.length - WORDS);
  });
  child.on("error", (error) => words.push(error.message));
  const until = Date.now() + STARTS_MS;
  while (!(await listens(port))) {
    if (child.exitCode === null && child.signalCode === null && Date.now() < until) await sleep(LOOK_MS);
    else {
      child.kill("SIGKILL");
      throw new BenchError({ code: "BENCH_PEER_FAILED", peer, reason: words.join("").trim().slice(-500) });
    }
  }
  return { pid: child.pid!, stop: () => stop(child) };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGTERM");
  await gone;
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    const answer = (does: boolean) => {
      socket.destroy();
      resolve(does);
    };
    socket.once("connect", () => answer(true)).once("error", () => answer(false));
  });
}
