import { hashStatement } from "@leat/sdk/protocol/eip712.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { SeedCommit, SelectionReceipt } from "@leat/sdk/protocol/signed.ts";
import { selectionReceiptStructure } from "@leat/sdk/protocol/signed.ts";
import type { Signed } from "@leat/sdk/protocol/statements.ts";
import type { Candidate, SelectionRequest } from "@leat/sdk/selection/candidate.ts";
import { type FilterPreview, previewFilters } from "@leat/sdk/selection/filters.ts";
import type { SelectionParameters } from "@leat/sdk/selection/parameters.ts";
import { bodyToText, createBody, createReceipt } from "@leat/sdk/selection/receipt.ts";
import { deriveSeed } from "@leat/sdk/selection/seed.ts";
import { type Selection, select } from "@leat/sdk/selection/selection.ts";
import type { CandidateBook } from "./candidates.ts";
import { BalancerError } from "./errors.ts";
import type { BalancerComponents } from "./ports.ts";
import type { SeedSource } from "./seed-source.ts";

export interface Decision {
  /** Digest of the signed receipt. */
  readonly id: Hex;
  readonly selection: Selection;
}

export interface DecisionInput {
  readonly stream: Hex;
  readonly job: Hex;
  readonly attempt: number;
  readonly buyerNonce: Hex;
  readonly request: SelectionRequest;
}

/** A decision as anybody may fetch it. */
export interface PublishedSelection {
  readonly id: Hex;
  readonly receipt: Signed<SelectionReceipt>;
  /** As it was hashed: `bodyFromText` reads it. */
  readonly body: string;
  readonly commit: Signed<SeedCommit> | undefined;
}

type Components = Pick<BalancerComponents, "selectionStore" | "signer" | "domain" | "cluster" | "clock" | "metrics">;

/** Decides by the rule and leaves a signed receipt of each decision. */
export class SelectionLog {
  readonly #components: Components;
  readonly #candidates: CandidateBook;
  readonly #seeds: SeedSource;
  readonly #parameters: SelectionParameters;
  readonly #decisions;

  constructor(components: Components, candidates: CandidateBook, seeds: SeedSource, parameters: SelectionParameters) {
    this.#components = components;
    this.#candidates = candidates;
    this.#seeds = seeds;
    this.#parameters = parameters;
    this.#decisions = components.metrics.counter({
      name: "leat_balancer_decisions_total",
      help: "Decisions made, by whether somebody won",
      labelNames: ["outcome"],
    });
  }

  /** Who would pass now, and at which filter the others stop. Leaves no receipt. */
  preview(request: SelectionRequest): FilterPreview {
    return previewFilters(this.#candidates.table(), request, this.#parameters);
  }

  /** Made, signed and on disk before it is answered. */
  async decide(input: DecisionInput): Promise<Decision> {
    const { selectionStore, signer, domain, cluster, clock } = this.#components;
    const { stream, job, attempt, buyerNonce, request } = input;
    const seed = { ...(await this.#seeds.next()), buyerNonce };
    const table = this.#candidates.table();
    const parameters = this.#parameters;
    const selection = select({
      table,
      request,
      seed: deriveSeed(seed.preimage, buyerNonce, job, attempt),
      parameters,
    });
    const decidedAtMs = clock.nowMs();
    const decidedAt = BigInt(Math.floor(decidedAtMs / 1_000));
    const facts = { job, attempt, cluster, seed, request, parameters, decidedAt };
    const body = createBody(facts, selection);
    const value = createReceipt(facts, selection, body);
    const receipt = { value, signature: await signer.sign(selectionReceiptStructure, domain, value) };
    const id = hashStatement(selectionReceiptStructure, domain, value);
    const row = { id, stream, job, receipt, body: bodyToText(body), tableRoot: table.root, decidedAtMs };
    await selectionStore.add(row, table.rows);
    this.#decisions.add(1, { outcome: selection.winner === undefined ? "nobody" : "winner" });
    return { id, selection };
  }

  async find(id: Hex): Promise<PublishedSelection> {
    const row = await this.#components.selectionStore.find(id);
    if (row === undefined) throw new BalancerError({ code: "SELECTION_UNKNOWN", id });
    const { seed } = JSON.parse(row.body) as { seed: { epoch: number } };
    const epoch = await this.#components.selectionStore.epoch(seed.epoch);
    return { id, receipt: row.receipt, body: row.body, commit: epoch?.commit };
  }

  async table(root: Hex): Promise<readonly Candidate[]> {
    const rows = await this.#components.selectionStore.table(root);
    if (rows === undefined) throw new BalancerError({ code: "CANDIDATE_UNKNOWN", root });
    return rows;
  }
}
