import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import type { Receipt } from "@leat/sdk/protocol/signed.ts";
import type { Signed } from "@leat/sdk/protocol/statements.ts";
import type { CandidateBook } from "./candidates.ts";
import { isRunning, type JobBook } from "./job-book.ts";
import type { BalancerComponents } from "./ports.ts";

export interface GuiltyNodesParts {
  readonly candidates: Pick<CandidateBook, "recordWork" | "renew">;
  readonly jobs: Pick<JobBook, "all">;
  /** Ends an attempt whose node lied, wherever it did. */
  readonly onLiar: (job: Hex, attempt: number) => Promise<void>;
}

/** Nodes that signed two receipts of one work: all that they do here ends, and they get nothing more. */
export class GuiltyNodes {
  readonly #components: Pick<BalancerComponents, "evidence">;
  readonly #parts: GuiltyNodesParts;

  constructor(components: Pick<BalancerComponents, "evidence">, parts: GuiltyNodesParts) {
    this.#components = components;
    this.#parts = parts;
  }

  /** Keeps two receipts of one work against the node, where they prove that it signed both. Its good name goes with it, once. */
  async accuse(node: Address, first: Signed<Receipt>, second: Signed<Receipt>): Promise<void> {
    const { evidence } = this.#components;
    const isNew = !evidence.isGuilty(node);
    if (!(await evidence.keep({ first, second }))) return;
    if (isNew) await this.#parts.candidates.recordWork(node, false);
    this.#parts.candidates.renew();
    await this.end(node);
  }

  /** Ends what a guilty node does, and nothing of others. One that is slow to hear of one end has heard of all. */
  async end(node: Address): Promise<void> {
    if (!this.#components.evidence.isGuilty(node)) return;
    const running = this.#parts.jobs.all().filter(isRunning);
    const own = running.filter(({ attempt }) => attempt.node === node);
    await Promise.all(own.map(({ row, attempt }) => this.#parts.onLiar(row.id, attempt.attempt)));
  }

  /** Killed between the proof and what follows from it, or caught by another part of this process. */
  async recover(): Promise<void> {
    const nodes = new Set(this.#parts.jobs.all().flatMap(({ attempt }) => attempt?.node ?? []));
    for (const node of nodes) await this.end(node);
  }
}
