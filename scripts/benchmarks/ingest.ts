import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readTreePssBytes } from "@leat/node/kernel/process-load.ts";
import type { BenchCase, BenchOptions } from "./case.ts";
import { withNetwork } from "./support/bench-network.ts";
import { adjust, ingestNode } from "./support/ingest-node.ts";
import { startNginxRtmp, startNodeMediaServer } from "./support/ingest-peers.ts";
import type { IngestServer } from "./support/ingest-server.ts";
import { judgeLimits } from "./support/limits.ts";
import { treeCpuSeconds } from "./support/process-cost.ts";
import { Publishers, writeCameraFile } from "./support/publishers.ts";

const STREAMS = 30;
const FILE_S = 20;
/** Longer than what is kept of a stream that nobody watches. */
const FILL_MS = 60_000;
const BEGIN_MS = 10_000;
const MEASURE_MS = 30_000;
/** Longer than what is kept of a stream that is offered: from then on as much leaves as comes. */
const SETTLE_MS = 90_000;
const MOST_RATIO = 1.5;
const MOST_IDLE_BYTES = 12_000_000;

interface Cost {
  readonly cpuSeconds: number;
  readonly beginningCpuSeconds: number;
  readonly idleCpuSeconds: number;
  readonly memoryPerIdleStreamBytes: number;
}

/**
 * What it costs to take 30 publishers of 2.65 Mb/s in by RTMP (H.264 of 720p30, and AAC) and to offer each by HLS, as it
 * comes in: CPU of 30 s of it, beside nginx-rtmp and node-media-server, one after the other with the same publishers,
 * which are a process of their own that nobody is charged for.
 *
 * All three keep 60 s of each stream, and are measured once they have them. A node begins to when its first viewer is
 * sent there, where the others have from the start: what the 30 s cost that begin 10 s later stands beside it.
 *
 * Counted of ours: one node with all that it starts, which asks the balancer who may publish, checks, segments and hashes
 * each part, signs receipts of them, writes receipts and vouchers to disk, and has each stream at its edge, itself, where
 * the first viewer was sent (marks of parts are signed for other nodes alone); its media is served from memory. Chain, balancer and the buyer's agent are other machines' cost. Of nginx: its
 * processes, which write HLS to disk. Of node-media-server: its process and the ffmpeg program of each stream, which does
 * that for it. Neither of them checks, hashes or signs anything. Nobody watches while it is measured.
 *
 * An idle stream is one that is published and that nobody has asked to watch: how much the proportional share of memory
 * (PSS) of the node with all that it starts grows by 30 of them, once as much of them is kept as will be, for each.
 */
export const run: BenchCase = async ({ log, signal }) => {
  const dir = await mkdtemp(join(tmpdir(), "leat-bench-ingest-"));
  try {
    const file = join(dir, "camera.flv");
    await writeCameraFile(file, { durationS: FILE_S, sound: true });
    const costs: Record<string, Cost> = {};
    const measure = async (server: IngestServer | undefined) => {
      if (server === undefined) return log("node-media-server is left out: npm did not bring it");
      try {
        costs[server.name] = await measureServer(server, file, { log, signal });
      } finally {
        await server.stop();
      }
    };
    await measure(await startNginxRtmp(await mkdtemp(join(dir, "nginx-"))));
    await measure(await startNodeMediaServer(await mkdtemp(join(dir, "nms-"))));
    await withNetwork(log, adjust, (network) => measure(ingestNode(network)));
    return summarize(costs);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
};

function summarize(costs: Readonly<Record<string, Cost>>) {
  const ours = costs.leat!;
  const ratioTo = (name: string, time: "cpuSeconds" | "beginningCpuSeconds" = "cpuSeconds") => {
    const peer = costs[name];
    return peer === undefined ? null : ours[time] / peer[time];
  };
  const rows = Object.entries(costs).map(([server, cost]) => ({
    server,
    streams: STREAMS,
    cpuPercent: round((100_000 * cost.cpuSeconds) / MEASURE_MS),
    beginningCpuPercent: round((100_000 * cost.beginningCpuSeconds) / MEASURE_MS),
    idleCpuPercent: round((100_000 * cost.idleCpuSeconds) / MEASURE_MS),
    memoryPerIdleStreamMb: round(cost.memoryPerIdleStreamBytes / 1e6),
  }));
  const ratioToNginxRtmp = ratioTo("nginx-rtmp");
  const { memoryPerIdleStreamBytes } = ours;
  const shortfall = judgeLimits([
    { figure: "ratioToNginxRtmp", value: ratioToNginxRtmp ?? Number.NaN, most: MOST_RATIO },
    { figure: "memoryPerIdleStreamBytes", value: memoryPerIdleStreamBytes, most: MOST_IDLE_BYTES },
  ]);
  const json = {
    ratioToNginxRtmp: roundRatio(ratioToNginxRtmp),
    ratioToNodeMediaServer: roundRatio(ratioTo("node-media-server")),
    beginningRatioToNginxRtmp: roundRatio(ratioTo("nginx-rtmp", "beginningCpuSeconds")),
    memoryPerIdleStreamBytes,
    streams: STREAMS,
    measuredSeconds: MEASURE_MS / 1_000,
    costs,
  };
  return { rows, json, shortfall };
}

/** For people, and three digits: a limit is held against what was measured. */
function roundRatio(ratio: number | null): number | null {
  return ratio === null ? null : Number(ratio.toFixed(3));
}

async function measureServer(server: IngestServer, file: string, { log, signal }: BenchOptions): Promise<Cost> {
  signal.throwIfAborted();
  const urls = await server.urls(STREAMS);
  const emptyBytes = await readTreePssBytes(server.pid);
  const publishers = await Publishers.start({ file, urls });
  try {
    log(`${server.name}: ${STREAMS} publishers, and nobody watches`);
    await sleep(FILL_MS, undefined, { signal });
    const idleCpuSeconds = await measureCpu(server, publishers, signal);
    const grownBytes = (await readTreePssBytes(server.pid)) - emptyBytes;
    await server.offered();
    log(`${server.name}: all are offered by HLS`);
    await sleep(BEGIN_MS, undefined, { signal });
    const beginningCpuSeconds = await measureCpu(server, publishers, signal);
    await sleep(SETTLE_MS - BEGIN_MS - MEASURE_MS, undefined, { signal });
    const cpuSeconds = await measureCpu(server, publishers, signal);
    return {
      cpuSeconds,
      beginningCpuSeconds,
      idleCpuSeconds,
      memoryPerIdleStreamBytes: Math.round(grownBytes / STREAMS),
    };
  } finally {
    await publishers.stop();
  }
}

async function measureCpu(server: IngestServer, publishers: Publishers, signal: AbortSignal): Promise<number> {
  const before = await treeCpuSeconds(server.pid);
  await sleep(MEASURE_MS, undefined, { signal });
  publishers.assertPublishing();
  return round((await treeCpuSeconds(server.pid)) - before);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
