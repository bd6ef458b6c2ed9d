import type { Clock } from "@leat/node/kernel/clock.ts";
import type { DurableFacts } from "@leat/node/kernel/durable-facts.ts";
import type { Startable } from "@leat/node/kernel/lifecycle.ts";
import { Mutex } from "@leat/node/kernel/mutex.ts";
import { TaskGroup } from "@leat/node/kernel/task-group.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import type { Static } from "typebox";
import { Value } from "typebox/value";
import {
  type Abi,
  type ContractFunctionArgs,
  type ContractFunctionName,
  type ContractFunctionReturnType,
  type EncodeFunctionDataParameters,
  encodeFunctionData,
  type PublicClient,
  size,
  type TransactionReceipt,
} from "viem";
import type { ChainWallet } from "./clients.ts";
import type { DataFee } from "./data-fee.ts";
import { ChainError, chainErrorOf, reasonOf } from "./errors.ts";
import { type GasLimits, gasLimits, gasOptions } from "./fees.ts";
import { GasPurse } from "./gas-purse.ts";
import { findNonce } from "./nonces.ts";
import type { GasBudget, Outgoing, TransactionBook } from "./transaction-book.ts";
import type { TransactionDriver } from "./transaction-driver.ts";
import { TransactionsUnderWay } from "./transactions-under-way.ts";

export interface ContractCall<
  A extends Abi = Abi,
  N extends ContractFunctionName<A, "nonpayable" | "payable"> = ContractFunctionName<A, "nonpayable" | "payable">,
> {
  readonly address: Address;
  readonly abi: A;
  readonly functionName: N;
  readonly args: ContractFunctionArgs<A, "nonpayable" | "payable", N>;
  /** Gas that others can make it need before its block, beyond what is estimated. Default none. */
  readonly spareGas?: bigint;
}

export interface SentTransaction {
  readonly transaction: Hex;
  readonly blockNumber: bigint;
  readonly receipt: TransactionReceipt;
}

export interface SenderComponents {
  readonly publicClient: PublicClient;
  readonly wallet: ChainWallet;
  /** What the chain takes beside gas; default nothing. */
  readonly dataFee?: DataFee;
  /** Where every signed transaction is written before it leaves. One store never serves two processes. */
  readonly facts: DurableFacts;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricsRegister;
}

export interface SenderOptions {
  readonly lookEveryMs: number;
  /** Blocks on top of the one with the transaction before it counts as done. */
  readonly confirmedDepth: number;
  /** Whoever waits is told CHAIN_NOT_CONFIRMED after so long; the transaction itself is never given up. */
  readonly waitMs: number;
  readonly limits: GasLimits;
}

export const defaultSenderOptions: SenderOptions = {
  lookEveryMs: 500,
  confirmedDepth: 2,
  waitMs: 600_000,
  limits: gasLimits(Value.Default(gasOptions, {}) as Static<typeof gasOptions>),
};

interface SendPlan {
  readonly call: ContractCall;
  readonly isWorth: (result: unknown) => boolean;
  readonly budget?: GasBudget;
}

const BALANCE_EVERY_MS = 60_000;

/**
 * Transactions of one key, one after the other. Each is on disk with its nonce before it leaves, and the next is judged
 * only when it is in a block; so a nonce serves one purpose, and a lost answer, a restart, a reorganisation or an
 * endpoint that lies leads to the same bytes again, never to a second payment.
 */
export class ChainSender implements Startable {
  readonly address: Address;
  readonly #components: SenderComponents;
  readonly #options: SenderOptions;
  readonly #queue = new Mutex();
  readonly #tasks: TaskGroup;
  readonly #purse: GasPurse;
  readonly #underWay: TransactionsUnderWay;
  /** What is not in its block, or not even signed. */
  readonly #waiting = new Set<SendPlan>();

  constructor(components: SenderComponents, options: SenderOptions = defaultSenderOptions) {
    const { wallet, clock, logger, metrics } = components;
    this.#components = components;
    this.#options = options;
    this.address = wallet.account.address.toLowerCase() as Address;
    this.#tasks = new TaskGroup({
      clock,
      onError: (error) => logger.warn("Chain sender failed", { reason: reasonOf(error) }),
    });
    this.#purse = new GasPurse(components, this.address, options.limits);
    const isWaiting = (besides: GasBudget | undefined) =>
      [...this.#waiting].some(({ budget }) => budget?.name !== besides?.name);
    this.#underWay = new TransactionsUnderWay({ ...components, tasks: this.#tasks, isWaiting }, options);
    metrics.gauge({
      name: "leat_chain_pending_transactions",
      help: "Signed transactions that have no confirmed end yet",
      collect: () => this.#underWay.size,
    });
  }

  /** Takes up what was signed before and has no end yet. Does not wait for the chain. */
  async start(): Promise<void> {
    await this.#underWay.book();
    this.#tasks.run(() => this.#purse.watch());
    this.#tasks.every(BALANCE_EVERY_MS, () => this.#purse.watch());
  }

  /** Whoever waits hears the signal's reason; what was signed goes on at the next start. */
  async stop(): Promise<void> {
    await this.#tasks.close();
  }

  /** Why this key cannot pay for a transaction now, or undefined. */
  gasFault(): string | undefined {
    return this.#purse.fault();
  }

  /** Wei that may still be spent from a budget today; without one, from what the key has for the node's own work. */
  async gasLeft(budget?: GasBudget): Promise<bigint> {
    const { clock } = this.#components;
    const daily = budget?.daily ?? this.#options.limits.dailyBudget;
    return daily - (await this.#underWay.book()).committed(clock.nowMs(), budget);
  }

  /**
   * Whether so much gas may be paid for now, before anything is made of it. Throws as `send` would: CHAIN_GAS_BUDGET,
   * CHAIN_GAS_MISSING, CHAIN_FEES_HIGH or CHAIN_UNREACHABLE.
   */
  async checkGas(gas: bigint, budget?: GasBudget): Promise<void> {
    try {
      await this.#purse.feesFor({ gas }, await this.#underWay.book(), budget);
    } catch (error) {
      throw error instanceof ChainError ? error : chainErrorOf(error, "eth_getBalance", this.address);
    }
  }

  /**
   * Simulates, signs, writes down, sends, and waits until it is confirmed; gas comes from `budget` alone where there is
   * one. Throws CHAIN_REVERTED with the contract's own error name, CHAIN_GAS_MISSING, CHAIN_GAS_BUDGET, CHAIN_FEES_HIGH
   * or CHAIN_UNREACHABLE when nothing was signed; CHAIN_NOT_CONFIRMED for what was sent and has no end yet: it stays
   * first in the queue and may still come; CHAIN_DISPLACED for what was sent, whose nonce then did something else, when
   * one of the others kept it from being sent again.
   */
  send<const A extends Abi, N extends ContractFunctionName<A, "nonpayable" | "payable">>(
    call: ContractCall<A, N>,
    signal?: AbortSignal,
    budget?: GasBudget,
  ): Promise<SentTransaction> {
    const plan = { call: call as unknown as ContractCall, isWorth: () => true, ...(budget && { budget }) };
    return this.#perform(plan, signal) as Promise<SentTransaction>;
  }

  /** The same, unless the simulated result is not worth the gas: undefined then. */
  sendIf<const A extends Abi, N extends ContractFunctionName<A, "nonpayable" | "payable">>(
    call: ContractCall<A, N>,
    isWorth: (result: ContractFunctionReturnType<A, "nonpayable" | "payable", N>) => boolean,
    signal?: AbortSignal,
    budget?: GasBudget,
  ): Promise<SentTransaction | undefined> {
    const plan = { call: call as unknown as ContractCall, isWorth: isWorth as (result: unknown) => boolean };
    return this.#perform({ ...plan, ...(budget && { budget }) }, signal);
  }

  async #perform(plan: SendPlan, signal?: AbortSignal): Promise<SentTransaction | undefined> {
    const patience = AbortSignal.any([this.#tasks.signal, ...(signal === undefined ? [] : [signal])]);
    let displaced: Hex | undefined;
    for (;;) {
      const driver = await this.#placeInTurn(plan, patience).catch((error) => {
        if (displaced === undefined || !(error instanceof ChainError) || isPending(error)) throw error;
        throw new ChainError({ code: "CHAIN_DISPLACED", transaction: displaced }, { cause: error });
      });
      if (driver === undefined) return undefined;
      const sent = driver.newest.hash;
      const outcome = await this.#underWay.wait(driver, driver.ended, patience);
      // Its nonce did something else: the call is made again if it is still worth it, and there is gas for it.
      if (outcome.how !== "mined") {
        displaced = sent;
        continue;
      }
      const { receipt } = outcome;
      const transaction = receipt.transactionHash;
      if (receipt.status !== "success") {
        const detail = { method: plan.call.functionName, reason: "in its block", transaction };
        throw new ChainError({ code: "CHAIN_REVERTED", ...detail });
      }
      return { transaction, blockNumber: receipt.blockNumber, receipt };
    }
  }

  async #placeInTurn(plan: SendPlan, patience: AbortSignal): Promise<TransactionDriver | undefined> {
    this.#waiting.add(plan);
    try {
      return await orAborted(
        this.#queue.run(() => this.#place(plan, patience)),
        patience,
      );
    } finally {
      this.#waiting.delete(plan);
    }
  }

  /** In the queue: waits until all earlier ones are in blocks, then signs. Answers when this one is in a block too. */
  async #place(plan: SendPlan, patience: AbortSignal): Promise<TransactionDriver | undefined> {
    patience.throwIfAborted();
    const book = await this.#underWay.book();
    await this.#underWay.waitForAll(patience);
    await this.#underWay.bringBack(book);
    await this.#underWay.waitForAll(patience);
    const outgoing = await this.#sign(book, plan, patience);
    if (outgoing === undefined) return undefined;
    const driver = this.#underWay.drive(book, outgoing);
    await this.#underWay.wait(driver, driver.included, patience);
    return driver;
  }

  async #sign(
    book: TransactionBook,
    { call: { spareGas = 0n, ...call }, isWorth, budget }: SendPlan,
    patience: AbortSignal,
  ): Promise<Outgoing | undefined> {
    const { publicClient, wallet, clock, logger } = this.#components;
    try {
      const request = { account: wallet.account, ...call };
      const { result } = await publicClient.simulateContract(request);
      if (!isWorth(result)) return undefined;
      const estimate = withMargin(await publicClient.estimateContractGas(request));
      const data = encodeFunctionData(call as unknown as EncodeFunctionDataParameters);
      const wanted = { gas: estimate, spareGas, dataBytes: size(data) };
      const { dataFee, gas, ...fees } = await this.#purse.feesFor(wanted, book, budget);
      const { lookEveryMs, confirmedDepth, waitMs } = this.#options;
      const place = await findNonce(
        { client: publicClient, clock, address: this.address, newest: book.newest() },
        { lookEveryMs, confirmedDepth, waitMs },
        patience,
      );
      patience.throwIfAborted();
      const outgoing = await this.#underWay.write(book, fees, {
        ...place,
        purpose: call.functionName,
        to: call.address,
        data,
        gas,
        ...(dataFee > 0n && { dataFee }),
        ...(budget && { budget }),
      });
      logger.debug("Sign transaction", { method: call.functionName, nonce: outgoing.nonce });
      return outgoing;
    } catch (error) {
      if (error instanceof ChainError || patience.aborted) throw error;
      throw chainErrorOf(error, call.functionName, this.address);
    }
  }
}

/** It was signed and may still come. */
function isPending({ detail }: ChainError): boolean {
  return detail.code === "CHAIN_NOT_CONFIRMED";
}

/** Who waits for its turn may leave before it comes: nothing is signed for it then. */
function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const leave = () => reject(signal.reason);
  if (signal.aborted) leave();
  signal.addEventListener("abort", leave, { once: true });
  return Promise.race([work, promise]).finally(() => signal.removeEventListener("abort", leave));
}

/** A fifth more than was estimated: what the state holds may differ in the block that takes it. */
function withMargin(estimate: bigint): bigint {
  return (estimate * 6n) / 5n;
}
