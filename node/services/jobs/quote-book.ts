import { randomBytes } from "node:crypto";
import type { Clock } from "@leat/node/kernel/clock.ts";
import type { BalancerRequest, BalancerResponse } from "@leat/node/wire/session/messages.ts";
import { type Domain, hashStatement } from "@leat/sdk/protocol/eip712.ts";
import { type Address, bytesToHex, type Hex } from "@leat/sdk/protocol/hex.ts";
import { hashPrices, type JobTerms, type Prices } from "@leat/sdk/protocol/job.ts";
import { type Quote, quoteStructure } from "@leat/sdk/protocol/signed.ts";
import type { StatementSigner } from "@leat/sdk/protocol/statements.ts";
import { JobError } from "./assignment.ts";

export interface QuoteBookComponents {
  readonly signer: StatementSigner;
  readonly domain: Domain;
  /** The node's prices in a token; undefined where it does not take the token. */
  readonly prices: (token: Address) => Prices | undefined;
  readonly clock: Clock;
}

/** Quotes that wait for their assignment, or may be shown again with it: far more than a node has jobs. */
const MAX_QUOTES = 10_000;

/**
 * The quotes that this process issued, oldest first. An assignment for another is a replay of what was agreed with an
 * earlier process, whose receipts this one may know nothing of.
 */
export class QuoteBook {
  readonly #components: QuoteBookComponents;
  readonly #validMs: number;
  readonly #issued = new Set<Hex>();

  constructor(components: QuoteBookComponents, validMs: number) {
    this.#components = components;
    this.#validMs = validMs;
  }

  /** @throws JOB_PRICE_MISSING */
  async issue(request: BalancerRequest<"quote.request">): Promise<BalancerResponse<"quote.request">> {
    const { signer, domain, clock } = this.#components;
    const { payer, token, specHash, maxUnits } = request;
    const prices = this.#components.prices(token);
    if (prices === undefined) throw new JobError({ code: "JOB_PRICE_MISSING", unit: request.primitive });
    const value: Quote = {
      node: signer.address,
      payer,
      token,
      specHash,
      pricesHash: hashPrices(prices),
      maxUnits,
      validUntil: BigInt(Math.floor((clock.nowMs() + this.#validMs) / 1000)),
      nonce: BigInt(bytesToHex(randomBytes(32))),
    };
    this.#issued.add(hashStatement(quoteStructure, domain, value));
    if (this.#issued.size > MAX_QUOTES) this.#issued.delete(this.#issued.values().next().value!);
    return { quote: { value, signature: await signer.sign(quoteStructure, domain, value) }, prices };
  }

  /** @throws JOB_QUOTE_UNKNOWN unless the assignment is for a quote of this process. */
  requireIssued({ assignment }: JobTerms): void {
    const { quoteHash } = assignment.value;
    if (!this.#issued.has(quoteHash)) throw new JobError({ code: "JOB_QUOTE_UNKNOWN", quoteHash });
  }
}
