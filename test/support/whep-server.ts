import type { AddressInfo } from "node:net";
import { type FastifyInstance, fastify } from "fastify";
import { Value } from "typebox/value";
import { addErrorHandling } from "../../node/http/errors.ts";
import { systemClock } from "../../node/kernel/clock.ts";
import { takeCarriedToken } from "../../node/media-io/access/carried-token.ts";
import { PolicyAccess } from "../../node/media-io/access/viewer-access.ts";
import type { PlayedStream, StreamAudience } from "../../node/media-io/playout/stream.ts";
import { WebrtcEndpoint } from "../../node/media-io/webrtc/endpoint.ts";
import { type WebrtcOptions, webrtcOptions } from "../../node/media-io/webrtc/options.ts";
import { whepRoutes } from "../../node/media-io/whep/routes.ts";
import { WhepService } from "../../node/media-io/whep/whep-service.ts";
import { silentLogger } from "../../sdk/base/logger.ts";
import { silentMetrics } from "../../sdk/base/metrics.ts";

/** An HTTP server that plays one stream by WHEP, on free ports. */
export class WhepServer {
  readonly endpoint: WebrtcEndpoint;
  readonly service: WhepService;
  readonly app: FastifyInstance;

  private constructor(endpoint: WebrtcEndpoint, service: WhepService, app: FastifyInstance) {
    this.endpoint = endpoint;
    this.service = service;
    this.app = app;
  }

  static async start(
    stream: PlayedStream,
    { audience, ...given }: Partial<WebrtcOptions> & { audience?: StreamAudience } = {},
  ): Promise<WhepServer> {
    const options: WebrtcOptions = { ...(Value.Default(webrtcOptions, {}) as WebrtcOptions), port: 0, ...given };
    const endpoint = new WebrtcEndpoint(options, silentLogger);
    await endpoint.start();
    const provider = { findStream: (slug: string) => (slug === "slug" ? stream : undefined) };
    const isPaid = ({ isUnbudgeted }: PlayedStream) => isUnbudgeted === true;
    const service = new WhepService(
      {
        peers: endpoint,
        provider,
        isPaid,
        logger: silentLogger,
        ...(audience === undefined ? {} : { audienceOf: () => audience }),
      },
      options,
    );
    await service.start();
    const app = fastify({ rewriteUrl: takeCarriedToken });
    addErrorHandling(app, silentLogger);
    const owners = { ask: async () => {} };
    const access = new PolicyAccess({ owners, clock: systemClock, metrics: silentMetrics });
    await app.register(whepRoutes, { service, access, find: (slug: string) => provider.findStream(slug)?.guarded });
    await app.listen({ host: "127.0.0.1", port: 0 });
    return new WhepServer(endpoint, service, app);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.app.server.address() as AddressInfo).port}`;
  }

  post(path: string, sdp: string, headers: Record<string, string> = {}): Promise<Response> {
    const type = { "content-type": "application/sdp" };
    return fetch(`${this.url}${path}`, { method: "POST", headers: { ...type, ...headers }, body: sdp });
  }

  async stop(): Promise<void> {
    await this.app.close();
    await this.service.stop();
    await this.endpoint.stop();
  }
}
