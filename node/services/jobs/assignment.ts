import { CodedError, isCodedError } from "@leat/sdk/base/errors.ts";
import { type Domain, hashStatement } from "@leat/sdk/protocol/eip712.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import { type Assignment, assignmentStructure, type Quote, quoteStructure } from "@leat/sdk/protocol/signed.ts";
import type { Signed, Statements } from "@leat/sdk/protocol/statements.ts";

export class JobError extends CodedError<
  | { code: "JOB_ASSIGNMENT_SIGNER_WRONG" }
  | { code: "JOB_ASSIGNMENT_NODE_WRONG"; wanted: Address; found: Address }
  | { code: "JOB_ASSIGNMENT_EXPIRED" }
  | { code: "JOB_ASSIGNMENT_STALE"; held: number; offered: number }
  | { code: "JOB_QUOTE_WRONG"; field: string }
  | { code: "JOB_PRICE_MISSING"; unit: string }
  | { code: "JOB_PRIMITIVE_UNSUPPORTED"; primitive: string }
  | { code: "JOB_PAYER_WRONG"; wanted: Address; found: Address }
  | { code: "JOB_SESSION_MISSING" }
  | { code: "JOB_CAPACITY_SHORT"; free: number; wanted: number }
  | { code: "JOB_DRAINING" }
  | { code: "JOB_RESERVATION_MISSING"; job: Hex }
  | { code: "JOB_QUOTE_UNKNOWN"; quoteHash: Hex }
  | { code: "JOB_ATTEMPT_OVER"; job: Hex; attempt: number }
> {}

export interface AssignmentRules {
  readonly statements: Statements;
  readonly domain: Domain;
  /** The balancer keys of the cluster. */
  readonly balancers: readonly Address[];
  /** Who must have been given the job. */
  readonly node: Address;
  readonly nowMs: number;
}

/** Throws unless a balancer of the cluster gave this job to this node and it still stands. Cheap checks first. */
export function checkAssignment(signed: Signed<Assignment>, rules: AssignmentRules): void {
  const { node, validUntil } = signed.value;
  if (node !== rules.node) throw new JobError({ code: "JOB_ASSIGNMENT_NODE_WRONG", wanted: rules.node, found: node });
  if (Number(validUntil) * 1000 <= rules.nowMs) throw new JobError({ code: "JOB_ASSIGNMENT_EXPIRED" });
  if (!rules.balancers.includes(recoverOrThrow(signed, rules))) {
    throw new JobError({ code: "JOB_ASSIGNMENT_SIGNER_WRONG" });
  }
}

/** Which of the assignment's and the quote's hashes are not of what they are said to be, or undefined. */
export function findQuoteFault(
  { quoteHash }: Assignment,
  quote: Quote,
  specHash: Hex,
  domain: Domain,
): "specHash" | "quoteHash" | undefined {
  if (quote.specHash !== specHash) return "specHash";
  return quoteHash === hashStatement(quoteStructure, domain, quote) ? undefined : "quoteHash";
}

function recoverOrThrow(signed: Signed<Assignment>, { statements, domain }: AssignmentRules): Address {
  try {
    return statements.recoverSigner(assignmentStructure, domain, signed.value, signed.signature);
  } catch (cause) {
    if (!isCodedError(cause)) throw cause;
    throw new JobError({ code: "JOB_ASSIGNMENT_SIGNER_WRONG" }, { cause });
  }
}
