import type { Clock } from "@leat/node/kernel/clock.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import { type Domain, hashStatement } from "@leat/sdk/protocol/eip712.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import {
  type CheckResult,
  checkResultStructure,
  checkVerdicts,
  type Receipt,
  receiptStructure,
} from "@leat/sdk/protocol/signed.ts";
import type { StatementSigner } from "@leat/sdk/protocol/statements.ts";
import type { Outbox } from "../jobs/outbox.ts";
import type { Checking, SegmentEvidence } from "./index.ts";

export interface CheckingComponents {
  /** Check 1: what is wrong with a segment, as a code, or undefined. */
  readonly findFault: (evidence: SegmentEvidence) => string | undefined;
  readonly outbox: Pick<Outbox, "post" | "countWaiting">;
  readonly signer: StatementSigner;
  readonly domain: Domain;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricsRegister;
}

/** Check 1 of DESIGN section 6: container facts. */
const containerCheck = 1;

/** Checks what transcoders made, at the origin, before anybody pays for it. */
export class CheckingService implements Checking {
  readonly #components: CheckingComponents;
  /** Results that are not in the outbox yet. */
  readonly #writing = new Set<string>();
  readonly #results;

  constructor(components: CheckingComponents) {
    this.#components = components;
    this.#results = components.metrics.counter({
      name: "leat_checking_segments_total",
      help: "Segments that were checked here",
      labelNames: ["verdict"],
    });
  }

  checkSegment(evidence: SegmentEvidence): string | undefined {
    const code = this.#components.findFault(evidence);
    this.#results.add(1, { verdict: code === undefined ? "passed" : "failed" });
    const { job, seq } = evidence.receipt.value;
    if (code !== undefined)
      this.#components.logger.warn("Check of segment failed", { jobId: job, sequence: Number(seq), code });
    return code;
  }

  async report(receipt: Receipt, code: string | undefined): Promise<void> {
    const key = `${attemptPrefix(receipt)}${receipt.seq.toString().padStart(20, "0")}/${containerCheck}`;
    this.#writing.add(key);
    try {
      await this.#post(key, receipt, code);
    } finally {
      this.#writing.delete(key);
    }
  }

  waiting(job: Hex, attempt: number): number {
    const prefix = attemptPrefix({ job, attempt });
    const writing = [...this.#writing].filter((key) => key.startsWith(prefix));
    return writing.length + this.#components.outbox.countWaiting(prefix);
  }

  async #post(key: string, receipt: Receipt, code: string | undefined): Promise<void> {
    const { job, seq, attempt } = receipt;
    const { signer, domain, outbox, clock } = this.#components;
    const value: CheckResult = {
      job,
      seq,
      attempt,
      receiptHash: hashStatement(receiptStructure, domain, receipt),
      check: containerCheck,
      verdict: code === undefined ? checkVerdicts.passed : checkVerdicts.failed,
      checkedAt: BigInt(Math.floor(clock.nowMs() / 1000)),
    };
    const check = { value, signature: await signer.sign(checkResultStructure, domain, value) };
    const body = code === undefined ? { check } : { check, code };
    await outbox.post(key, { method: "check.submit", body });
  }
}

function attemptPrefix({ job, attempt }: Pick<Receipt, "job" | "attempt">): string {
  return `check/${job}/${attempt}/`;
}
