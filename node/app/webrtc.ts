import type { Audiences } from "../media-io/hls/audience.ts";
import type { HlsDoor } from "../media-io/hls/routes.ts";
import type { WebrtcEndpoint } from "../media-io/webrtc/endpoint.ts";
import { whepRoutes } from "../media-io/whep/routes.ts";
import { WhepService } from "../media-io/whep/whep-service.ts";
import { whipRoutes } from "../media-io/whip/routes.ts";
import { WhipService } from "../media-io/whip/whip-service.ts";
import type { Delivery } from "../services/delivery/delivery-service.ts";
import type { Ingest } from "../services/ingest/ingest-service.ts";
import type { Foundation } from "./foundation.ts";

/** Adds WHEP to a node that delivers streams: the same policy, audience and pay as for its files. */
export async function addWhep(
  foundation: Foundation,
  endpoint: WebrtcEndpoint,
  delivery: Delivery,
  { audiences, door }: { readonly audiences: Audiences; readonly door: HlsDoor | undefined },
): Promise<void> {
  const { access, clock, config, http, logger, metrics, parts } = foundation;
  const service = new WhepService(
    {
      peers: endpoint,
      provider: delivery,
      audienceOf: (stream) => audiences.of(stream),
      isPaid: (stream) => door?.isPaid(stream) === true,
      clock,
      logger,
      metrics,
    },
    config.webrtc,
  );
  await http.register(whepRoutes, { service, access, find: (slug: string) => delivery.findStream(slug)?.guarded });
  parts.push({ name: "whep", part: service });
}

/** Adds `/whip` to a node that takes streams in. What it takes goes where RTMP goes. */
export async function addWhip(foundation: Foundation, endpoint: WebrtcEndpoint, ingest: Ingest): Promise<void> {
  const { clock, config, http, logger, metrics, parts } = foundation;
  const service = new WhipService(
    {
      peers: endpoint,
      authorize: (streamKey, info) => ingest.authorize(streamKey, info),
      authorizeTicket: (slug, ticket, info) => ingest.authorizeTicket(slug, ticket, info),
      clock,
      logger,
      metrics,
    },
    config.webrtc,
  );
  await http.register(whipRoutes, { service, baseUrl: () => foundation.httpUrl });
  parts.push({ name: "whip", part: service });
}
