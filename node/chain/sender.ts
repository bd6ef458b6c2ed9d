import type { Clock } from "@leat/node/kernel/clock.ts";
import { Mutex } from "@leat/node/kernel/mutex.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import {
  type Abi,
  type ContractFunctionArgs,
  type ContractFunctionName,
  type ContractFunctionReturnType,
  ContractFunctionRevertedError,
  type EncodeFunctionDataParameters,
  encodeFunctionData,
  InsufficientFundsError,
  NonceTooLowError,
  type PublicClient,
  type TransactionReceipt,
} from "viem";
import type { ChainWallet } from "./clients.ts";
import { ChainError, causesOf, reasonOf } from "./errors.ts";

export interface ContractCall<
  A extends Abi = Abi,
  N extends ContractFunctionName<A, "nonpayable" | "payable"> = ContractFunctionName<A, "nonpayable" | "payable">,
> {
  readonly address: Address;
  readonly abi: A;
  readonly functionName: N;
  readonly args: ContractFunctionArgs<A, "nonpayable" | "payable", N>;
}

export interface SentTransaction {
  readonly transaction: Hex;
  readonly blockNumber: bigint;
  readonly receipt: TransactionReceipt;
}

export interface SenderComponents {
  readonly publicClient: PublicClient;
  readonly wallet: ChainWallet;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface SenderOptions {
  /** Looks at the chain for a receipt before a transaction counts as lost. */
  readonly receiptLooks: number;
  readonly lookEveryMs: number;
  readonly tries: number;
}

export const defaultSenderOptions: SenderOptions = { receiptLooks: 120, lookEveryMs: 500, tries: 3 };

/** Transactions of one key, one after the other, so that no two ever ask for the same nonce. */
export class ChainSender {
  readonly address: Address;
  readonly #components: SenderComponents;
  readonly #options: SenderOptions;
  readonly #mutex = new Mutex();
  #checkedOwn = false;

  constructor(components: SenderComponents, options: SenderOptions = defaultSenderOptions) {
    this.#components = components;
    this.#options = options;
    this.address = components.wallet.account.address.toLowerCase() as Address;
  }

  /**
   * Simulates, sends, and waits until it is in a block. Throws CHAIN_REVERTED with the contract's own error name,
   * CHAIN_GAS_MISSING, CHAIN_UNREACHABLE, or CHAIN_NOT_CONFIRMED for one that was sent and not seen again: it may
   * still come, so the caller looks at the chain before it sends another.
   */
  send<const A extends Abi, N extends ContractFunctionName<A, "nonpayable" | "payable">>(
    call: ContractCall<A, N>,
    signal?: AbortSignal,
  ): Promise<SentTransaction> {
    const always = () => true;
    return this.#mutex.run(
      () => this.#send(call as unknown as ContractCall, always, signal) as Promise<SentTransaction>,
    );
  }

  /** The same, unless the simulated result is not worth the gas: undefined then. */
  sendIf<const A extends Abi, N extends ContractFunctionName<A, "nonpayable" | "payable">>(
    call: ContractCall<A, N>,
    isWorth: (result: ContractFunctionReturnType<A, "nonpayable" | "payable", N>) => boolean,
    signal?: AbortSignal,
  ): Promise<SentTransaction | undefined> {
    return this.#mutex.run(() =>
      this.#send(call as unknown as ContractCall, isWorth as (result: unknown) => boolean, signal),
    );
  }

  async #send(
    call: ContractCall,
    isWorth: (result: unknown) => boolean,
    signal?: AbortSignal,
  ): Promise<SentTransaction | undefined> {
    const { publicClient, wallet, logger, clock } = this.#components;
    await this.#waitForOwn(signal);
    for (let attempt = 1; ; attempt += 1) {
      signal?.throwIfAborted();
      try {
        const { result } = await publicClient.simulateContract({ account: wallet.account, ...call });
        if (!isWorth(result)) return undefined;
        const nonce = await publicClient.getTransactionCount({ address: wallet.account.address, blockTag: "pending" });
        const data = encodeFunctionData(call as unknown as EncodeFunctionDataParameters);
        const transaction = await wallet.sendTransaction({ to: call.address, data, nonce });
        logger.debug("Send transaction", { method: call.functionName, transaction, nonce });
        const receipt = await this.#waitForReceipt(transaction, signal);
        if (receipt.status !== "success") {
          throw new ChainError({
            code: "CHAIN_REVERTED",
            method: call.functionName,
            reason: "in its block",
            transaction,
          });
        }
        return { transaction, blockNumber: receipt.blockNumber, receipt };
      } catch (error) {
        if (error instanceof ChainError || signal?.aborted) throw error;
        const coded = this.#codeOf(error, call.functionName);
        // Another program that sends with this key was faster, or the endpoint failed: both pass.
        const mayPass = coded.code === "CHAIN_UNREACHABLE" && attempt < this.#options.tries;
        if (!mayPass) throw coded;
        logger.warn("Send transaction failed", { method: call.functionName, attempt, reason: reasonOf(error) });
        await clock.sleep(this.#options.lookEveryMs * attempt, signal);
      }
    }
  }

  /** What this key sent before it died must be in a block before anything is judged again: it may do the same. */
  async #waitForOwn(signal?: AbortSignal): Promise<void> {
    if (this.#checkedOwn) return;
    const { publicClient, clock } = this.#components;
    const address = this.address;
    for (let look = 0; look < this.#options.receiptLooks; look += 1) {
      try {
        const [pending, latest] = await Promise.all([
          publicClient.getTransactionCount({ address, blockTag: "pending" }),
          publicClient.getTransactionCount({ address, blockTag: "latest" }),
        ]);
        if (pending <= latest) break;
      } catch (error) {
        throw this.#codeOf(error, "eth_getTransactionCount");
      }
      await clock.sleep(this.#options.lookEveryMs, signal);
    }
    this.#checkedOwn = true;
  }

  async #waitForReceipt(hash: Hex, signal?: AbortSignal): Promise<TransactionReceipt> {
    const { publicClient, clock } = this.#components;
    for (let look = 0; look < this.#options.receiptLooks; look += 1) {
      // Not there yet and endpoint away look alike here; both end by the count.
      const receipt = await publicClient.getTransactionReceipt({ hash }).catch(() => undefined);
      if (receipt !== undefined) return receipt;
      await clock.sleep(this.#options.lookEveryMs, signal);
    }
    throw new ChainError({ code: "CHAIN_NOT_CONFIRMED", transaction: hash });
  }

  #codeOf(error: unknown, method: string): ChainError {
    const chain = [...causesOf(error)];
    const reverted = chain.find((cause) => cause instanceof ContractFunctionRevertedError);
    if (reverted !== undefined) {
      const reason = reverted.data?.errorName ?? reverted.reason ?? reverted.signature ?? "unknown";
      return new ChainError({ code: "CHAIN_REVERTED", method, reason }, { cause: error });
    }
    if (chain.some((cause) => cause instanceof InsufficientFundsError)) {
      return new ChainError({ code: "CHAIN_GAS_MISSING", address: this.address }, { cause: error });
    }
    const isNonce = chain.some((cause) => cause instanceof NonceTooLowError);
    const reason = isNonce ? "nonce used" : reasonOf(error);
    return new ChainError({ code: "CHAIN_UNREACHABLE", method, reason }, { cause: error });
  }
}
