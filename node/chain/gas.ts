import type { PublicClient } from "viem";
import { type DataFee, dataFeeOf, dataPriceOfGas } from "./data-fee.ts";
import { ChainError, reasonOf } from "./errors.ts";

/** What a transaction costs and how large it may be. */
export interface GasSource {
  /** Wei for one unit of gas, as a transaction of ours that is sent now would pay, its data fee on a rollup included. */
  gasPrice(): Promise<bigint>;
  /** Gas of a whole block. */
  blockGasLimit(): Promise<bigint>;
}

export function gasOf(publicClient: PublicClient, dataFee: DataFee = dataFeeOf(publicClient, "included")): GasSource {
  const ask = async <T>(method: string, answer: Promise<T>): Promise<T> => {
    try {
      return await answer;
    } catch (cause) {
      throw new ChainError({ code: "CHAIN_UNREACHABLE", method, reason: reasonOf(cause) }, { cause });
    }
  };
  return {
    async gasPrice() {
      const [price, data] = await Promise.all([
        ask("eth_gasPrice", publicClient.getGasPrice()),
        dataPriceOfGas(dataFee),
      ]);
      return price + data;
    },
    blockGasLimit: async () => (await ask("eth_getBlockByNumber", publicClient.getBlock())).gasLimit,
  };
}
