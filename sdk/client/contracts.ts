import type { LeatClient } from "./create-client.ts";
import { ClientError } from "./transaction.ts";

const contracts = ["escrow", "operatorRegistry", "clusterRegistry", "accessManager", "faults"] as const;

/**
 * Whether contracts of the deployment, all by default, are on the chain: what is sent to, or allowed to, an address
 * without code does nothing and succeeds. @throws CLIENT_CONTRACT_ABSENT for the first that is not
 */
export async function checkContracts(
  { publicClient, deployment }: Pick<LeatClient, "publicClient" | "deployment">,
  names: readonly (typeof contracts)[number][] = contracts,
): Promise<void> {
  const named = names.flatMap((contract) => {
    const address = deployment[contract];
    return address === undefined ? [] : [{ contract, address }];
  });
  const codes = await Promise.all(named.map(({ address }) => publicClient.getCode({ address })));
  const absent = named.find((_, index) => (codes[index] ?? "0x") === "0x");
  if (absent !== undefined) throw new ClientError({ code: "CLIENT_CONTRACT_ABSENT", ...absent });
}
