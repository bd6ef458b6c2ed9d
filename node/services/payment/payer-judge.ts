import type { Clock } from "@leat/node/kernel/clock.ts";
import { isPayerTaken, type PayerBounce, type PayerPolicy, payerScorePpm } from "@leat/node/market/payer-reputation.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import { PaymentError } from "./errors.ts";

export interface PayerJudgeComponents {
  /** What bounced of a payer, by the escrow's events. */
  readonly bouncesOf: (payer: Address) => Promise<readonly PayerBounce[]>;
  readonly clock: Clock;
}

/** Refuses payers by what the chain says of them, under this node's policy. */
export class PayerJudge {
  readonly #components: PayerJudgeComponents;
  readonly #policy: PayerPolicy;

  constructor(components: PayerJudgeComponents, policy: PayerPolicy) {
    this.#components = components;
    this.#policy = policy;
  }

  /** @throws PAYER_REPUTATION_LOW */
  async check(payer: Address): Promise<void> {
    const { bouncesOf, clock } = this.#components;
    const bounces = await bouncesOf(payer);
    const now = BigInt(Math.floor(clock.nowMs() / 1_000));
    if (isPayerTaken(bounces, now, this.#policy)) return;
    const scorePpm = payerScorePpm(bounces, now);
    throw new PaymentError({ code: "PAYER_REPUTATION_LOW", payer, scorePpm, bounces: bounces.length });
  }
}
