import { readFileSync, writeSync } from "node:fs";
import type { Engine, EngineName, LiveAudio, LiveEngine, LiveVideo, StoredEngineName } from "./engine.ts";
import { TranscodeError } from "./errors.ts";
import { encodeMessage, MessageReader } from "./ipc.ts";
import type { FromWorker, JobMessage, ToWorker } from "./messages.ts";
import type { EncoderReport, ProbeSpec } from "./probe.ts";

/** The parent hears how far the worker is at least this often, in inputs. */
const TAKEN_EVERY = 4;

const reader = new MessageReader();
const queue: ToWorker[] = [];
let work: LiveVideo | LiveAudio | undefined;
let isRunning = false;
let taken = 0;

function send(message: FromWorker): void {
  const bytes = encodeMessage(message);
  for (let at = 0; at < bytes.length; ) at += writeSome(bytes, at);
}

/** Standard output may be a non-blocking socket: a full one is tried again after a nap. The parent is reading. */
function writeSome(bytes: Buffer, at: number): number {
  try {
    return writeSync(1, bytes, at);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
    return 0;
  }
}

/** This process's own time, and that of the programs it ran to their end. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000 + programsCpuMs();
}

let ranProgram = false;
/** The kernel counts in hundredths of a second, whatever its own clock. */
const MS_PER_TICK = 10;

function programsCpuMs(): number {
  if (!ranProgram || process.platform !== "linux") return 0;
  // After the name in brackets: state, then 11 numbers, own user and system time, and those of waited-for children.
  const fields = readFileSync("/proc/self/stat", "utf8").split(") ").at(-1)!.split(" ");
  return (Number(fields[13]) + Number(fields[14])) * MS_PER_TICK;
}

async function loadLive(name: EngineName | undefined): Promise<LiveEngine> {
  return name === "livepeer" ? (await import("./engines/livepeer.ts")).livepeerEngine : loadEngine(name);
}

async function loadEngine(name: StoredEngineName | undefined): Promise<Engine> {
  switch (name) {
    case "node-av":
      return (await loadBindings()).nodeAvEngine;
    case "ffmpeg":
      ranProgram = true;
      return (await import("./engines/ffmpeg.ts")).ffmpegEngine;
    case undefined:
      // Where the bindings have no binary for this machine, the program does the work.
      return loadEngine("node-av").catch(() => loadEngine("ffmpeg"));
    default:
      throw new TranscodeError({ code: "TRANSCODE_ENGINE_UNKNOWN", engine: String(name) });
  }
}

/** The bindings come with a binary for each common machine; on another there is none. */
async function loadBindings() {
  return import("./engines/node-av.ts").catch((cause: unknown) => {
    throw new TranscodeError(
      { code: "TRANSCODE_ENGINE_MISSING", engine: "node-av", install: "npm ci" },
      { cause, message: `node-av does not load here: ${cause instanceof Error ? cause.message : cause}` },
    );
  });
}

async function measure(spec: ProbeSpec): Promise<void> {
  const begin = () => send({ type: "taken", inputs: 0, cpuMs: cpuMs() });
  const onReport = (report: EncoderReport) => send({ type: "probed", report });
  if (spec.engine === "ffmpeg") {
    const { measureEncoders } = await import("./engines/ffmpeg/measure.ts");
    begin();
    return measureEncoders(spec, onReport);
  }
  await loadBindings();
  if (spec.engine === "livepeer") {
    const { measureGateway } = await import("./engines/livepeer/measure.ts");
    begin();
    return measureGateway(spec, onReport);
  }
  const { measureEncoders } = await import("./engines/node-av/measure.ts");
  begin();
  measureEncoders(spec, onReport);
}

async function start(message: JobMessage): Promise<void> {
  switch (message.job) {
    case "video":
      work = await (await loadLive(message.spec.engine)).openVideo(message.spec, {
        config: (index, version, config) => send({ type: "config", index, version, config }),
        frame: (index, sequence, frame) => send({ type: "frame", index, sequence, frame }),
        segmentEnd: (index, sequence, summary) => send({ type: "segmentEnd", index, sequence, summary }),
        fallback: (index, encoder, reason) => send({ type: "fallback", index, encoder, reason }),
      });
      return;
    case "audio":
      work = (await loadBindings()).nodeAvEngine.openAudio(message.spec, {
        config: (index, version, config) => send({ type: "config", index, version, config }),
        frame: (index, frame) => send({ type: "frame", index, sequence: 0, frame }),
      });
      return;
    case "stored": {
      const { spec } = message;
      const engine = await loadEngine(spec.engine);
      send({
        type: "stored",
        result: await engine.runStored(spec, () => send({ type: "taken", inputs: 0, cpuMs: cpuMs() })),
      });
      return finish();
    }
    case "probe": {
      await measure(message.spec);
      return finish();
    }
  }
}

function finish(): void {
  work?.close();
  work = undefined;
  send({ type: "finished", cpuMs: cpuMs() });
}

async function handle(message: ToWorker): Promise<void> {
  if (message.type === "start") return start(message);
  if (message.type === "end") {
    await work?.end();
    return finish();
  }
  // The parent sends work only what its kind takes.
  await (work as LiveVideo | undefined)?.push(message as never);
  taken += 1;
  if (taken >= TAKEN_EVERY || queue.length === 0) {
    send({ type: "taken", inputs: taken, cpuMs: cpuMs() });
    taken = 0;
  }
}

async function run(): Promise<void> {
  if (isRunning) return;
  isRunning = true;
  for (let message = queue.shift(); message; message = queue.shift()) await handle(message);
  isRunning = false;
}

function fail(error: unknown): void {
  if (!(error instanceof TranscodeError)) throw error;
  send({ type: "error", detail: error.detail, message: error.message });
  process.exit(2);
}

process.stdin.on("data", (chunk: Buffer) => {
  for (const message of reader.push(chunk)) queue.push(message as ToWorker);
  run().catch((error: unknown) => {
    try {
      fail(error);
    } catch (bug) {
      process.stderr.write(`${bug instanceof Error ? bug.stack : String(bug)}\n`);
      process.exit(1);
    }
  });
});
// The parent is done with us, or it is dead.
process.stdin.on("end", () => process.exit(0));
