import type { Network } from "@leat/sdk/protocol/network.ts";
import { type LoadConfigOptions, type LoadedConfig, loadConfig } from "./load-config.ts";
import { networkPath, readNetwork } from "./network-file.ts";
import { type NodeSections, sections } from "./sections.ts";

/** The settings of a node; what its network file says stands between the defaults and everything else. */
export function loadNodeConfig(options: Omit<LoadConfigOptions<NodeSections>, "sections">): LoadedConfig<NodeSections> {
  return loadConfig({
    sections,
    ...options,
    below: (read) => {
      const file = read("node.networkFile");
      if (typeof file !== "string" || file === "") return undefined;
      return { name: networkPath(file), values: settingsOf(readNetwork(file)) };
    },
  });
}

function settingsOf({ confirmedDepth, rpcUrls, stake, dataFee }: Network): Record<string, unknown> {
  return {
    "chain.confirmedDepth": confirmedDepth,
    ...(dataFee === undefined ? {} : { "chain.dataFee": dataFee }),
    ...(rpcUrls.length === 0 ? {} : { "chain.rpcUrls": rpcUrls }),
    // Where nobody can be made to stake, a balancer that wants a stake would have nobody to give work to.
    ...(stake?.minimum === 0n ? { "balancer.minimumStake": "0" } : {}),
  };
}
