import type { Clock } from "@leat/node/kernel/clock.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import { formatEther, type PublicClient } from "viem";
import { type DataFee, dataFeeOf, mostDataOf } from "./data-fee.ts";
import { ChainError } from "./errors.ts";
import { type Fees, firstFees, type GasLimits } from "./fees.ts";
import type { GasBudget, TransactionBook } from "./transaction-book.ts";
import { readFees } from "./transaction-driver.ts";

export interface PurseComponents {
  readonly publicClient: PublicClient;
  /** Beside gas; default nothing. */
  readonly dataFee?: DataFee;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricsRegister;
}

/** Gas of a collection of one claim, with the sender's margin: a balance that cannot pay it cannot settle. */
const LEAST_GAS = 100_000n;

/** What a transaction may take. */
export interface GasWanted {
  readonly gas: bigint;
  /** More than was estimated, that is only used where the state changes before its block. */
  readonly spareGas?: bigint;
  readonly dataBytes?: number;
}

/** What one key holds for gas, and how much of it may be spent. */
export class GasPurse {
  readonly #components: PurseComponents;
  readonly #address: Address;
  readonly #limits: GasLimits;
  readonly #dataFee: DataFee;
  #balance: bigint | undefined;
  /** Wei that a small collection costs. */
  #leastCost = 0n;
  #isHighTold = false;

  constructor(components: PurseComponents, address: Address, limits: GasLimits) {
    this.#components = components;
    this.#address = address;
    this.#limits = limits;
    this.#dataFee = components.dataFee ?? dataFeeOf(components.publicClient, "included");
    components.metrics.gauge({
      name: "leat_chain_gas_balance_ether",
      help: "What the node key holds for gas",
      collect: () => Number(formatEther(this.#balance ?? 0n)),
    });
    components.metrics.gauge({
      name: "leat_chain_gas_excess_ether",
      help: "What the node key holds beyond gas.highBalanceEther: lost with the key, and of no use on it",
      collect: () => Number(formatEther(this.#excess())),
    });
  }

  /** Why a small collection cannot be paid for now, or undefined. */
  fault(): string | undefined {
    if (this.#balance === undefined || this.#balance >= this.#leastCost) return undefined;
    return `${formatEther(this.#balance)} ether for gas at ${this.#address}`;
  }

  /**
   * What to offer for so much gas, what a rollup takes for the data beside it, and the gas itself: with what is spare
   * where that can be paid for too. Throws CHAIN_FEES_HIGH, CHAIN_GAS_BUDGET or CHAIN_GAS_MISSING where it may not or
   * cannot be paid: before anything is signed, since what no balance covers would block the queue.
   */
  async feesFor(
    { gas, spareGas = 0n, dataBytes = mostDataOf(gas) }: GasWanted,
    book: TransactionBook,
    budget?: GasBudget,
  ): Promise<Fees & { readonly dataFee: bigint; readonly gas: bigint }> {
    const { publicClient, clock } = this.#components;
    const { maxFee, dailyBudget } = this.#limits;
    const daily = budget?.daily ?? dailyBudget;
    const { baseFee, tip } = await readFees(publicClient);
    const fees = firstFees(baseFee, tip, this.#limits);
    if (fees === undefined) throw new ChainError({ code: "CHAIN_FEES_HIGH", baseFee, ceiling: maxFee });
    // A quarter more than now: it follows the fees of the chain below, and may rise until a block has it.
    const dataFee = ((await this.#dataFee.of(dataBytes)) * 5n) / 4n;
    const needed = gas * fees.maxFeePerGas + dataFee;
    const committed = book.committed(clock.nowMs(), budget);
    if (committed + needed > daily) {
      throw new ChainError({ code: "CHAIN_GAS_BUDGET", budget: daily, committed, needed });
    }
    const balance = await publicClient.getBalance({ address: this.#address });
    this.#balance = balance;
    if (balance < needed) throw new ChainError({ code: "CHAIN_GAS_MISSING", address: this.#address, balance, needed });
    const withSpare = needed + spareGas * fees.maxFeePerGas;
    const isSpared = withSpare <= balance && committed + withSpare <= daily;
    return { ...fees, dataFee, gas: isSpared ? gas + spareGas : gas };
  }

  #excess(): bigint {
    const excess = (this.#balance ?? 0n) - this.#limits.highBalance;
    return excess > 0n ? excess : 0n;
  }

  /** Looks at the balance and warns while it is low, and when it came to be more than gas needs. */
  async watch(): Promise<void> {
    const { publicClient, logger } = this.#components;
    const dataFee = await this.#dataFee.of(mostDataOf(LEAST_GAS));
    const { baseFee, tip } = await readFees(publicClient);
    const perGas = firstFees(baseFee, tip, this.#limits)?.maxFeePerGas ?? this.#limits.maxFee;
    this.#leastCost = LEAST_GAS * perGas + dataFee;
    this.#balance = await publicClient.getBalance({ address: this.#address });
    if (this.#excess() > 0n && !this.#isHighTold) {
      logger.warn("Key holds more ether than gas needs: whoever steals the key can spend it", {
        address: this.#address,
        ether: formatEther(this.#balance),
      });
    }
    this.#isHighTold = this.#excess() > 0n;
    if (this.#balance >= this.#limits.lowBalance) return;
    logger.warn("Gas is low: send ether to this node's address", {
      address: this.#address,
      ether: formatEther(this.#balance),
    });
  }
}
