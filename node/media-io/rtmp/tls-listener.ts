import type { Socket } from "node:net";
import { createServer, type Server } from "node:tls";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import type { CertificateFiles } from "../../kernel/certificate.ts";
import type { Clock } from "../../kernel/clock.ts";
import { HANDSHAKE_MS, TlsGate } from "../../kernel/net/tls-gate.ts";
import { listen } from "./listen.ts";

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

/** Accepts publishers over TLS. */
export class TlsListener {
  readonly #options: RtmpTlsOptions & { readonly host: string };
  readonly #logger: Logger;
  readonly #server: Server;
  readonly #gate: TlsGate;

  /** `maxConnections` bounds handshakes as well: a connection costs memory before it has said who it is. */
  constructor(
    options: RtmpTlsOptions & { readonly host: string; readonly maxConnections: number },
    { clock, logger, metrics, onConnection }: TlsListenerComponents,
  ) {
    this.#options = options;
    this.#logger = logger;
    const handshakesFailed = metrics.counter({
      name: "leat_rtmp_handshakes_failed_total",
      help: "TLS handshakes that failed",
    });
    this.#server = createServer({ handshakeTimeout: HANDSHAKE_MS, noDelay: true });
    this.#server.maxConnections = options.maxConnections;
    this.#server.on("secureConnection", onConnection);
    this.#gate = new TlsGate(this.#server, options, { clock, logger, handshakesFailed, listener: "rtmps" });
  }

  /** Resolves with the port. */
  async start(): Promise<number> {
    const { host, port } = this.#options;
    await this.#gate.open();
    const found = await listen(this.#server, host, port);
    this.#server.on("error", (error) => this.#logger.error("Accept RTMPS connection failed", { error }));
    this.#logger.info("Listen for RTMPS", { host, port: found });
    return found;
  }

  stop(): Promise<void> {
    return this.#gate.close();
  }
}
