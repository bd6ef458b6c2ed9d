import { type ChildProcess, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Leftovers } from "./leftovers.ts";
import { NetworkError } from "./options.ts";

export interface ProcessSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** A line of standard output that says the process is usable. */
  readonly ready: RegExp;
  readonly env?: Readonly<Record<string, string>>;
}

export interface RunningProcess {
  readonly name: string;
  readonly pid: number;
  /** The line that matched `ready`. */
  readonly readyLine: string;
}

/**
 * Many processes share one machine. The collector's young space is 16 MB thrice by default, and what passes through it
 * makes the old space start large; native code takes an arena of memory for each of its threads.
 */
const smallMemory = {
  NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ""} --max-semi-space-size=8`.trim(),
  MALLOC_ARENA_MAX: "2",
};

/** How long a process has to end by itself after SIGTERM before it is killed. */
const stopMs = 20_000;

/** The real, separate processes of a local network. Logs go to files; whoever dies is named. */
export class ProcessGroup {
  readonly #logDir: string;
  readonly #leftovers: Leftovers;
  readonly #children = new Map<string, ChildProcess>();
  readonly #onExit: (error: NetworkError) => void;
  readonly #killed = new Set<ChildProcess>();
  #stopping = false;

  /** Whoever ends without a stop, a test that ran out of time say, leaves nothing behind. */
  readonly #killAll = () => {
    for (const child of this.#children.values()) child.kill("SIGKILL");
  };

  /** @param onExit Hears of a process that ended although nobody stopped it. */
  constructor(dataDir: string, onExit: (error: NetworkError) => void) {
    this.#logDir = join(dataDir, "logs");
    this.#onExit = onExit;
    mkdirSync(this.#logDir, { recursive: true });
    this.#leftovers = new Leftovers(join(dataDir, "processes.json"));
    process.on("exit", this.#killAll);
  }

  /** Ends what a group of the same folder left running when its own process was killed. Answers the names. */
  endLeftovers(): Promise<string[]> {
    return this.#leftovers.end(stopMs);
  }

  /** Resolves when the process says that it is usable. @throws UP_PROCESS_EXITED with the end of its log. */
  async start(spec: ProcessSpec): Promise<RunningProcess> {
    const log = join(this.#logDir, `${spec.name}.log`);
    const logFd = openSync(log, "a");
    const child = spawn(spec.command, spec.args, {
      stdio: ["ignore", "pipe", logFd],
      env: { ...process.env, ...smallMemory, ...spec.env },
    });
    closeSync(logFd);
    this.#children.set(spec.name, child);
    if (child.pid !== undefined) this.#leftovers.add(spec.name, child.pid);
    const exited = once(child, "exit").catch(() => ["failed to start", null]);
    const ready = Promise.withResolvers<string>();
    createInterface({ input: child.stdout! }).on("line", (line) => {
      if (spec.ready.test(line)) ready.resolve(line);
    });
    const failed = exited.then(([code, signal]) => {
      if (this.#children.get(spec.name) === child) {
        this.#children.delete(spec.name);
        this.#leftovers.remove(spec.name);
      }
      const status = String(signal ?? code);
      return new NetworkError({ code: "UP_PROCESS_EXITED", process: spec.name, status, log: lastLine(log) });
    });
    const first = await Promise.race([ready.promise, failed]);
    if (first instanceof NetworkError) throw first;
    void failed.then((error) => {
      if (!this.#stopping && !this.#killed.has(child)) this.#onExit(error);
    });
    return { name: spec.name, pid: child.pid!, readyLine: first };
  }

  /** SIGKILL, and no word of it to `onExit`: whoever kills knows. Resolves when the process is gone. */
  async kill(name: string): Promise<void> {
    const child = this.#children.get(name);
    if (child === undefined) return;
    this.#killed.add(child);
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }

  /** Process ids by name, for measuring. */
  get pids(): ReadonlyMap<string, number> {
    return new Map([...this.#children].map(([name, child]) => [name, child.pid!]));
  }

  /**
   * Stops everything, newest first, so that nobody loses what it depends on while it stops.
   * @param peers Stop before all others and at once: none of them depends on another.
   */
  async stop(peers: readonly string[] = []): Promise<void> {
    this.#stopping = true;
    await Promise.all(peers.map((name) => stopChild(this.#children.get(name))));
    for (const child of [...this.#children.values()].reverse()) await stopChild(child);
    process.off("exit", this.#killAll);
  }
}

async function stopChild(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGTERM");
  const kill = setTimeout(() => child.kill("SIGKILL"), stopMs);
  await gone;
  clearTimeout(kill);
}

/** @throws UP_PORT_BUSY before anything was started on it, naming who wanted it. */
export async function requireFreePort(port: number, service: string, protocol: "tcp" | "udp" = "tcp"): Promise<void> {
  const busy = await (protocol === "tcp" ? isAnswered(port) : isBound(port));
  if (busy) throw new NetworkError({ code: "UP_PORT_BUSY", port, service });
}

async function isAnswered(port: number): Promise<boolean> {
  const socket = connect({ port, host: "127.0.0.1" });
  const answered = await new Promise<boolean>((resolve) => {
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
  });
  socket.destroy();
  return answered;
}

async function isBound(port: number): Promise<boolean> {
  const socket = createSocket("udp4");
  const bound = await new Promise<boolean>((resolve) => {
    socket.once("listening", () => resolve(false));
    socket.once("error", () => resolve(true));
    socket.bind(port, "127.0.0.1");
  });
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return bound;
}

function lastLine(file: string): string {
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  return lines.at(-1)?.slice(0, 500) ?? "";
}
