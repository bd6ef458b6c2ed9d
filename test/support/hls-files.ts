import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { withDirectory } from "./media/ffmpeg.ts";
import type { SourceServer } from "./source-server.ts";

const run = promisify(execFile);

/** Every file of a presentation, by its name. */
export type HlsFiles = Map<string, Buffer>;

/** As the ffmpeg program writes it: `live.m3u8`, and whatever that names. */
export async function makeHls(...flags: readonly string[]): Promise<HlsFiles> {
  return withDirectory(async (directory) => {
    const args = ["-v", "error", "-nostdin", "-y", ...flags, "-f", "hls", "-hls_list_size", "0"];
    await run("ffmpeg", [...args, "live.m3u8"], { cwd: directory });
    const names = await readdir(directory);
    return new Map(
      await Promise.all(names.map(async (name) => [name, await readFile(join(directory, name))] as const)),
    );
  });
}

/** A master playlist whose one variant has its pictures below `v/` and its sound below `a/`. */
export const soundApart = [
  "#EXTM3U",
  '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="own",DEFAULT=YES,URI="a/live.m3u8"',
  '#EXT-X-STREAM-INF:BANDWIDTH=500000,CODECS="avc1.42c00a,mp4a.40.2",AUDIO="a"',
  "v/live.m3u8",
].join("\n");

/** Serves them; `live` may answer in the place of a file. */
export function serveFiles(
  server: SourceServer,
  files: HlsFiles,
  live: (name: string) => string | undefined = () => undefined,
) {
  server.answer = ({ url = "", headers }, response) => {
    const name = url.slice(1);
    const body = live(name) ?? files.get(name);
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? "") ?? [];
    if (body === undefined) response.writeHead(404).end();
    else if (from === undefined) response.end(body);
    else response.writeHead(206).end(Buffer.from(body).subarray(Number(from), Number(to) + 1));
  };
}
