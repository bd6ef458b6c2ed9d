import type { GasSource } from "@leat/node/chain/gas.ts";
import type { ChainSender } from "@leat/node/chain/sender.ts";
import type { TokenAuthorizations } from "@leat/node/chain/token-authorizations.ts";
import { isCheapFor, type TokenValue } from "@leat/node/metering/collect-rule.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import { PrepaidError } from "./errors.ts";

export interface PayoutComponents {
  readonly tokens: Pick<TokenAuthorizations, "balanceOf" | "payCall">;
  readonly sender: Pick<ChainSender, "send">;
  readonly gas: Pick<GasSource, "gasPrice">;
  /** Who receives what this node earns; undefined for a key that belongs to no operator. */
  readonly beneficiary: () => Promise<Address | undefined>;
  readonly logger: Logger;
}

export interface PayoutTerms {
  /** This node's key. */
  readonly holder: Address;
  /** Base units. What is more is paid out. */
  readonly maxHeld: bigint;
  readonly tokenValue: TokenValue;
  /** Gas may cost at most this part of what is paid out, millionths. */
  readonly gasPpm: number;
}

/** A transfer to an account that may be new to the token, rounded up. */
const GAS_PER_PAYOUT = 80_000n;

/**
 * Payments by HTTP arrive at the node's own key, which stands on a machine that strangers talk to. What exceeds a small
 * sum goes to the operator's beneficiary; while that does not get through, nothing more is taken. So whoever steals the
 * key finds little.
 */
export class Payouts {
  readonly #components: PayoutComponents;
  readonly #terms: PayoutTerms;
  #hasWarned = false;

  constructor(components: PayoutComponents, terms: PayoutTerms) {
    this.#components = components;
    this.#terms = terms;
  }

  /**
   * @param pending Base units that may still come, known before this is asked: what came in between counts twice then,
   * and never not at all.
   * @throws X402_HOLDS_ENOUGH, CHAIN_UNREACHABLE
   */
  async checkRoom(pending: bigint): Promise<void> {
    const { holder, maxHeld } = this.#terms;
    const held = (await this.#components.tokens.balanceOf(holder)) + pending;
    const most = 2n * maxHeld;
    if (held > most) throw new PrepaidError({ code: "X402_HOLDS_ENOUGH", held, most });
  }

  /** Pays out what is held where it is more than it should be and worth its gas. */
  async look(signal: AbortSignal): Promise<void> {
    const { tokens, sender, gas, beneficiary, logger } = this.#components;
    const { holder, maxHeld, tokenValue, gasPpm } = this.#terms;
    const held = await tokens.balanceOf(holder);
    if (held <= maxHeld) return;
    if (!isCheapFor(held, GAS_PER_PAYOUT, await gas.gasPrice(), tokenValue, gasPpm)) return;
    const to = await beneficiary();
    if (to === undefined || to === holder) {
      const message = "Pay out prepayments failed: this key's operator has no other account; move them on by hand";
      if (!this.#hasWarned) logger.error(message, { holder, held });
      this.#hasWarned = true;
      return;
    }
    const { transaction } = await sender.send(tokens.payCall(to, held), signal);
    logger.info("Pay out prepayments", { beneficiary: to, value: held, transaction });
  }
}
