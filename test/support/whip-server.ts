import type { AddressInfo } from "node:net";
import { type FastifyInstance, fastify } from "fastify";
import { Value } from "typebox/value";
import { addErrorHandling } from "../../node/http/errors.ts";
import { WebrtcEndpoint } from "../../node/media-io/webrtc/endpoint.ts";
import { type WebrtcOptions, webrtcOptions } from "../../node/media-io/webrtc/options.ts";
import { whipRoutes } from "../../node/media-io/whip/routes.ts";
import { type WhipComponents, WhipService } from "../../node/media-io/whip/whip-service.ts";
import { silentLogger } from "../../sdk/base/logger.ts";

/** An HTTP server that takes WHIP and nothing else, on free ports. */
export class WhipServer {
  readonly endpoint: WebrtcEndpoint;
  readonly service: WhipService;
  readonly app: FastifyInstance;

  private constructor(endpoint: WebrtcEndpoint, service: WhipService, app: FastifyInstance) {
    this.endpoint = endpoint;
    this.service = service;
    this.app = app;
  }

  static async start(
    authorize: WhipComponents["authorize"],
    { load, ...given }: Partial<WebrtcOptions> & { load?: ConstructorParameters<typeof WebrtcEndpoint>[2] } = {},
    authorizeTicket: WhipComponents["authorizeTicket"] = () => Promise.reject(new Error("no ticket is expected")),
  ): Promise<WhipServer> {
    const options: WebrtcOptions = { ...(Value.Default(webrtcOptions, {}) as WebrtcOptions), port: 0, ...given };
    const endpoint = new WebrtcEndpoint(options, silentLogger, load);
    await endpoint.start();
    const service = new WhipService({ peers: endpoint, authorize, authorizeTicket, logger: silentLogger }, options);
    await service.start();
    const app = fastify({ routerOptions: { maxParamLength: 256 } });
    addErrorHandling(app, silentLogger);
    const server = new WhipServer(endpoint, service, app);
    await app.register(whipRoutes, { service, baseUrl: () => server.url });
    await app.listen({ host: "127.0.0.1", port: 0 });
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.app.server.address() as AddressInfo).port}`;
  }

  post(path: string, sdp: string, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(`${this.url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/sdp", ...headers },
      body: sdp,
    });
  }

  async stop(): Promise<void> {
    await this.app.close();
    await this.service.stop();
    await this.endpoint.stop();
  }
}

export async function codeOf(response: Response): Promise<string> {
  const { error } = (await response.json()) as { error: { code: string } };
  return error.code;
}
