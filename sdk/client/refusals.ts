import { ContractFunctionRevertedError, erc20Abi } from "viem";
import { type Address, toAddress } from "../protocol/hex.ts";
import type { LeatClient } from "./create-client.ts";
import { ClientError } from "./transaction.ts";

/** Contracts' errors of too little money, all of them with what was wanted and what was found. */
const shortages = {
  PaymentEscrowPoolShort: "CLIENT_POOL_SHORT",
  PaymentEscrowReserveShort: "CLIENT_RESERVE_SHORT",
  OperatorRegistryStakeShort: "CLIENT_STAKE_SHORT",
} as const;

/** A token as people read it: base units alone tell them nothing. */
export async function nameToken(client: LeatClient, token: Address) {
  const named = Object.entries(client.deployment.tokens).find(([, address]) => toAddress(address) === toAddress(token));
  const decimals = await client.publicClient.readContract({ address: token, abi: erc20Abi, functionName: "decimals" });
  return { token, symbol: named?.[0] ?? token, decimals };
}

/**
 * A contract's refusal with the facts that it gave itself: those of the block it judged in. Anything else comes back as
 * it is.
 * @param token Whose amounts the contract speaks of.
 */
export async function explainRefusal(client: LeatClient, token: Address, error: unknown): Promise<unknown> {
  const { name, args } = revertOf(error);
  switch (name) {
    case "PaymentEscrowPoolShort":
    case "PaymentEscrowReserveShort":
    case "OperatorRegistryStakeShort": {
      const [wanted, found] = args as readonly [bigint, bigint];
      const named = await nameToken(client, token);
      return new ClientError({ code: shortages[name], ...named, wanted, found }, { cause: error });
    }
    case "PaymentEscrowCapFell": {
      const [held, wanted] = args as readonly [bigint, bigint];
      const named = await nameToken(client, token);
      return new ClientError({ code: "CLIENT_CAP_FELL", ...named, held, wanted }, { cause: error });
    }
    case "PaymentEscrowThawRunning":
    case "OperatorRegistryThawRunning":
      return new ClientError({ code: "CLIENT_THAW_RUNNING", endsAt: args[0] as bigint }, { cause: error });
    case "PaymentEscrowThawNone":
    case "OperatorRegistryThawNone":
      return new ClientError({ code: "CLIENT_THAW_NONE" }, { cause: error });
    case "OperatorRegistryNotJoined":
      return new ClientError(
        { code: "CLIENT_OPERATOR_UNKNOWN", account: toAddress(args[0] as string) },
        { cause: error },
      );
    default:
      return error;
  }
}

function revertOf(error: unknown): { readonly name: string | undefined; readonly args: readonly unknown[] } {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (at instanceof ContractFunctionRevertedError) return { name: at.data?.errorName, args: at.data?.args ?? [] };
  }
  return { name: undefined, args: [] };
}
