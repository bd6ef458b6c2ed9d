import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { promisify } from "node:util";
import { withDirectory } from "./media/ffmpeg.ts";

/**
 * What a go-livepeer gateway with an orchestrator does on the wire, as its source says it (go-livepeer 176aa415,
 * server/mediaserver.go HandlePush and server/auth.go; LPMS eca118f2, ffmpeg/ffmpeg.go and encoder.c). The head and the
 * parts of an answer are laid out as those of a running gateway were:
 *
 * - PUT or POST `/live/NAME/NUMBER.ts`, the body a transport stream; another method is 405, another ending 400. The header
 *   `Livepeer-Transcode-Configuration` is JSON, 400 where it cannot be read; its profiles stand for all that follows under
 *   the name. Lengths are in `Content-Duration`, milliseconds, 2000 where it is missing.
 * - `Content-Slice-From` and `-To`, milliseconds after the first picture: pictures before and after are left out, the first
 *   that is left is a key frame, and times begin again at 0.
 * - 200 once all is transcoded, chunked; with `Accept: multipart/mixed` one part for each profile in their order, its
 *   headers in the order of the alphabet, a boundary of 20 hexadecimal digits, no line before the first boundary.
 * - A picture keeps the shape of the source: the larger side is the profile's larger side, the other follows from it.
 * - A refusal is plain text with a line's end: 500 what failed, 503 nobody who transcodes, 422 what no repetition helps.
 */
export interface GatewayRequest {
  readonly method: string;
  readonly path: string;
  /** Names and values as they came, one after the other. */
  readonly rawHeaders: readonly string[];
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

interface Profile {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly bitrate: number;
}

export interface MadePart {
  readonly name: string;
  readonly type: string;
  readonly ending: string;
  readonly data: Buffer;
}

export interface GatewayReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** The connection is lost behind the body. */
  readonly isCut?: boolean;
}

/** Another answer than the one that a gateway gives; `undefined` leaves it as it is, "never" none at all. */
export type GatewayFault = (
  request: GatewayRequest,
  made: () => Promise<readonly MadePart[]>,
) => Promise<GatewayReply | "never" | undefined> | GatewayReply | "never" | undefined;

export class GatewayServer {
  readonly requests: GatewayRequest[] = [];
  readonly #server: Server;
  readonly #profiles = new Map<string, readonly Profile[]>();
  fault: GatewayFault | undefined;
  /** What its encoder is told besides. */
  flags: readonly string[] = [];
  url = "";

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => response.destroy(error as Error));
    });
  }

  static async start(fault?: GatewayFault): Promise<GatewayServer> {
    const gateway = new GatewayServer();
    gateway.fault = fault;
    gateway.#server.listen(0, "127.0.0.1");
    await once(gateway.#server, "listening");
    gateway.url = `http://127.0.0.1:${(gateway.#server.address() as AddressInfo).port}`;
    return gateway;
  }

  /** May be called twice. */
  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const request: GatewayRequest = {
      method: message.method!,
      path: message.url!,
      rawHeaders: message.rawHeaders,
      headers: message.headers as Record<string, string | undefined>,
      body: await buffer(message),
    };
    this.requests.push(request);
    const made = () => this.#transcode(request);
    const reply = (await this.fault?.(request, made)) ?? (await replyTo(request, made));
    if (reply === "never") return;
    response.writeHead(reply.status, reply.headers);
    response.write(reply.body, () => (reply.isCut ? response.destroy() : response.end()));
  }

  async #transcode(request: GatewayRequest): Promise<MadePart[]> {
    const [, , name = "", file = ""] = request.path.split("/");
    const configuration = JSON.parse(request.headers["livepeer-transcode-configuration"] ?? "{}") as {
      profiles?: Profile[];
    };
    const profiles = this.#profiles.get(name) ?? configuration.profiles ?? [];
    this.#profiles.set(name, profiles);
    const slice = [request.headers["content-slice-from"], request.headers["content-slice-to"]] as const;
    const number = Number.parseInt(file, 10);
    return withDirectory(async (directory) => {
      const input = join(directory, "in.ts");
      await writeFile(input, request.body);
      return Promise.all(
        profiles.map(async (profile) => {
          const data = await encode(input, join(directory, `${profile.name}.ts`), profile, slice, this.flags);
          return { name: profile.name, type: "video/mp2t", ending: `${number}.ts`, data };
        }),
      );
    });
  }
}

async function replyTo(request: GatewayRequest, made: () => Promise<readonly MadePart[]>): Promise<GatewayReply> {
  const { method, path, headers } = request;
  if (method !== "PUT" && method !== "POST") return refuse(405, `http push request wrong method=${method}`);
  if (!path.endsWith(".ts")) return refuse(400, "ignoring file extension: ");
  const parts = await made();
  return headers.accept === "multipart/mixed" ? multipart(parts) : { status: 200, headers: {}, body: Buffer.alloc(0) };
}

/** As Go's `mime/multipart` writes it. */
export function multipart(parts: readonly MadePart[], boundary = randomBytes(10).toString("hex")): GatewayReply {
  const pieces = parts.flatMap(({ name, type, ending, data }, index) => {
    const file = `"${name}_${ending}"`;
    const head = [
      `${index === 0 ? "" : "\r\n"}--${boundary}`,
      `Content-Disposition: attachment; filename=${file}`,
      `Content-Length: ${data.length}`,
      `Content-Type: ${type}; name=${file}`,
      `Rendition-Name: ${name}`,
    ];
    return [Buffer.from(`${head.join("\r\n")}\r\n\r\n`), data];
  });
  const body = Buffer.concat([...pieces, Buffer.from(`\r\n--${boundary}--\r\n`)]);
  return { status: 200, headers: { "Content-Type": `multipart/mixed; boundary=${boundary}` }, body };
}

/** As Go's `http.Error` writes it. */
export function refuse(status: number, text: string): GatewayReply {
  const headers = { "Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff" };
  return { status, headers, body: Buffer.from(`${text}\n`) };
}

async function encode(
  input: string,
  output: string,
  { width, height, bitrate }: Profile,
  [from = "0", to = "0"]: readonly [string | undefined, string | undefined],
  more: readonly string[],
): Promise<Buffer> {
  const side = Math.max(width, height);
  const scale = `scale=w='if(gte(iw,ih),${side},-2)':h='if(gte(iw,ih),-2,${side})'`;
  const after = `gte(round((t-start_t)*1000000),${from}*1000)`;
  const until = to === "0" ? "1" : `lte(round((t-start_t)*1000000),${to}*1000)`;
  const shift = from === "0" ? "PTS" : `PTS-STARTPTS`;
  const filter = `select='${after}*${until}',${scale},setpts=${shift},format=yuv420p`;
  const video = [
    "-c:v",
    "libx264",
    "-preset",
    "veryfast",
    "-profile:v",
    "high",
    "-bf",
    "0",
    "-b:v",
    String(bitrate),
    ...more,
  ];
  const times = [
    "-copyts",
    "-fps_mode",
    "passthrough",
    "-enc_time_base",
    "1:90000",
    "-muxdelay",
    "0",
    "-muxpreload",
    "0",
  ];
  const flags = [
    "-v",
    "error",
    "-nostdin",
    "-y",
    "-i",
    input,
    "-an",
    "-vf",
    filter,
    ...video,
    ...times,
    "-f",
    "mpegts",
  ];
  await promisify(execFile)("ffmpeg", [...flags, output]);
  return readFile(output);
}
