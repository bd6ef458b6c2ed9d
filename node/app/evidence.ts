import { join } from "node:path";
import { nativeStatements } from "../kernel/secp.ts";
import { EvidenceService } from "../services/faults/evidence-service.ts";
import { EvidenceFiles } from "../store/evidence.ts";
import type { Foundation } from "./foundation.ts";

const made = new WeakMap<Foundation, EvidenceService>();

/** Adds what keeps proofs of faults, for roles that see other nodes' receipts; one for all of them. */
export function addEvidence(foundation: Foundation): EvidenceService {
  const known = made.get(foundation);
  if (known !== undefined) return known;
  const { clock, config, deployment, domain, key, logger, metrics, parts, sender } = foundation;
  const evidence = new EvidenceService(
    {
      files: new EvidenceFiles(join(config.node.dataDir, "faults")),
      statements: nativeStatements,
      domain,
      faults: deployment.faults,
      sender,
      reporter: key.address,
      clock,
      logger,
      metrics,
    },
    config.evidence,
  );
  parts.push({ name: "evidence", part: evidence });
  made.set(foundation, evidence);
  return evidence;
}
