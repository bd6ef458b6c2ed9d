import { rmSync } from "node:fs";
import { access, constants, mkdir, stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { Child } from "./child.ts";
import type { StoredResult, StoredSpec } from "./engine.ts";
import { TranscodeError } from "./errors.ts";
import type { FromWorker, ToWorker } from "./messages.ts";

export interface StoredReport extends StoredResult {
  readonly input: string;
  readonly wallMs: number;
  /** User and system time of the worker, and of the programs that it ran. */
  readonly cpuMs: number;
}

export interface StoredOptions extends StoredSpec {
  readonly signal?: AbortSignal;
  /** A worker that shows no progress for so long is killed. */
  readonly stallMs?: number;
}

const WORKER = new URL("./worker.ts", import.meta.url);
const STALL_MS = 60_000;

/** Transcodes a file to one MP4 for each rung, in a forked worker. Whole files only: a failure leaves none behind. */
export async function transcodeFile(options: StoredOptions): Promise<StoredReport> {
  const { input, ladder, outDir, engine } = options;
  await assertReadable(input);
  await assertWritable(outDir);
  const started = performance.now();
  const { result, cpuMs } = await runStored({ input, ladder, outDir, engine }, options);
  return { input, ...result, wallMs: Math.round(performance.now() - started), cpuMs: Math.round(cpuMs) };
}

async function assertReadable(input: string): Promise<void> {
  const facts = await stat(input).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") {
      throw new TranscodeError({ code: "TRANSCODE_INPUT_MISSING", input }, { cause: error });
    }
    const reason = error.code ?? error.message;
    throw new TranscodeError({ code: "TRANSCODE_INPUT_UNREADABLE", input, reason }, { cause: error });
  });
  if (!facts.isFile()) throw new TranscodeError({ code: "TRANSCODE_INPUT_NOT_A_FILE", input });
  if (facts.size === 0) throw new TranscodeError({ code: "TRANSCODE_INPUT_EMPTY", input });
}

async function assertWritable(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
    await access(path, constants.W_OK);
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    throw new TranscodeError({ code: "TRANSCODE_OUTPUT_UNWRITABLE", path, reason }, { cause: error });
  }
}

function runStored(spec: StoredSpec, options: StoredOptions): Promise<{ result: StoredResult; cpuMs: number }> {
  const stallMs = options.stallMs ?? STALL_MS;
  return new Promise((resolve, reject) => {
    let result: StoredResult | undefined;
    let cpuMs = 0;
    let told: TranscodeError | undefined;
    const child = new Child({
      givesWay: true,
      entry: WORKER,
      // One for each rung's scaling and encoding, one for decoding, one for Node itself.
      threads: spec.ladder.length + 2,
      onMessage: (raw) => {
        watchdog.refresh();
        const message = raw as FromWorker;
        if (message.type === "stored") ({ result } = message);
        if (message.type === "error") told = new TranscodeError(message.detail, { message: message.message });
        if (message.type === "finished") {
          ({ cpuMs } = message);
          child.done();
        }
      },
      onExit: (error) => {
        clearTimeout(watchdog);
        options.signal?.removeEventListener("abort", abort);
        if (!error && result) {
          resolve({ result, cpuMs });
          return;
        }
        for (const { name } of spec.ladder) rmSync(partialPath(spec.outDir, name, child.pid ?? 0), { force: true });
        reject(options.signal?.aborted ? options.signal.reason : (told ?? error));
      },
    });
    const abort = () => child.kill();
    const watchdog = setTimeout(
      () => child.fail(new TranscodeError({ code: "TRANSCODE_WORKER_STALLED", limitMs: stallMs })),
      stallMs,
    );
    options.signal?.addEventListener("abort", abort);
    if (options.signal?.aborted) abort();
    child.send({ type: "start", job: "stored", spec } satisfies ToWorker);
  });
}

/** Threads that one stored encoder or decoder takes: more than four gain little and cost CPU. */
export const storedThreads = (): number => Math.min(4, Math.max(1, availableParallelism()));

/** What a player needs to begin stands before the pictures: it need not fetch a file's end first. */
export const storedMp4 = { movflags: "+faststart" } as const;

/** What a worker calls a rendition that is not whole. */
export function partialPath(outDir: string, name: string, pid: number): string {
  return join(outDir, `.${name}.mp4.${pid}.part`);
}
