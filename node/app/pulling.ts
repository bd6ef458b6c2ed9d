import type { Ingest } from "../services/ingest/ingest-service.ts";
import type { JobSession } from "../services/jobs/ports.ts";
import { PullingService } from "../services/pulling/pulling-service.ts";
import type { Foundation } from "./foundation.ts";

/** Lets a node that takes streams in fetch them too; gives the kinds of source that its balancers are told of. */
export function addPulling(foundation: Foundation, session: JobSession, ingest: Ingest): readonly string[] {
  const { clock, config, logger, metrics, parts } = foundation;
  const service = new PullingService({ session, ingest, clock, logger, metrics }, config.pull);
  parts.push({ name: "pulling", part: service });
  return service.schemes;
}
