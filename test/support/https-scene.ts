import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type OutgoingHttpHeaders } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { type HttpOptions, httpOptions } from "@leat/node/http/options.ts";
import { createServer, HttpService } from "@leat/node/http/server.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import type { FastifyInstance } from "fastify";
import { makeCertificate, type WrittenCertificate, writeCertificate } from "./certificate.ts";
import { defaultsOf } from "./defaults.ts";
import { ManualClock } from "./manual-clock.ts";

export interface Answered {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly body: Buffer;
}

interface HttpsScene {
  directory: string;
  files: WrittenCertificate;
  clock: ManualClock;
  app: FastifyInstance;
  service: HttpService;
  sessions: ClientHttp2Session[];
}

/** A server with a certificate for each test, which ends with it. To be called in a `describe`. */
export function useHttps() {
  const on = {} as HttpsScene;

  beforeEach(async () => {
    on.directory = await mkdtemp(join(tmpdir(), "leat-https-"));
    on.files = await writeCertificate(on.directory, makeCertificate("first"));
    on.clock = new ManualClock(Date.now());
    on.sessions = [];
  });
  afterEach(async () => {
    for (const session of on.sessions) session.destroy();
    await on.service.stop();
    await rm(on.directory, { recursive: true, force: true });
  });

  return {
    on,
    /** @param add Adds routes before it starts. */
    start: async (
      add: (app: FastifyInstance) => unknown,
      { logger = silentLogger, ...settings }: Partial<HttpOptions> & { readonly logger?: Logger } = {},
    ): Promise<void> => {
      const { certFile, keyFile } = on.files;
      const options = defaultsOf(httpOptions, { port: 0, tls: { port: 0, certFile, keyFile }, ...settings });
      const components = { clock: on.clock, logger, metrics: silentMetrics };
      on.app = await createServer(options, components);
      await add(on.app);
      on.service = new HttpService(on.app, options, components);
      await on.service.start();
    },
    dial: async (ca = on.files.cert): Promise<ClientHttp2Session> => {
      const session = connect(`https://127.0.0.1:${on.service.tlsPort}`, { ca });
      session.on("error", () => {});
      on.sessions.push(session);
      // What it may ask for comes with them.
      await once(session, "remoteSettings");
      return session;
    },
    /** A request of which nothing is read yet. */
    open: (session: ClientHttp2Session, path: string, headers: OutgoingHttpHeaders = {}): ClientHttp2Stream => {
      const stream = session.request({ ":path": path, ...headers });
      stream.on("error", () => {});
      return stream;
    },
    nameOf: (session: ClientHttp2Session) => String((session.socket as TLSSocket).getPeerCertificate().subject.CN),
  };
}

/** Resolves when it is over, whole or not. */
export function untilClosed(stream: Duplex): Promise<void> {
  return new Promise((resolve) => stream.once("close", () => resolve()));
}

/** The whole of an answer. */
export async function readAnswer(stream: ClientHttp2Stream): Promise<Answered> {
  const [headers] = (await once(stream, "response")) as [Record<string, unknown>];
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return { status: Number(headers[":status"]), headers, body: Buffer.concat(chunks) };
}
