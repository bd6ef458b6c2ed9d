import type { ContractFunctionName } from "viem";
import { operatorRegistryAbi } from "../protocol/abi/operator-registry.ts";
import type { LeatClient } from "./create-client.ts";
import { explainRefusal } from "./refusals.ts";
import { type Done, type Write, write } from "./transaction.ts";

/** One transaction to the registry of operators. @throws CLIENT_REVERTED, or a code of its own where it said more */
export async function callOperators<N extends ContractFunctionName<typeof operatorRegistryAbi, "nonpayable">>(
  client: LeatClient,
  functionName: N,
  args: Write<typeof operatorRegistryAbi, N>["args"],
): Promise<Done> {
  const registry = { address: client.deployment.operatorRegistry, abi: operatorRegistryAbi } as const;
  try {
    const { transaction, blockNumber } = await write(client, { ...registry, functionName, args });
    return { transaction, blockNumber };
  } catch (error) {
    throw await explainRefusal(client, client.deployment.stakeToken, error);
  }
}
