import type { Deployment } from "../protocol/deployment.ts";
import type { Address } from "../protocol/hex.ts";
import type { LeatClient } from "./create-client.ts";
import { ClientError } from "./transaction.ts";

const contracts = [
  "escrow",
  "operatorRegistry",
  "clusterRegistry",
  "accessManager",
  "faults",
] as const satisfies readonly (keyof Deployment)[];

type Asked = Pick<LeatClient, "publicClient" | "deployment">;

/** Whether each contract of the deployment is on the chain. @throws CLIENT_CONTRACT_ABSENT for the first that is not */
export async function checkContracts({ publicClient, deployment }: Asked): Promise<void> {
  const named = contracts.flatMap((contract) => {
    const address = deployment[contract];
    return address === undefined ? [] : [{ contract, address }];
  });
  const codes = await Promise.all(named.map(({ address }) => publicClient.getCode({ address })));
  const absent = named.find((_, index) => isNone(codes[index]));
  if (absent !== undefined) throw new ClientError({ code: "CLIENT_CONTRACT_ABSENT", ...absent });
}

/** The same of the escrow alone: what is sent to, or allowed to, an address without code does nothing and succeeds. */
export async function checkEscrow({ publicClient, deployment }: Asked): Promise<void> {
  const address: Address = deployment.escrow;
  if (isNone(await publicClient.getCode({ address }))) {
    throw new ClientError({ code: "CLIENT_CONTRACT_ABSENT", contract: "escrow", address });
  }
}

const isNone = (code: string | undefined) => code === undefined || code === "0x";
