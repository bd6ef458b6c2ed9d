import type { Socket } from "node:net";
import { createServer, type Server } from "node:tls";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { Counter, MetricsRegister } from "@leat/sdk/base/metrics.ts";
import { type CertificateFiles, CertificateWatch } from "../../kernel/certificate.ts";
import type { Clock } from "../../kernel/clock.ts";
import { close, listen } from "./listen.ts";

export interface RtmpTlsOptions extends CertificateFiles {
  /** 0: whichever is free. */
  readonly port: number;
}

export interface TlsListenerComponents {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricsRegister;
  readonly onConnection: (socket: Socket) => void;
}

/** A publisher's handshake takes a few round trips. */
const HANDSHAKE_MS = 10_000;

/** Accepts publishers over TLS. A renewed certificate is for those who come after it; who is connected stays. */
export class TlsListener {
  readonly #options: RtmpTlsOptions & { readonly host: string };
  readonly #components: TlsListenerComponents;
  readonly #server: Server;
  readonly #certificate: CertificateWatch;
  /** Connections of TCP, those in their handshake too. */
  readonly #raw = new Set<Socket>();
  readonly #failed: Counter;

  /** `maxConnections` bounds handshakes as well: a connection costs memory before it has said who it is. */
  constructor(
    options: RtmpTlsOptions & { readonly host: string; readonly maxConnections: number },
    components: TlsListenerComponents,
  ) {
    this.#options = options;
    this.#components = components;
    const { logger, metrics } = components;
    this.#failed = metrics.counter({ name: "leat_rtmp_handshakes_failed_total", help: "TLS handshakes that failed" });
    this.#server = createServer({ handshakeTimeout: HANDSHAKE_MS, noDelay: true });
    this.#server.maxConnections = options.maxConnections;
    this.#server.on("connection", (socket) => this.#track(socket));
    this.#server.on("secureConnection", (socket) => components.onConnection(socket));
    this.#server.on("tlsClientError", (error: NodeJS.ErrnoException) => {
      this.#failed.add();
      logger.debug("Handshake with RTMPS publisher failed", { code: error.code });
    });
    this.#certificate = new CertificateWatch(options, components, ({ cert, key }) => {
      this.#server.setSecureContext({ cert, key });
    });
  }

  /** Resolves with the port. */
  async start(): Promise<number> {
    const { host, port } = this.#options;
    const { logger } = this.#components;
    await this.#certificate.start();
    const found = await listen(this.#server, host, port);
    this.#server.on("error", (error) => logger.error("Accept RTMPS connection failed", { error }));
    logger.info("Listen for RTMPS", { host, port: found });
    return found;
  }

  async stop(): Promise<void> {
    await this.#certificate.stop();
    const closed = close(this.#server);
    for (const socket of this.#raw) socket.destroy();
    await closed;
  }

  #track(socket: Socket): void {
    this.#raw.add(socket);
    socket.once("close", () => this.#raw.delete(socket));
  }
}
