import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { BenchError } from "./bench-error.ts";
import { startPeer } from "./peer-process.ts";

const PROGRAM = "/usr/sbin/nginx";
const RTMP_MODULE = "/usr/lib/nginx/modules/ngx_rtmp_module.so";

export interface NginxPlace {
  /** Everything that it writes is in here. */
  readonly dir: string;
  readonly httpPort: number;
  /** Undefined: it takes nothing in. */
  readonly rtmpPort?: number;
}

/** Debian's nginx with one worker, in the foreground. @throws BENCH_PEER_MISSING where it is not installed */
export async function startNginx(place: NginxPlace): Promise<{ readonly pid: number; stop(): Promise<void> }> {
  const { dir, httpPort, rtmpPort } = place;
  const needed = rtmpPort === undefined ? [PROGRAM] : [PROGRAM, RTMP_MODULE];
  if (!needed.every((path) => existsSync(path))) {
    const packages = rtmpPort === undefined ? "nginx" : "nginx libnginx-mod-rtmp";
    throw new BenchError(
      { code: "BENCH_PEER_MISSING", peer: "nginx", packages },
      { message: `there is no nginx to compare with; run "apt-get install ${packages}"` },
    );
  }
  await mkdir(join(dir, "hls"), { recursive: true });
  const config = join(dir, "nginx.conf");
  await writeFile(config, configOf(place));
  return startPeer("nginx", { program: PROGRAM, args: ["-p", dir, "-c", config], port: rtmpPort ?? httpPort });
}

function configOf({ dir, httpPort, rtmpPort }: NginxPlace): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  const lines = [
    ...(rtmpPort === undefined ? [] : [`load_module ${RTMP_MODULE};`]),
    "daemon off;",
    // Its worker is whoever runs this: nobody else may read the folder.
    `user ${userInfo().username};`,
    "worker_processes 1;",
    `pid ${dir}/nginx.pid;`,
    `error_log ${dir}/error.log error;`,
    "events { worker_connections 4096; }",
    "http {",
    "  access_log off;",
    "  sendfile on;",
    "  tcp_nopush on;",
    "  keepalive_requests 1000000;",
    ...temporary.map((name) => `  ${name}_temp_path ${dir}/${name};`),
    `  server { listen 127.0.0.1:${httpPort}; root ${dir}/hls; }`,
    "}",
    ...(rtmpPort === undefined
      ? []
      : [
          "rtmp { server {",
          `  listen 127.0.0.1:${rtmpPort};`,
          "  chunk_size 4096;",
          `  application live { live on; hls on; hls_path ${dir}/hls; hls_fragment 2s; hls_playlist_length 60s; }`,
          "} }",
        ]),
  ];
  return `${lines.join("\n")}\n`;
}
