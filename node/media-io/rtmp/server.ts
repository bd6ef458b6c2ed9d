import { createServer, type Server, type Socket } from "node:net";
import type { Logger } from "@leat/sdk/base/logger.ts";
import { type Counter, type MetricsRegister, silentMetrics } from "@leat/sdk/base/metrics.ts";
import { type Clock, systemClock } from "../../kernel/clock.ts";
import type { Startable } from "../../kernel/lifecycle.ts";
import { networkOf } from "../../kernel/net/address-rate.ts";
import type { PublishInfo } from "../publish-sink.ts";
import { type Authorize, RtmpConnection } from "./connection.ts";
import { close, listen } from "./listen.ts";
import { createPublisherTurns, type PublisherTurns } from "./publisher-turns.ts";
import { type RtmpTlsOptions, TlsListener } from "./tls-listener.ts";

/** What one network may take of the places with connections that have not published: a fourth, or so many. */
const WAITING_PART = 4;
const FEWEST_WAITING = 4;

export interface RtmpServerOptions {
  readonly host: string;
  /** 0: whichever is free; `port` then tells which. */
  readonly port: number;
  /** Publishers are taken over TLS too, at a port of its own. */
  readonly tls?: RtmpTlsOptions | undefined;
  readonly authorize: Authorize;
  readonly logger: Logger;
  readonly metrics?: MetricsRegister;
  readonly clock?: Clock;
  readonly turns?: PublisherTurns;
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
  /** That of RTMPS; undefined without it. */
  readonly tlsPort: number | undefined;
  /** Where publishers are sent: over TLS where that is possible. Known once started. */
  readonly url: string;
}

export function createRtmpServer(options: RtmpServerOptions): RtmpServer {
  return new NetRtmpServer(options);
}

type Settled = Required<Omit<RtmpServerOptions, "tls">>;

class NetRtmpServer implements RtmpServer {
  readonly #options: Settled;
  readonly #server: Server;
  readonly #secure: TlsListener | undefined;
  readonly #connections = new Map<Socket, { readonly connection: RtmpConnection; readonly done: Promise<void> }>();
  readonly #accepted: Counter;
  readonly #turnedAway: Counter;
  #port: number;
  #tlsPort: number | undefined;

  constructor({ tls, ...options }: RtmpServerOptions) {
    this.#options = {
      app: "live",
      maxConnections: 256,
      idleMs: 30_000,
      publishTimeoutMs: 20_000,
      maxBytesPerSecond: 25_000_000,
      metrics: silentMetrics,
      clock: systemClock,
      turns: createPublisherTurns(),
      ...options,
    };
    const { metrics, clock, logger, host, maxConnections } = this.#options;
    this.#port = options.port;
    this.#accepted = metrics.counter({ name: "leat_rtmp_connections_total", help: "RTMP connections accepted" });
    this.#turnedAway = metrics.counter({ name: "leat_rtmp_refused_total", help: "RTMP connections over the limit" });
    this.#server = createServer({ pauseOnConnect: false }, (socket) => this.#accept(socket, "rtmp"));
    if (tls === undefined) return;
    const onConnection = (socket: Socket) => this.#accept(socket, "rtmps");
    this.#tlsPort = tls.port;
    this.#secure = new TlsListener({ ...tls, host, maxConnections }, { clock, logger, metrics, onConnection });
  }

  get port(): number {
    return this.#port;
  }

  get tlsPort(): number | undefined {
    return this.#tlsPort;
  }

  get url(): string {
    const { host, app } = this.#options;
    const name = host.includes(":") ? `[${host}]` : host;
    const tlsPort = this.#tlsPort;
    return tlsPort === undefined ? `rtmp://${name}:${this.#port}/${app}` : `rtmps://${name}:${tlsPort}/${app}`;
  }

  async start(): Promise<void> {
    const { host, port, logger } = this.#options;
    try {
      // First, so that a certificate that cannot be used leaves nothing listening.
      if (this.#secure !== undefined) this.#tlsPort = await this.#secure.start();
      this.#port = await listen(this.#server, host, port);
    } catch (error) {
      await this.#secure?.stop();
      throw error;
    }
    this.#server.on("error", (error) => logger.error("Accept RTMP connection failed", { error }));
    logger.info("Listen for RTMP", { host, port: this.#port });
  }

  async stop(): Promise<void> {
    const closed = close(this.#server);
    const secureClosed = this.#secure?.stop();
    for (const socket of this.#connections.keys()) socket.destroy();
    await Promise.all([...this.#connections.values()].map(({ done }) => done));
    await closed;
    await secureClosed;
  }

  #accept(socket: Socket, protocol: PublishInfo["protocol"]): void {
    if (this.#connections.size >= this.#options.maxConnections || this.#isCrowded(socket)) {
      this.#turnedAway.add();
      socket.destroy();
      return;
    }
    this.#accepted.add();
    const connection = new RtmpConnection(socket, protocol, this.#options);
    const done = connection.run().finally(() => this.#connections.delete(socket));
    this.#connections.set(socket, { connection, done });
  }

  /** So many of its network have not published yet that others would find no place. */
  #isCrowded({ remoteAddress }: Socket): boolean {
    if (remoteAddress === undefined) return false;
    const network = networkOf(remoteAddress);
    const isNear = ([socket, { connection }]: [Socket, { readonly connection: RtmpConnection }]) =>
      !connection.isLetIn && networkOf(socket.remoteAddress ?? "") === network;
    const most = Math.max(FEWEST_WAITING, Math.floor(this.#options.maxConnections / WAITING_PART));
    return [...this.#connections].filter(isNear).length >= most;
  }
}
