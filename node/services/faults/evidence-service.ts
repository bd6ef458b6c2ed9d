import type { ChainSender } from "@leat/node/chain/sender.ts";
import type { Clock } from "@leat/node/kernel/clock.ts";
import type { Startable } from "@leat/node/kernel/lifecycle.ts";
import { Mutex } from "@leat/node/kernel/mutex.ts";
import { TaskGroup } from "@leat/node/kernel/task-group.ts";
import type { EvidenceFiles } from "@leat/node/store/evidence.ts";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import { proofArguments } from "@leat/sdk/client/actions/faults.ts";
import { faultsAbi } from "@leat/sdk/protocol/abi/faults.ts";
import type { Domain } from "@leat/sdk/protocol/eip712.ts";
import { checkEquivocation, type Equivocation, FaultError } from "@leat/sdk/protocol/faults.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import type { Statements } from "@leat/sdk/protocol/statements.ts";
import { type Static, Type } from "typebox";

export const evidenceOptions = Type.Object(
  {
    report: Type.Boolean({
      default: false,
      description: "Send proofs that a node signed two different receipts of one work to the chain; the reward is ours",
    }),
    maxPerNode: Type.Integer({
      default: 100,
      minimum: 1,
      maximum: 10_000,
      description: "Proofs kept of one node: one counts for 5 % of its operator's stake, and no more than one a day",
    }),
  },
  { default: {}, additionalProperties: false },
);

export interface Evidence {
  /**
   * Keeps two receipts of one work as evidence against the node that signed both. True, and durable, where they prove
   * that; false where they prove nothing.
   */
  keep(pair: Equivocation): Promise<boolean>;
  /** Whether the node was ever caught. */
  isGuilty(node: Address): boolean;
}

export interface EvidenceComponents {
  readonly files: EvidenceFiles;
  readonly statements: Pick<Statements, "recoverSigner">;
  readonly domain: Domain;
  /** The contract; undefined on a network that has none. */
  readonly faults: Address | undefined;
  readonly sender: Pick<ChainSender, "send">;
  /** Who gets the reward. */
  readonly reporter: Address;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricsRegister;
}

/** Remembers which nodes lied under their own signature, and tells the chain where its operator wants that. */
export class EvidenceService implements Evidence, Startable {
  readonly #components: EvidenceComponents;
  readonly #options: Static<typeof evidenceOptions>;
  readonly #proofs = new Map<Address, number>();
  readonly #mutex = new Mutex();
  readonly #tasks: TaskGroup;
  readonly #kept;
  readonly #reported;

  constructor(components: EvidenceComponents, options: Static<typeof evidenceOptions>) {
    this.#components = components;
    this.#options = options;
    const { clock, logger, metrics } = components;
    this.#tasks = new TaskGroup({ clock, onError: (error) => logger.error("Report fault failed", { error }) });
    this.#kept = metrics.counter({ name: "leat_faults_proofs_total", help: "Proofs of equivocation that were kept" });
    this.#reported = metrics.counter({
      name: "leat_faults_reports_total",
      help: "Proofs that were sent to the chain",
      labelNames: ["outcome"],
    });
  }

  async start(): Promise<void> {
    for (const pair of await this.#components.files.list()) {
      const node = this.#accused(pair);
      if (node === undefined) continue;
      this.#proofs.set(node, (this.#proofs.get(node) ?? 0) + 1);
      this.#report(pair);
    }
  }

  async stop(): Promise<void> {
    await this.#tasks.close();
  }

  isGuilty(node: Address): boolean {
    return this.#proofs.has(node);
  }

  keep(pair: Equivocation): Promise<boolean> {
    return this.#mutex.run(async () => {
      const node = this.#accused(pair);
      if (node === undefined) return false;
      const held = this.#proofs.get(node) ?? 0;
      if (held >= this.#options.maxPerNode) return true;
      const { job, attempt, seq } = pair.first.value;
      if (!(await this.#components.files.put({ node, job, attempt, seq }, pair))) return true;
      this.#proofs.set(node, held + 1);
      this.#kept.add();
      this.#components.logger.error("Node signed two receipts of one work", { node, jobId: job, attempt, seq });
      this.#report(pair);
      return true;
    });
  }

  #accused(pair: Equivocation): Address | undefined {
    const { statements, domain } = this.#components;
    try {
      return checkEquivocation(statements, domain, pair).node;
    } catch (error) {
      if (error instanceof FaultError) return undefined;
      throw error;
    }
  }

  /** What fails is tried again at the next start: the evidence stays. One that counted before is refused by the chain. */
  #report(pair: Equivocation): void {
    const { faults, sender, reporter, logger } = this.#components;
    if (!this.#options.report || faults === undefined || this.#tasks.signal.aborted) return;
    this.#tasks.run(async (signal) => {
      try {
        const args = [...proofArguments(pair), reporter] as const;
        const call = { address: faults, abi: faultsAbi, functionName: "proveEquivocation", args } as const;
        const { transaction } = await sender.send(call, signal);
        this.#reported.add(1, { outcome: "accepted" });
        logger.info("Report fault", { transaction });
      } catch (error) {
        if (!isCodedError(error)) throw error;
        this.#reported.add(1, { outcome: "refused" });
        logger.warn("Report fault was refused", { ...error.detail });
      }
    });
  }
}
