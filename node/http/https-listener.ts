import { once } from "node:events";
import { type IncomingMessage, maxHeaderSize, type ServerResponse } from "node:http";
import { constants, createSecureServer, type Http2Session, type ServerHttp2Stream } from "node:http2";
import type { Server, TLSSocket } from "node:tls";
import type { FastifyInstance } from "fastify";
import type { Clock } from "../kernel/clock.ts";
import { HANDSHAKE_MS, TlsGate } from "../kernel/net/tls-gate.ts";
import { Http2Request, Http2Response } from "./http2-messages.ts";
import { IdleBound } from "./idle-bound.ts";
import { answerUnreadable, explainListening, IDLE_MS, REQUEST_MS } from "./listening.ts";
import type { HttpOptions } from "./options.ts";
import type { ServerComponents } from "./server.ts";

/** As few as the standard advises: a player asks for five things at once. */
const MAX_STREAMS = 100;
/** All streams of a session with the 256 KiB each that an answer puts into its queue. */
const MAX_SESSION_MB = 32;
/** More viewers than a line of 10 Gbit/s feeds; without an end they would take every file that the node may open. */
const MAX_CONNECTIONS = 4_096;

export interface HttpsListenerComponents extends ServerComponents {
  readonly clock: Clock;
}

/**
 * The routes of the plain listener over TLS: by HTTP/2, and by HTTP/1.1 for who knows no other. Against floods of resets,
 * settings, pings and wrong frames stand the limits that Node has by itself.
 */
export class HttpsListener {
  readonly #app: FastifyInstance;
  readonly #options: HttpOptions;
  readonly #components: HttpsListenerComponents;
  readonly #server: Server;
  readonly #gate: TlsGate;
  readonly #idleBounds = new WeakMap<Http2Session, IdleBound>();

  constructor(app: FastifyInstance, options: HttpOptions, components: HttpsListenerComponents) {
    this.#app = app;
    this.#options = options;
    this.#components = components;
    const { clock, logger, metrics } = components;
    const server = createSecureServer(
      {
        allowHTTP1: true,
        Http2ServerRequest: Http2Request,
        Http2ServerResponse: Http2Response,
        handshakeTimeout: HANDSHAKE_MS,
        maxSessionMemory: MAX_SESSION_MB,
        noDelay: true,
        settings: { maxConcurrentStreams: MAX_STREAMS, maxHeaderListSize: maxHeaderSize },
      },
      (request, response) => this.#serve(request, response),
    );
    // A session does not give its socket away; Node makes the one as soon as it has the other.
    let socket: TLSSocket;
    server.prependListener("secureConnection", (accepted) => {
      socket = accepted;
    });
    server.on("session", (session) => this.#idleBounds.set(session, new IdleBound(session, socket, clock)));
    server.maxConnections = MAX_CONNECTIONS;
    server.on("clientError", answerUnreadable);
    // Of HTTP/1; its types name none of them. Node takes the longer of the last two for a whole request.
    Object.assign(server, { keepAliveTimeout: IDLE_MS, headersTimeout: REQUEST_MS, requestTimeout: REQUEST_MS });
    this.#server = server;
    const handshakesFailed = metrics.counter({
      name: "leat_http_handshakes_failed_total",
      help: "TLS handshakes that failed",
    });
    this.#gate = new TlsGate(this.#server, options.tls, { clock, logger, handshakesFailed, listener: "https" });
  }

  /** The port that it listens on, also where the setting is 0. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : this.#options.tls.port;
  }

  /** @throws CertificateError, HTTP_PORT_BUSY, HTTP_ADDRESS_UNUSABLE */
  async start(): Promise<void> {
    const { host, tls } = this.#options;
    const { logger } = this.#components;
    await this.#gate.open();
    await this.#app.ready();
    const listening = once(this.#server.listen(tls.port, host), "listening");
    await explainListening({ host, port: tls.port, setting: "http.tls.port" }, listening);
    this.#server.on("error", (error) => logger.error("Accept HTTPS connection failed", { error }));
    logger.info("Listen for HTTPS", { host, port: this.port });
  }

  /** Whoever is connected is cut off. */
  stop(): Promise<void> {
    return this.#gate.close();
  }

  #serve(request: Http2Request | IncomingMessage, response: Http2Response | ServerResponse): void {
    if (request instanceof Http2Request) {
      const { stream } = request;
      // Nobody is left to be answered.
      if (stream.destroyed) return;
      this.#idleBounds.get(stream.session!)?.use(stream);
      if (!stream.endAfterHeaders) this.#boundBody(stream);
    }
    this.#app.routeFairly(request, response);
  }

  /** HTTP/1 has both by itself: an end to a body that does not come, and to one that nobody wants any more. */
  #boundBody(stream: ServerHttp2Stream): void {
    const over = new AbortController();
    stream.once("end", () => over.abort());
    stream.once("close", () => over.abort());
    this.#components.clock.sleep(REQUEST_MS, over.signal).then(
      () => stream.close(constants.NGHTTP2_CANCEL),
      () => {},
    );
    stream.once("finish", () => {
      if (!stream.readableEnded) stream.close();
    });
  }
}
