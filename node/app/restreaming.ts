import type { SrtService } from "../media-io/srt/srt-service.ts";
import type { Delivery } from "../services/delivery/delivery-service.ts";
import type { JobSession } from "../services/jobs/ports.ts";
import { RestreamingService } from "../services/restreaming/restreaming-service.ts";
import type { Foundation } from "./foundation.ts";

/** Lets a node that delivers streams send them on to servers of their buyers. */
export function addRestreaming(foundation: Foundation, session: JobSession, delivery: Delivery, srt: SrtService): void {
  const { clock, config, logger, metrics, parts } = foundation;
  const service = new RestreamingService({ session, streams: delivery, srt, clock, logger, metrics }, config.restream);
  parts.push({ name: "restreaming", part: service });
}
