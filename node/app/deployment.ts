import type { Deployment } from "@leat/sdk/protocol/deployment.ts";
import { requireDeployed } from "@leat/sdk/protocol/network.ts";
import { readNetwork } from "../config/network-file.ts";
import type { NodeConfig } from "../config/sections.ts";
import { AppError } from "./errors.ts";

/**
 * Where the contracts of the node's network are.
 * @throws APP_NETWORK_MISSING, CONFIG_FILE_UNREADABLE, NETWORK_INVALID, NETWORK_NOT_DEPLOYED
 */
export function readDeployment(config: NodeConfig): Deployment {
  const { networkFile } = config.node;
  if (networkFile !== "") return requireDeployed(readNetwork(networkFile)).deployment;
  throw new AppError(
    { code: "APP_NETWORK_MISSING" },
    { message: "no network is named; give --network with the file that the deployment wrote" },
  );
}
