import type { Socket } from "node:net";
import type { Server } from "node:tls";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { Counter } from "@leat/sdk/base/metrics.ts";
import { type CertificateFiles, CertificateWatch } from "../certificate.ts";
import type { Clock } from "../clock.ts";

/** A client's handshake takes a few round trips. */
export const HANDSHAKE_MS = 10_000;

export interface TlsGateComponents {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly handshakesFailed: Counter;
  /** What it is called in the log. */
  readonly listener: "https" | "rtmps";
}

/** Certificate and connections of a server. A renewed certificate is for those who come after it; who is connected stays. */
export class TlsGate {
  readonly #server: Server;
  readonly #certificate: CertificateWatch;
  /** Connections of TCP, those in their handshake too. */
  readonly #raw = new Set<Socket>();

  constructor(
    server: Server,
    files: CertificateFiles,
    { clock, logger, handshakesFailed, listener }: TlsGateComponents,
  ) {
    this.#server = server;
    server.on("connection", (socket: Socket) => {
      this.#raw.add(socket);
      socket.once("close", () => this.#raw.delete(socket));
    });
    server.on("tlsClientError", (error: NodeJS.ErrnoException) => {
      handshakesFailed.add();
      logger.debug("Complete TLS handshake failed", { listener, code: error.code });
    });
    this.#certificate = new CertificateWatch(files, { clock, logger }, ({ cert, key }) => {
      server.setSecureContext({ cert, key });
    });
  }

  /** Before it listens. @throws CertificateError */
  open(): Promise<void> {
    return this.#certificate.start();
  }

  /** Resolves when nobody is accepted any more and every connection is gone; also where it never listened. */
  async close(): Promise<void> {
    await this.#certificate.stop();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#raw) socket.destroy();
    await closed;
  }
}
