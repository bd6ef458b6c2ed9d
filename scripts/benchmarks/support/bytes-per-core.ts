import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { findFreePorts } from "../../../test/support/free-ports.ts";
import type { FileCrowdArguments } from "./file-crowd.ts";
import { startNginx } from "./nginx.ts";
import { treeCpuSeconds } from "./process-cost.ts";

const CONNECTIONS = 8;
const FILES = 8;
const TURN_MS = 8_000;
const TURNS = 2;

export interface BytesPerCore {
  /** Megabytes for each second of CPU. */
  readonly edgeMbPerCpuSecond: number;
  readonly nginxMbPerCpuSecond: number;
  readonly bytesPerCoreRatio: number;
}

/**
 * The newest whole segments of an edge's media playlist, fetched over and over by eight viewers as fast as they come: how
 * many bytes a second of CPU serves, beside nginx that sends the same bytes from files with sendfile. They take turns.
 * All that the edge does for its viewers is counted (every byte for its receipts too), and nothing of who fetches. What
 * either costs in as long a time when nobody fetches is taken off: an edge pulls its stream whoever watches.
 * @throws BENCH_PEER_MISSING
 */
export async function compareWithSendfile(playlistUrl: string, edgePid: number): Promise<BytesPerCore> {
  const dir = await mkdtemp(join(tmpdir(), "leat-bench-nginx-"));
  const [httpPort] = await findFreePorts(1);
  const nginx = await startNginx({ dir, httpPort: httpPort! });
  try {
    const edge = { bytes: 0, cpuSeconds: 0 };
    const peer = { bytes: 0, cpuSeconds: 0 };
    for (let turn = 0; turn < TURNS; turn += 1) {
      const urls = await newestSegments(playlistUrl);
      const copies = await copyInto(join(dir, "hls", String(turn)), urls);
      const there = copies.map((name) => `http://127.0.0.1:${httpPort}/${turn}/${name}`);
      await addTurn(edge, edgePid, urls);
      await addTurn(peer, nginx.pid, there);
    }
    const [ours, theirs] = [edge, peer].map(({ bytes, cpuSeconds }) => bytes / 1e6 / cpuSeconds) as [number, number];
    return {
      edgeMbPerCpuSecond: Math.round(ours),
      nginxMbPerCpuSecond: Math.round(theirs),
      bytesPerCoreRatio: Math.round((ours / theirs) * 1_000) / 1_000,
    };
  } finally {
    await nginx.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

async function addTurn(sum: { bytes: number; cpuSeconds: number }, pid: number, urls: readonly string[]) {
  const first = await treeCpuSeconds(pid);
  await sleep(TURN_MS);
  const before = await treeCpuSeconds(pid);
  const restSeconds = before - first;
  sum.bytes += await fetchFiles({ urls, connections: CONNECTIONS, durationMs: TURN_MS });
  sum.cpuSeconds += (await treeCpuSeconds(pid)) - before - restSeconds;
}

async function fetchFiles(given: FileCrowdArguments): Promise<number> {
  const child = fork(new URL("./file-crowd.ts", import.meta.url), [JSON.stringify(given)]);
  const gone = once(child, "exit");
  const [bytes] = await Promise.race([once(child, "message"), gone]);
  await gone;
  if (child.exitCode !== 0) throw new Error("who fetches files ended before its time");
  return bytes as number;
}

async function newestSegments(playlistUrl: string): Promise<string[]> {
  const text = await (await fetch(playlistUrl)).text();
  const uris = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return uris.slice(-FILES).map((uri) => new URL(uri, playlistUrl).href);
}

async function copyInto(dir: string, urls: readonly string[]): Promise<string[]> {
  await mkdir(dir, { recursive: true });
  const names = urls.map((_, at) => `${at}.m4s`);
  for (const [at, url] of urls.entries()) {
    await writeFile(join(dir, names[at]!), Buffer.from(await (await fetch(url)).arrayBuffer()));
  }
  return names;
}
