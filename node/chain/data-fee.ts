import { type PublicClient, parseAbi } from "viem";
import { ChainError, reasonOf } from "./errors.ts";

/** What a rollup takes beside gas for the place of a transaction's bytes on the chain below. */
export interface DataFee {
  /** Wei that a transaction with so many bytes of call data costs at most, with the bytes around them. */
  of(dataBytes: number): Promise<bigint>;
}

/** `included`: gas is all that is paid, as on a chain of its own, or where the estimate of gas holds it (Arbitrum). */
export type DataFeeKind = "included" | "op-stack";

/** Where every chain of the OP Stack has it. */
export const gasPriceOracle = "0x420000000000000000000000000000000000000F";
/** Since the upgrade Fjord of 2024. Of a size, not of bytes: what they would be compressed to is assumed at its worst. */
const oracleAbi = parseAbi(["function getL1FeeUpperBound(uint256 unsignedTxSize) view returns (uint256)"]);

/** Nonce, fees, gas, address and the lengths around them, without a signature: the oracle adds that. */
const BYTES_AROUND = 90;
/**
 * Each of our calls has more gas than this for each byte of its data; a test holds it. So a fee by the byte is told as
 * one by the unit of gas, and whoever weighs gas against amounts weighs both.
 */
export const LEAST_GAS_PER_BYTE = 40n;
/** The fee is as good as linear above a hundred bytes: one look tells the price of a byte. */
const SAMPLE_BYTES = 2_000;

const nothing: DataFee = { of: async () => 0n };

/** @throws CHAIN_UNREACHABLE, also where the chain has no such oracle */
export function dataFeeOf(publicClient: PublicClient, kind: DataFeeKind): DataFee {
  if (kind === "included") return nothing;
  return {
    async of(dataBytes) {
      try {
        return await publicClient.readContract({
          address: gasPriceOracle,
          abi: oracleAbi,
          functionName: "getL1FeeUpperBound",
          args: [BigInt(dataBytes + BYTES_AROUND)],
        });
      } catch (cause) {
        const method = "getL1FeeUpperBound";
        throw new ChainError({ code: "CHAIN_UNREACHABLE", method, reason: reasonOf(cause) }, { cause });
      }
    },
  };
}

/** What the data of our calls adds to a unit of their gas at most, wei. */
export async function dataPriceOfGas(dataFee: DataFee): Promise<bigint> {
  const divisor = BigInt(SAMPLE_BYTES) * LEAST_GAS_PER_BYTE;
  return ((await dataFee.of(SAMPLE_BYTES)) + divisor - 1n) / divisor;
}

/** At most so many bytes of data has a call of ours with so much gas. */
export function mostDataOf(gas: bigint): number {
  return Number(gas / LEAST_GAS_PER_BYTE);
}
