import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { type FastifyInstance, fastify } from "fastify";
import { addErrorHandling } from "../../node/http/errors.ts";
import { type PushOptions, pushOptions } from "../../node/media-io/push/options.ts";
import { type PushComponents, PushService } from "../../node/media-io/push/push-service.ts";
import { pushRoutes } from "../../node/media-io/push/routes.ts";
import { silentLogger } from "../../sdk/base/logger.ts";
import { defaultsOf } from "./defaults.ts";
import { withDirectory } from "./media/ffmpeg.ts";

/** An HTTP server that takes pushed segments and nothing else, on a free port. */
export class PushServer {
  readonly service: PushService;
  readonly app: FastifyInstance;
  #isStopped = false;

  private constructor(service: PushService, app: FastifyInstance) {
    this.service = service;
    this.app = app;
  }

  static async start(
    authorize: PushComponents["authorize"],
    given: Partial<PushOptions> = {},
    more: Pick<PushComponents, "clock" | "metrics"> = {},
  ): Promise<PushServer> {
    const options: PushOptions = { ...defaultsOf(pushOptions), ...given };
    const service = new PushService({ authorize, logger: silentLogger, ...more }, options);
    await service.start();
    const app = fastify({ routerOptions: { maxParamLength: 256 } });
    addErrorHandling(app, silentLogger);
    await app.register(pushRoutes, { service, options });
    await app.listen({ host: "127.0.0.1", port: 0 });
    return new PushServer(service, app);
  }

  get port(): number {
    return (this.app.server.address() as AddressInfo).port;
  }

  /** As curl does it: without a type, or with one that is wrong. */
  push(path: string, body: Uint8Array | ReadableStream, headers: Record<string, string> = {}): Promise<Response> {
    const duplex = body instanceof ReadableStream ? { duplex: "half" } : {};
    return fetch(`http://127.0.0.1:${this.port}${path}`, { method: "PUT", headers, body, ...duplex } as RequestInit);
  }

  /** Resolves when so many bytes are held; rejects when the server stops before. */
  async whenHeld(isReached: (bytes: number) => boolean): Promise<void> {
    while (!isReached(this.service.heldBytes)) {
      if (this.#isStopped) throw new Error(`stopped with ${this.service.heldBytes} bytes held`);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.app.close();
    await this.service.stop();
  }
}

export async function codeOf(response: Response): Promise<string> {
  const { error } = (await response.json()) as { error: { code: string } };
  return error.code;
}

/** A stream cut into segments of a second as a segmenter writes them: each stands alone, on one clock. */
export async function makeTsSegments(...flags: readonly string[]): Promise<Uint8Array[]> {
  return withDirectory(async (directory) => {
    const cut = ["-f", "segment", "-segment_time", "1", "-segment_format", "mpegts", join(directory, "%03d.ts")];
    await promisify(execFile)("ffmpeg", ["-v", "error", "-nostdin", "-y", ...flags, ...cut]);
    const files = (await readdir(directory)).sort();
    return Promise.all(files.map(async (file) => Uint8Array.from(await readFile(join(directory, file)))));
  });
}
