import { randomUUID } from "node:crypto";
import helmet from "@fastify/helmet";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import { type FastifyInstance, type FastifyReply, fastify } from "fastify";
import { isCertificateNamed } from "../kernel/certificate-options.ts";
import type { Startable } from "../kernel/lifecycle.ts";
import { takeCarriedToken } from "../media-io/access/carried-token.ts";
import { addErrorHandling } from "./errors.ts";
import { type RouteRequest, routeFairly } from "./fair-routing.ts";
import { HttpsListener, type HttpsListenerComponents } from "./https-listener.ts";
import { answerUnreadable, explainListening, REQUEST_MS } from "./listening.ts";
import type { HttpOptions } from "./options.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** The body as it came, for signatures and fingerprints. Empty without a JSON body. */
    rawBody: Uint8Array;
  }
  interface FastifyInstance {
    /** `routing` for a listener: so many requests in a turn of the event loop, those of all listeners together. */
    routeFairly: RouteRequest;
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
    clientErrorHandler: answerUnreadable,
    // A viewer's idle connection must not hold up a stop.
    forceCloseConnections: true,
    requestTimeout: REQUEST_MS,
    routerOptions: { maxParamLength: 256 },
    ajv: { customOptions: { removeAdditional: false, coerceTypes: "array", allErrors: false } },
  });
  app.decorate("routeFairly", routeFairly(app));
  addErrorHandling(app, components.logger);
  addBodyParser(app);
  app.setReplySerializer((payload) =>
    JSON.stringify(payload, (_, value: unknown) => (typeof value === "bigint" ? value.toString() : value)),
  );
  addRequestMetrics(app, components);
  await app.register(helmet, {
    // Off over TLS too: a browser that saw it once asks every port of this name by TLS, the plain listener's and those of
    // whatever else stands there. A proxy that has the name for itself may add it.
    strictTransportSecurity: false,
    // Media is made to be shown elsewhere.
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
  readonly #secure: HttpsListener | undefined;

  constructor(app: FastifyInstance, options: HttpOptions, components: HttpsListenerComponents) {
    this.#app = app;
    this.#options = options;
    if (isCertificateNamed(options.tls)) this.#secure = new HttpsListener(app, options, components);
  }

  /** The port that it listens on, also where the setting is 0. */
  get port(): number {
    const address = this.#app.server.address();
    return typeof address === "object" && address !== null ? address.port : this.#options.port;
  }

  /** That of HTTPS; undefined without it. */
  get tlsPort(): number | undefined {
    return this.#secure?.port;
  }

  async start(): Promise<void> {
    const { host, port } = this.#options;
    // First, so that a certificate that cannot be used leaves nothing listening.
    await this.#secure?.start();
    await explainListening({ host, port, setting: "http.port" }, this.#app.listen({ host, port }));
  }

  async stop(): Promise<void> {
    // What is held back is let go of first.
    await this.#app.close();
    await this.#secure?.stop();
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
