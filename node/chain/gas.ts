import type { PublicClient } from "viem";
import { ChainError, reasonOf } from "./errors.ts";

/** What a transaction costs and how large it may be. */
export interface GasSource {
  /** Wei for one unit of gas, as a transaction that is sent now would pay. */
  gasPrice(): Promise<bigint>;
  /** Gas of a whole block. */
  blockGasLimit(): Promise<bigint>;
}

export function gasOf(publicClient: PublicClient): GasSource {
  const ask = async <T>(method: string, answer: Promise<T>): Promise<T> => {
    try {
      return await answer;
    } catch (cause) {
      throw new ChainError({ code: "CHAIN_UNREACHABLE", method, reason: reasonOf(cause) }, { cause });
    }
  };
  return {
    gasPrice: () => ask("eth_gasPrice", publicClient.getGasPrice()),
    blockGasLimit: async () => (await ask("eth_getBlockByNumber", publicClient.getBlock())).gasLimit,
  };
}
