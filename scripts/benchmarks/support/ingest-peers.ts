import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { waitFor } from "../../../test/support/e2e-stream.ts";
import { findFreePorts } from "../../../test/support/free-ports.ts";
import type { IngestServer } from "./ingest-server.ts";
import { startNginx } from "./nginx.ts";
import { startPeer } from "./peer-process.ts";

/** The last of node-media-server that writes HLS, by the ffmpeg program; later ones do not. */
const NODE_MEDIA_SERVER = "node-media-server@2.7.4";
const OFFERED_MS = 60_000;

/** nginx-rtmp: HLS of two seconds a file, 60 s of them kept on disk. */
export async function startNginxRtmp(dir: string): Promise<IngestServer> {
  const [rtmpPort, httpPort] = await findFreePorts(2);
  const { pid, stop } = await startNginx({ dir, httpPort: httpPort!, rtmpPort: rtmpPort! });
  const names: string[] = [];
  return {
    name: "nginx-rtmp",
    pid,
    urls: async (count) => nameStreams(names, count).map((name) => `rtmp://127.0.0.1:${rtmpPort}/live/${name}`),
    offered: () => whenAnswered(names.map((name) => `http://127.0.0.1:${httpPort}/${name}.m3u8`)),
    stop,
  };
}

/** node-media-server with one ffmpeg program a stream, which writes HLS of what comes in as it is. Undefined where npm brings none. */
export async function startNodeMediaServer(dir: string): Promise<IngestServer | undefined> {
  await writeFile(join(dir, "package.json"), JSON.stringify({ private: true }));
  try {
    await promisify(execFile)("npm", ["install", "--no-audit", "--no-fund", "--ignore-scripts", NODE_MEDIA_SERVER], {
      cwd: dir,
    });
  } catch {
    return undefined;
  }
  const [rtmpPort, httpPort] = await findFreePorts(2);
  const settings = {
    logType: 0,
    rtmp: { port: rtmpPort, chunk_size: 4_096, gop_cache: true, ping: 30, ping_timeout: 60 },
    http: { port: httpPort, mediaroot: join(dir, "media"), allow_origin: "*" },
    trans: {
      ffmpeg: "/usr/bin/ffmpeg",
      tasks: [{ app: "live", hls: true, hlsFlags: "[hls_time=2:hls_list_size=30:hls_flags=delete_segments]" }],
    },
  };
  const program = join(dir, "serve.cjs");
  await writeFile(program, `new (require("node-media-server"))(${JSON.stringify(settings)}).run();\n`);
  const { pid, stop } = await startPeer("node-media-server", {
    program: process.execPath,
    args: [program],
    port: rtmpPort!,
  });
  const names: string[] = [];
  return {
    name: "node-media-server",
    pid,
    urls: async (count) => nameStreams(names, count).map((name) => `rtmp://127.0.0.1:${rtmpPort}/live/${name}`),
    offered: () => whenAnswered(names.map((name) => `http://127.0.0.1:${httpPort}/live/${name}/index.m3u8`)),
    stop,
  };
}

/** Resolves when each playlist is there. */
export async function whenAnswered(urls: readonly string[]): Promise<void> {
  for (const url of urls) {
    await waitFor(`${url} to be there`, OFFERED_MS, async () => (await fetch(url)).ok || undefined);
  }
}

function nameStreams(names: string[], count: number): readonly string[] {
  for (let at = 0; at < count; at += 1) names.push(randomUUID());
  return names.slice(-count);
}
