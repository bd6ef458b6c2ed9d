import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { createStream } from "@leat/sdk/client/actions/streams.ts";
import { getPlayback, type Playback } from "@leat/sdk/client/actions/watch.ts";
import type { LadderRequest } from "@leat/sdk/protocol/job.ts";
import type { TestNetwork } from "../../test/support/e2e-network.ts";
import { waitFor } from "../../test/support/e2e-stream.ts";
import { buyerOf } from "../network/demo.ts";
import type { BenchCase, BenchOptions, BenchResult } from "./case.ts";
import { withNetwork } from "./support/bench-network.ts";
import { compareWithSendfile } from "./support/bytes-per-core.ts";
import type { CrowdFigures } from "./support/hls-crowd.ts";
import { judgeLimits, type Limit } from "./support/limits.ts";
import { cpuMsOf, readMetric, waitedMsOf } from "./support/process-cost.ts";
import { lowerPriority, ViewerProcess } from "./support/viewer-process.ts";

/** LL-HLS and WHEP viewers of each row; the first row is what the JSON's own fields tell. */
const CROWDS = [
  { hlsViewers: 150, whepViewers: 20 },
  { hlsViewers: 500, whepViewers: 0 },
  { hlsViewers: 0, whepViewers: 50 },
] as const;
/** Of the first crowd. */
const limits: readonly Omit<Limit, "value">[] = [
  { figure: "bytesPerCoreRatio", least: 0.3 },
  { figure: "cpuPercent", most: 60 },
  { figure: "answeredPercent", least: 99.9 },
  { figure: "behindPartTargets", most: 2 },
  { figure: "loopDelayP99Ms", most: 20 },
];
const MEASURE_MS = 60_000;
const SETTLE_MS = 10_000;
const PLAYABLE_MS = 120_000;
const LOOP_DELAY = "leat_process_event_loop_delay_p99_seconds";
const EDGE = "node-c";

const ladder: LadderRequest = [
  { name: "360p", codec: "h264", height: 360, videoBitrate: 1_500_000, audioBitrate: 96_000 },
];

/** Roles of each node here: whoever serves viewers does nothing else. */
const roles: Readonly<Record<string, readonly string[]>> = {
  "node-a": ["ingest"],
  "node-b": ["transcode"],
  [EDGE]: ["delivery"],
};

const FILE_S = 64;
/** Noise over a pattern, which fills its bitrate whatever it is asked for. */
const file = [
  ...["-v", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30,noise=alls=30:allf=t"],
  ...["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-t", String(FILE_S)],
  ...["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-bf", "0", "-g", "60", "-b:v", "2500k"],
  ...["-maxrate", "2500k", "-bufsize", "2500k", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "96k", "-f", "flv"],
];
/** The ffmpeg program publishes it over and over: an encoder would take from the processors that are measured. */
const publish = (path: string, url: string) => [
  ...["-v", "error", "-nostdin", "-re", "-stream_loop", "-1", "-i", path, "-c", "copy", "-f", "flv", url],
];

/**
 * What an edge costs that serves one 1.5 Mb/s stream, its viewers in a process of their own: CPU of the whole edge node
 * (receipts, access, metrics and vouchers in), share of requests that were answered, how far the last viewer had a part
 * behind the first, and the delay of the edge's event loop. All else is other machines in earnest and shares this one with
 * it: while viewers watch, they, the publisher, the chain, balancer, buyer and the other nodes run when the edge does not
 * want to, and are alike to each other, lest viewers wait for the transcoder.
 * `loopWaitedPercent` is the part of the time in which that loop had to wait for a CPU: what is late by that is late by the
 * machine. And how many bytes of HLS a second of its CPU serves, beside nginx.
 */
export const run: BenchCase = ({ log, signal }) => withNetwork(log, adjust, (network) => runAll(network, log, signal));

async function runAll(network: TestNetwork, log: BenchOptions["log"], signal: AbortSignal): Promise<BenchResult> {
  let publisher: ChildProcess | undefined;
  const directory = await mkdtemp(join(tmpdir(), "leat-bench-viewers-"));
  try {
    const path = join(directory, "camera.flv");
    await promisify(execFile)("ffmpeg", [...file, path]);
    const token = network.economy.deployment.tokens.USDC;
    const request = { ladder, token, unsignedBudgetBytes: 100_000_000_000n };
    // Nodes that were just started are offered once they have told the balancer of themselves.
    const created = await waitFor("an ingest node", PLAYABLE_MS, () =>
      createStream(buyerOf(network), request).catch(() => undefined),
    );
    const url = created.ingestUrls.find((one) => one.startsWith("rtmp:"))!;
    publisher = spawn("ffmpeg", publish(path, url), { stdio: ["ignore", "ignore", "inherit"] });
    lowerPriority(publisher.pid);
    const playback = await waitFor("the stream to be playable", PLAYABLE_MS, async () => {
      const found = await getPlayback(network, created.slug);
      return (await fetch(found.primary.hls)).ok ? found : undefined;
    });
    const rows: Record<string, number>[] = [];
    log("bytes beside nginx with sendfile");
    const { primary } = playback;
    await sleep(SETTLE_MS);
    const perCore = await compareWithSendfile(new URL("360p/index.m3u8", primary.hls).href, network.pids.get(EDGE)!);
    for (const [name, pid] of network.pids) if (name !== EDGE) lowerPriority(pid);
    for (const crowd of CROWDS) {
      signal.throwIfAborted();
      if (publisher.exitCode !== null) throw new Error("the publisher was turned away: there is nothing to watch");
      log(`${crowd.hlsViewers} viewers by LL-HLS and ${crowd.whepViewers} by WHEP for ${MEASURE_MS / 1_000} s`);
      rows.push({ ...crowd, ...(await measure(network, playback, crowd)) });
    }
    const [first, ...more] = rows as [Record<string, number>, ...Record<string, number>[]];
    const figures: Record<string, number> = { ...perCore, ...first };
    const shortfall = judgeLimits(limits.map((limit) => ({ ...limit, value: figures[limit.figure] ?? Number.NaN })));
    return { rows: rows.map((row) => ({ ...row, ...perCore })), json: { ...figures, more }, shortfall };
  } finally {
    publisher?.kill("SIGTERM");
    await rm(directory, { recursive: true, force: true });
  }
}

function adjust(name: string, config: Record<string, unknown>): Record<string, unknown> {
  const node = config.node as Record<string, unknown>;
  const http = config.http as Record<string, unknown>;
  return {
    ...config,
    node: { ...node, ...(roles[name] === undefined ? {} : { roles: roles[name] }) },
    // All viewers have one address here.
    http: { ...http, requestsPerMinute: 1_000_000 },
  };
}

type Crowd = (typeof CROWDS)[number];

async function measure(network: TestNetwork, { primary }: Playback, crowd: Crowd): Promise<Record<string, number>> {
  const ways = [
    { way: "hls", url: primary.hls, viewers: crowd.hlsViewers },
    { way: "whep", url: new URL("whep", primary.hls).href, viewers: crowd.whepViewers },
  ] as const;
  const watching: ViewerProcess[] = [];
  try {
    for (const one of ways) if (one.viewers > 0) watching.push(await ViewerProcess.start(one));
    await sleep(SETTLE_MS);
    const pid = network.pids.get(EDGE)!;
    const read = async () => Object.assign({}, ...(await Promise.all(watching.map((one) => one.read())))) as Seen;
    await read();
    await readMetric(network.httpUrl(EDGE), LOOP_DELAY);
    const [beginMs, beginCpuMs, beginWaitedMs] = [performance.now(), cpuMsOf(pid), waitedMsOf(pid)];
    await sleep(MEASURE_MS);
    const tookMs = performance.now() - beginMs;
    const cpuPercent = round((100 * (cpuMsOf(pid) - beginCpuMs)) / tookMs);
    const loopWaitedPercent = round((100 * (waitedMsOf(pid) - beginWaitedMs)) / tookMs);
    const { hls, pictures = [] } = await read();
    const loopDelayP99Ms = round((await readMetric(network.httpUrl(EDGE), LOOP_DELAY)) * 1_000);
    const { requests = 0, answered = 0, bodyBytes = 0, behindPartTargets = 0, missedParts = 0 } = hls ?? {};
    return {
      cpuPercent,
      answeredPercent: requests === 0 ? 100 : round((100 * answered) / requests),
      behindPartTargets: round(behindPartTargets),
      missedParts,
      loopDelayP99Ms,
      loopWaitedPercent,
      requestsPerSecond: Math.round((requests * 1_000) / tookMs),
      hlsMbps: round((bodyBytes * 8) / tookMs / 1_000),
      whepLeastFps: round(
        (Math.min(...pictures, Number.MAX_SAFE_INTEGER) * (pictures.length > 0 ? 1_000 : 0)) / tookMs,
      ),
    };
  } finally {
    for (const one of watching) await one.stop();
  }
}

interface Seen {
  readonly hls?: CrowdFigures;
  readonly pictures?: readonly number[];
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
