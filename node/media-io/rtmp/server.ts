import { createServer, type Server, type Socket } from "node:net";
import type { Logger } from "@leat/sdk/base/logger.ts";
import { type Counter, type MetricsRegister, silentMetrics } from "@leat/sdk/base/metrics.ts";
import type { Startable } from "../../kernel/lifecycle.ts";
import { type Authorize, RtmpConnection } from "./connection.ts";
import { RtmpError } from "./errors.ts";

export interface RtmpServerOptions {
  readonly host: string;
  /** 0: whichever is free; `port` then tells which. */
  readonly port: number;
  readonly authorize: Authorize;
  readonly logger: Logger;
  readonly metrics?: MetricsRegister;
  /** The first part of the path: `rtmp://host/live/KEY`. */
  readonly app?: string;
  readonly maxConnections?: number;
  /** A connection that sends nothing for this long is lost. */
  readonly idleMs?: number;
  /** From connecting to publishing. */
  readonly publishTimeoutMs?: number;
  /** A faster publisher is slowed down; 25 MB/s is 200 Mb/s. */
  readonly maxBytesPerSecond?: number;
}

export interface RtmpServer extends Startable {
  /** Known once started. */
  readonly port: number;
}

export function createRtmpServer(options: RtmpServerOptions): RtmpServer {
  return new NetRtmpServer(options);
}

class NetRtmpServer implements RtmpServer {
  readonly #options: Required<RtmpServerOptions>;
  readonly #server: Server;
  readonly #connections = new Map<Socket, Promise<void>>();
  readonly #accepted: Counter;
  readonly #turnedAway: Counter;
  #port: number;

  constructor(options: RtmpServerOptions) {
    this.#options = {
      app: "live",
      maxConnections: 256,
      idleMs: 30_000,
      publishTimeoutMs: 20_000,
      maxBytesPerSecond: 25_000_000,
      metrics: silentMetrics,
      ...options,
    };
    const { metrics } = this.#options;
    this.#port = options.port;
    this.#accepted = metrics.counter({ name: "leat_rtmp_connections_total", help: "RTMP connections accepted" });
    this.#turnedAway = metrics.counter({ name: "leat_rtmp_refused_total", help: "RTMP connections over the limit" });
    this.#server = createServer({ pauseOnConnect: false }, (socket) => this.#accept(socket));
  }

  get port(): number {
    return this.#port;
  }

  start(): Promise<void> {
    const { host, port, logger } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once("error", (error: NodeJS.ErrnoException) => {
        const isBusy = error.code === "EADDRINUSE";
        reject(isBusy ? new RtmpError({ code: "RTMP_PORT_BUSY", host, port }, { cause: error }) : error);
      });
      this.#server.listen(port, host, () => {
        const address = this.#server.address();
        if (typeof address === "object" && address !== null) this.#port = address.port;
        this.#server.removeAllListeners("error");
        this.#server.on("error", (error) => logger.error("Accept RTMP connection failed", { error }));
        logger.info("Listen for RTMP", { host, port: this.#port });
        resolve();
      });
    });
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#connections.keys()) socket.destroy();
    await Promise.all(this.#connections.values());
    await closed;
  }

  #accept(socket: Socket): void {
    if (this.#connections.size >= this.#options.maxConnections) {
      this.#turnedAway.add();
      socket.destroy();
      return;
    }
    this.#accepted.add();
    const done = new RtmpConnection(socket, this.#options).run().finally(() => this.#connections.delete(socket));
    this.#connections.set(socket, done);
  }
}
