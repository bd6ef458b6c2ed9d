import type { SrtService } from "../media-io/srt/srt-service.ts";
import type { Ingest } from "../services/ingest/ingest-service.ts";
import type { JobSession } from "../services/jobs/ports.ts";
import { type Pulling, PullingService } from "../services/pulling/pulling-service.ts";
import type { Foundation } from "./foundation.ts";

/** Lets a node that takes streams in fetch them too. */
export function addPulling(foundation: Foundation, session: JobSession, ingest: Ingest, srt: SrtService): Pulling {
  const { clock, config, logger, metrics, parts } = foundation;
  const service = new PullingService({ session, ingest, srt, clock, logger, metrics }, config.pull);
  parts.push({ name: "pulling", part: service });
  return service;
}
