import type { Audiences } from "../media-io/hls/audience.ts";
import type { HlsDoor } from "../media-io/hls/routes.ts";
import { Mp4Service } from "../media-io/mp4/mp4-service.ts";
import { mp4Routes } from "../media-io/mp4/routes.ts";
import type { Delivery } from "../services/delivery/delivery-service.ts";
import type { Foundation } from "./foundation.ts";

/** Adds MP4 files to a node that delivers streams: the same policy, audience and pay as for its other files. */
export async function addMp4(
  foundation: Foundation,
  delivery: Delivery,
  { audiences, door }: { readonly audiences: Audiences; readonly door: HlsDoor | undefined },
): Promise<void> {
  const { access, clock, config, http, logger, metrics, parts } = foundation;
  const service = new Mp4Service(
    {
      streams: delivery,
      audienceOf: (stream) => audiences.of(stream),
      isPaid: (stream) => door?.isPaid(stream) === true,
      clock,
      logger,
      metrics,
    },
    config.mp4,
  );
  await http.register(mp4Routes, { service, access, find: (slug: string) => delivery.findStream(slug)?.guarded });
  parts.push({ name: "mp4", part: service });
}
