import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { writePattern } from "@leat/transcoder/tools/media.ts";
import { TestNetwork } from "../../../../test/support/e2e-network.ts";
import { nodeFlags } from "../../../lib/node-flags.ts";
import type { NodeName } from "../../../network/layout.ts";
import { leatProgram } from "../../../network/local-network.ts";
import type { SoakCrowdArguments, SoakCrowdMessage } from "./crowd.ts";
import { type NodeSample, probeFlags, sampleNode } from "./node-samples.ts";
import { SoakStream } from "./streams.ts";

export interface SoakOptions {
  readonly durationMs: number;
  readonly log: (line: string) => void;
  readonly signal?: AbortSignal;
  /** More that a node's program is started with. */
  readonly flagsOf?: (name: NodeName) => readonly string[];
}

export interface SoakRun {
  readonly nodes: ReadonlyMap<NodeName, readonly NodeSample[]>;
  /** Viewers that watched for as long as they wanted, by way, and those that found nothing to watch. */
  readonly visits: Readonly<Record<"hls" | "whep" | "inVain", number>>;
  /** Streams that began, the first ones included. */
  readonly streams: number;
}

const STREAMS = 10;
const crowdSize: SoakCrowdArguments = { hlsViewers: 24, whepViewers: 6 };
/** So often the oldest stream ends and another begins. */
const TURN_OVER_MS = 20_000;
const SAMPLES = 120;
const nodeNames: readonly NodeName[] = ["balancer", "node-a", "node-b", "node-c", "buyer"];

/** A network with ten streams, of which one after the other is replaced, and viewers that come and go. */
export async function soak({ durationMs, log, signal, flagsOf }: SoakOptions): Promise<SoakRun> {
  const folder = await mkdtemp(join(tmpdir(), "leat-soak-"));
  const file = join(folder, "source.flv");
  await writePattern(file, { width: 256, height: 144, fps: 15, durationS: 60, flashEveryS: 2, videoBitrate: 200_000 });
  log("start a network");
  const network = await TestNetwork.start({
    // As an operator's run.
    programOf: (name) => [...nodeFlags, ...probeFlags(folder), ...(flagsOf?.(name) ?? []), leatProgram, "start"],
    // All viewers have one address here.
    adjust: (_name, config) => ({ ...config, http: { ...Object(config.http), requestsPerMinute: 1_000_000 } }),
  });
  const streams: SoakStream[] = [];
  let crowd: ChildProcess | undefined;
  try {
    for (let at = 0; at < STREAMS; at += 1) {
      streams.push(await SoakStream.start(network, file));
      log(`${at + 1} streams on air`);
    }
    crowd = fork(new URL("./crowd.ts", import.meta.url), [JSON.stringify(crowdSize)]);
    const tell = (message: SoakCrowdMessage) => crowd!.send(message);
    const onAir = () => tell({ urls: streams.map(({ masterUrl }) => masterUrl) });
    onAir();
    const nodes = new Map<NodeName, NodeSample[]>(nodeNames.map((name) => [name, []]));
    const startedAt = performance.now();
    const sinceMs = () => performance.now() - startedAt;
    let [begun, sampled, replacedAt] = [STREAMS, 0, 0];
    while (sampled < SAMPLES) {
      signal?.throwIfAborted();
      if (sinceMs() >= (sampled * durationMs) / (SAMPLES - 1)) {
        const all = nodeNames.map(async (name) =>
          nodes.get(name)!.push(await sampleNode(network.pids.get(name)!, folder, sinceMs() / 1_000)),
        );
        await Promise.all(all);
        sampled += 1;
        if (sampled % 10 === 0) log(`${Math.round(sinceMs() / 1_000)} s, ${begun} streams so far`);
      } else if (sinceMs() - replacedAt >= TURN_OVER_MS) {
        replacedAt = sinceMs();
        await streams.shift()!.stop();
        onAir();
        streams.push(await SoakStream.start(network, file));
        begun += 1;
        onAir();
      } else await sleep(100);
    }
    const visits = once(crowd, "message");
    tell("stop");
    return { nodes, streams: begun, visits: (await visits)[0] as SoakRun["visits"] };
  } finally {
    crowd?.kill("SIGKILL");
    await Promise.allSettled(streams.map((stream) => stream.stop()));
    await network.stop();
    await rm(folder, { recursive: true, force: true });
  }
}
