import { PushService } from "../media-io/push/push-service.ts";
import { pushRoutes } from "../media-io/push/routes.ts";
import type { Ingest } from "../services/ingest/ingest-service.ts";
import type { Foundation } from "./foundation.ts";

/** Adds HTTP push to a node that takes streams in. What it takes goes where RTMP goes. */
export async function addPush(foundation: Foundation, ingest: Ingest): Promise<void> {
  const { clock, config, http, logger, metrics, parts } = foundation;
  const authorize: Ingest["authorize"] = (streamKey, info) => ingest.authorize(streamKey, info);
  const service = new PushService({ authorize, clock, logger, metrics }, config.push);
  await http.register(pushRoutes, { service, options: config.push });
  parts.push({ name: "push", part: service });
}
