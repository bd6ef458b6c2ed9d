import { ChainError } from "@leat/node/chain/errors.ts";
import type { GasSource } from "@leat/node/chain/gas.ts";
import type { ChainSender, ContractCall, SentTransaction } from "@leat/node/chain/sender.ts";
import type { GasBudget } from "@leat/node/chain/transaction-book.ts";
import type { Clock } from "@leat/node/kernel/clock.ts";
import { isCheapFor, leastWorth, type TokenValue } from "@leat/node/metering/collect-rule.ts";
import type { Abi, ContractFunctionName } from "viem";
import { PrepaidError } from "./errors.ts";
import { refusalOf } from "./refusal.ts";

export interface PaymentSenderComponents {
  readonly sender: Pick<ChainSender, "send" | "checkGas">;
  readonly gas: Pick<GasSource, "gasPrice">;
  readonly clock: Clock;
}

export interface PaymentGas {
  /** Of the token that is taken. */
  readonly tokenValue: TokenValue;
  /** Gas may cost at most this part of a payment, millionths. */
  readonly gasPpm: number;
  /** Wei that payments by HTTP may cost in 24 hours. */
  readonly daily: bigint;
}

/** A transfer or a top-up by authorisation, with what the sender adds to its estimate. */
const GAS_PER_PAYMENT = 150_000n;

/** For so long nobody is looked into again once there was no gas to send anything with. */
const CLOSED_MS = 5_000;

/**
 * Sends what strangers ask this node to send. It has gas of its own, so that whoever makes the node spend it never
 * keeps it from collecting what it earned; and each payment has to be worth its gas.
 */
export class PaymentSender {
  readonly #components: PaymentSenderComponents;
  readonly #gas: PaymentGas;
  readonly #budget: GasBudget;
  /** Why nothing may be sent, as of a moment ago. */
  #closed: { readonly refusal: PrepaidError; readonly sinceMs: number } | undefined;

  constructor(components: PaymentSenderComponents, gas: PaymentGas) {
    this.#components = components;
    this.#gas = gas;
    this.#budget = { name: "payments", daily: gas.daily };
  }

  /** What was found a moment ago, without a call to the chain. @throws X402_SETTLEMENT_UNAVAILABLE */
  checkOpen(): void {
    if (this.#closed === undefined) return;
    const { refusal, sinceMs } = this.#closed;
    if (Math.abs(this.#components.clock.nowMs() - sinceMs) < CLOSED_MS) throw refusal;
    this.#closed = undefined;
  }

  /** The least payment that is worth its gas now, base units. @throws what the chain's gas price is refused with */
  async leastWorth(): Promise<bigint> {
    const { tokenValue, gasPpm } = this.#gas;
    return leastWorth(GAS_PER_PAYMENT, await this.#components.gas.gasPrice(), tokenValue, gasPpm);
  }

  /**
   * Before anything is written down of a payment: else whoever asks while there is no gas leaves a trace each time.
   * @throws X402_SETTLEMENT_UNAVAILABLE where gas is too dear for so many base units, or none may be spent now;
   * X402_CHAIN_UNAVAILABLE
   */
  async checkWorth(value: bigint): Promise<void> {
    const weiPerGas = await this.#components.gas.gasPrice().catch((cause) => {
      throw new PrepaidError({ code: "X402_CHAIN_UNAVAILABLE" }, { cause });
    });
    const { tokenValue, gasPpm } = this.#gas;
    if (!isCheapFor(value, GAS_PER_PAYMENT, weiPerGas, tokenValue, gasPpm)) {
      throw new PrepaidError({ code: "X402_SETTLEMENT_UNAVAILABLE", reason: "gas is too dear" });
    }
    await this.#components.sender.checkGas(GAS_PER_PAYMENT, this.#budget).catch((cause) => {
      const refusal = cause instanceof ChainError ? refusalOf(cause) : undefined;
      if (refusal?.code === "X402_SETTLEMENT_UNAVAILABLE") {
        this.#closed = { refusal, sinceMs: this.#components.clock.nowMs() };
      }
      throw refusal ?? cause;
    });
  }

  /** As the chain's sender does, with the gas that is set apart. */
  send<const A extends Abi, N extends ContractFunctionName<A, "nonpayable" | "payable">>(
    call: ContractCall<A, N>,
    signal: AbortSignal,
  ): Promise<SentTransaction> {
    return this.#components.sender.send(call, signal, this.#budget);
  }
}
