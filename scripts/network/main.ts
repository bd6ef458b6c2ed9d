import { existsSync } from "node:fs";
import { isAbsolute, resolve } from "node:path";
import { toJson } from "@leat/node/cli/output.ts";
import { makeFolder } from "@leat/node/kernel/make-folder.ts";
import { describeFailure } from "@leat/node/texts/table.ts";
import { fileReason } from "@leat/sdk/base/file-reasons.ts";
import { lockData } from "./data-lock.ts";
import { demoPattern, runDemo } from "./demo.ts";
import { describeNext, describeReport } from "./describe.ts";
import { isNodeName } from "./layout.ts";
import { LocalNetwork } from "./local-network.ts";
import { NetworkError, type NetworkOptions, parseOptions, usage } from "./options.ts";

const startedAtMs = Date.now();
/** A network whose nodes end again and again is broken and says so. */
const maxRestarts = 10;
const defaultDataDir = resolve(import.meta.dirname, "../../.leat/network");

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  const json = argv.includes("--json");
  try {
    const options = parseOptions(argv, defaultDataDir);
    if (options === "help") {
      process.stdout.write(usage);
      return 0;
    }
    return await run({ ...options, dataDir: resolve(options.dataDir) });
  } catch (error) {
    const failure = describeFailure(error);
    if (failure === undefined) throw error;
    process.stderr.write(`${failure.code}: ${failure.message}\n`);
    if (json) process.stdout.write(`${toJson({ ok: false, error: failure })}\n`);
    return 1;
  }
}

async function run(options: NetworkOptions): Promise<number> {
  const inputs = options.inputs.map((file) => (isAbsolute(file) ? file : resolve(file)));
  const missing = inputs.find((file) => !existsSync(file));
  if (missing !== undefined) throw new NetworkError({ code: "UP_INPUT_MISSING", file: missing });
  await makeFolder(options.dataDir).catch((error: Error) => {
    throw new NetworkError({ code: "UP_DATA_UNUSABLE", dir: options.dataDir, reason: fileReason(error) });
  });
  const unlock = await lockData(options.dataDir);
  const told = whenTold();
  const lost = Promise.withResolvers<never>();
  lost.promise.catch(() => undefined);
  let restarts = 0;
  const network = new LocalNetwork({
    dataDir: options.dataDir,
    portBase: options.portBase,
    onStep: say,
    onExit: (error) => {
      // A node that ended is started again, as an operator's own supervisor would; the rest goes on meanwhile.
      const ended = error.detail.code === "UP_PROCESS_EXITED" ? error.detail : undefined;
      if (ended === undefined || !isNodeName(ended.process) || restarts >= maxRestarts) return lost.reject(error);
      restarts += 1;
      say(`${ended.process} ended (${ended.status}); the network goes on, starting it again`);
      network.startNode(ended.process).then(
        () => say(`${ended.process} is back`),
        (cause) => lost.reject(cause),
      );
    },
  });
  try {
    const ready = await Promise.race([network.start().then(() => true), told, lost.promise]);
    if (ready !== true) return 130;
    const readyMs = Date.now() - startedAtMs;
    say("ready");
    let exitCode = 0;
    if (options.demo) {
      const demo = runDemo(network, {
        inputs: inputs.length === 0 ? [demoPattern] : inputs,
        token: options.token,
        startedAtMs,
        readyMs,
        onStep: say,
      });
      const report = await Promise.race([demo, told, lost.promise]);
      if (report === undefined) return 130;
      if (!options.json) process.stdout.write(describeReport(report));
      else process.stdout.write(`${JSON.stringify(report)}\n`);
      exitCode = report.ok ? 0 : 1;
    }
    if (options.keep) {
      process.stderr.write(describeNext(network));
      await Promise.race([told, lost.promise]);
    }
    return exitCode;
  } finally {
    say("stop");
    await network.stop();
    await unlock();
    say(`stopped; what it was is kept in ${options.dataDir}`);
  }
}

/** Progress goes to standard error: standard output holds the report alone. */
function say(step: string): void {
  const seconds = ((Date.now() - startedAtMs) / 1_000).toFixed(1).padStart(6);
  process.stderr.write(`[${seconds} s] ${step}\n`);
}

/** Resolves at Ctrl-C. A second one changes nothing: whoever left now would leave the network's processes behind. */
function whenTold(): Promise<undefined> {
  return new Promise((heard) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => heard(undefined));
  });
}
