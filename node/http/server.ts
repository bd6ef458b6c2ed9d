import { randomUUID } from "node:crypto";
import helmet from "@fastify/helmet";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import { type FastifyInstance, type FastifyReply, fastify } from "fastify";
import type { Startable } from "../kernel/lifecycle.ts";
import { takeCarriedToken } from "../media-io/access/carried-token.ts";
import { addErrorHandling, HttpError } from "./errors.ts";
import type { HttpOptions } from "./options.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** The body as it came, for signatures and fingerprints. Empty without a JSON body. */
    rawBody: Uint8Array;
  }
}

export interface ServerComponents {
  readonly logger: Logger;
  readonly metrics: MetricsRegister;
}

const NO_BODY = new Uint8Array();

/** Builds the server with what every route needs and does not listen: parts register their plugins on it. */
export async function createServer(options: HttpOptions, components: ServerComponents): Promise<FastifyInstance> {
  const app = fastify({
    logger: false,
    bodyLimit: options.bodyLimitBytes,
    trustProxy: options.trustedProxies.length > 0 ? options.trustedProxies : false,
    genReqId: () => randomUUID(),
    rewriteUrl: takeCarriedToken,
    // What is refused before any route is found has the shape of every other refusal.
    frameworkErrors: (_error, _request, reply) => {
      // Its type depends on a route, and there is none.
      const anyReply = reply as unknown as FastifyReply;
      anyReply.code(400).send({ error: { code: "HTTP_URL_INVALID", message: "the address cannot be read" } });
    },
    clientErrorHandler: (error, socket) => {
      if (error.code === "ECONNRESET" || !socket.writable) return;
      const isTooLong = error.code === "HPE_HEADER_OVERFLOW";
      const [status, code] = isTooLong
        ? ["431 Too Large", "HTTP_HEADERS_TOO_LARGE"]
        : ["400 Bad Request", "HTTP_INVALID"];
      const body = JSON.stringify({ error: { code, message: "the request cannot be read" } });
      const head = [`HTTP/1.1 ${status}`, "Content-Type: application/json", `Content-Length: ${body.length}`];
      socket.end(`${[...head, "Connection: close"].join("\r\n")}\r\n\r\n${body}`);
    },
    // A viewer's idle connection must not hold up a stop.
    forceCloseConnections: true,
    requestTimeout: 30_000,
    routerOptions: { maxParamLength: 256 },
    ajv: { customOptions: { removeAdditional: false, coerceTypes: "array", allErrors: false } },
  });
  addErrorHandling(app, components.logger);
  addBodyParser(app);
  app.setReplySerializer((payload) =>
    JSON.stringify(payload, (_, value: unknown) => (typeof value === "bigint" ? value.toString() : value)),
  );
  addRequestMetrics(app, components);
  await app.register(helmet, {
    // Served without TLS of its own, and media is made to be shown elsewhere.
    strictTransportSecurity: false,
    crossOriginResourcePolicy: { policy: "cross-origin" },
    crossOriginOpenerPolicy: false,
    originAgentCluster: false,
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'self'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'", "'unsafe-inline'"],
        imgSrc: ["'self'", "data:", "blob:"],
        // The player takes media from whichever edge serves it, and hls.js works in a blob.
        connectSrc: ["*"],
        mediaSrc: ["*", "blob:"],
        workerSrc: ["'self'", "blob:"],
        objectSrc: ["'none'"],
        baseUri: ["'self'"],
      },
    },
  });
  return app;
}

/** Listens from `start` to `stop`. */
export class HttpService implements Startable {
  readonly #app: FastifyInstance;
  readonly #options: HttpOptions;

  constructor(app: FastifyInstance, options: HttpOptions) {
    this.#app = app;
    this.#options = options;
  }

  /** The port that it listens on, also where the setting is 0. */
  get port(): number {
    const address = this.#app.server.address();
    return typeof address === "object" && address !== null ? address.port : this.#options.port;
  }

  async start(): Promise<void> {
    const { host, port } = this.#options;
    try {
      await this.#app.listen({ host, port });
    } catch (cause) {
      const reason = (cause as NodeJS.ErrnoException).code ?? "";
      if (reason === "EADDRINUSE") {
        const message = `another program listens on ${host} port ${port}; stop it or set --http.port`;
        throw new HttpError({ code: "HTTP_PORT_BUSY", host, port }, { cause, message });
      }
      if (["EACCES", "EADDRNOTAVAIL", "ENOTFOUND", "EAI_AGAIN"].includes(reason)) {
        const message = `cannot listen on ${host} port ${port} (${reason}); set --http.host and --http.port`;
        throw new HttpError({ code: "HTTP_ADDRESS_UNUSABLE", host, port, reason }, { cause, message });
      }
      throw cause;
    }
  }

  async stop(): Promise<void> {
    await this.#app.close();
  }
}

function addBodyParser(app: FastifyInstance): void {
  app.decorateRequest("rawBody");
  app.addHook("onRequest", (request, _reply, done) => {
    request.rawBody = NO_BODY;
    done();
  });
  const parseJson = app.getDefaultJsonParser("error", "error");
  app.removeContentTypeParser(["application/json", "text/plain"]);
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (request, body: Buffer, done) => {
    request.rawBody = body;
    parseJson(request, body.toString("utf8"), done);
  });
}

function addRequestMetrics(app: FastifyInstance, { logger, metrics }: ServerComponents): void {
  const seconds = metrics.histogram({
    name: "leat_http_request_seconds",
    help: "Time from a request to its answer",
    labelNames: ["method", "route", "status"],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
  });
  app.addHook("onResponse", (request, reply, done) => {
    // The route's pattern, never the address asked for: labels come from a short list.
    const route = request.routeOptions.url ?? "none";
    const status = `${Math.floor(reply.statusCode / 100)}xx`;
    const method = route === "none" ? "other" : request.method;
    seconds.observe(reply.elapsedTime / 1_000, { method, route, status });
    logger.debug("Answer request", { requestId: request.id, method, route, status: reply.statusCode });
    done();
  });
}
