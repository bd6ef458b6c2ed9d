import type { WebrtcEndpoint } from "../media-io/webrtc/endpoint.ts";
import { whipRoutes } from "../media-io/whip/routes.ts";
import { WhipService } from "../media-io/whip/whip-service.ts";
import type { Ingest } from "../services/ingest/ingest-service.ts";
import type { Foundation } from "./foundation.ts";

/** Adds `/whip` to a node that takes streams in. What it takes goes where RTMP goes. */
export async function addWhip(foundation: Foundation, endpoint: WebrtcEndpoint, ingest: Ingest): Promise<void> {
  const { clock, config, http, logger, metrics, parts } = foundation;
  const service = new WhipService(
    {
      peers: endpoint,
      authorize: (streamKey, info) => ingest.authorize(streamKey, info),
      clock,
      logger,
      metrics,
    },
    config.webrtc,
  );
  await http.register(whipRoutes, { service });
  parts.push({ name: "whip", part: service });
}
