import { join } from "node:path";
import type { NodeKey } from "@leat/node/kernel/keys.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import type { WalletName } from "./wallets.ts";

export type NodeName = "balancer" | "node-a" | "node-b" | "node-c" | "buyer";
export const operatorNames = ["node-a", "node-b", "node-c"] as const;

export interface NodePlace {
  readonly name: NodeName;
  readonly roles: readonly string[];
  readonly dir: string;
  readonly httpPort: number;
  readonly wirePort: number;
  readonly rtmpPort: number;
  readonly wallet?: WalletName;
}

const plans: readonly Omit<NodePlace, "dir" | "httpPort" | "wirePort" | "rtmpPort">[] = [
  { name: "balancer", roles: ["balancer"] },
  { name: "node-a", roles: ["ingest", "delivery"], wallet: "operatorA" },
  { name: "node-b", roles: ["ingest", "transcode", "delivery"], wallet: "operatorB" },
  { name: "node-c", roles: ["transcode", "delivery"], wallet: "operatorC" },
  { name: "buyer", roles: ["buyer"] },
];

export function isNodeName(name: string): name is NodeName {
  return plans.some((plan) => plan.name === name);
}

export function placeNodes(dataDir: string, portBase: number): readonly NodePlace[] {
  return plans.map((plan, index) => {
    const first = portBase + 1 + index * 10;
    return { ...plan, dir: join(dataDir, plan.name), httpPort: first, wirePort: first + 1, rtmpPort: first + 2 };
  });
}

/** Wholesale, in whole tokens for one unit. LPT takes the same path at the same numbers. */
export const wholesale = {
  ingestMs: "0.00000001",
  pixelH264: "0.000000000002",
  pixelHevc: "0.000000000004",
  pixelVp9: "0.000000000004",
  pixelAv1: "0.000000000006",
  deliveredByte: "0.000000000005",
} as const;

export interface ConfigInput {
  readonly place: NodePlace;
  /** The chain and the contracts on it. */
  readonly networkFile: string;
  readonly cluster: bigint;
  readonly clusterUrl: string;
  /** Absent for the balancer itself. */
  readonly balancer: { readonly key: NodeKey; readonly multiaddr: string } | undefined;
  /** Whom the buyer's agent acts for, where that is not itself. */
  readonly account?: Address;
}

/** The settings file of one node of a local network. */
export function nodeConfig(input: ConfigInput): Record<string, unknown> {
  const { place, networkFile, cluster, clusterUrl, balancer, account } = input;
  const sells = place.roles.some((role) => ["ingest", "transcode", "delivery"].includes(role));
  return {
    node: {
      roles: place.roles,
      dataDir: place.dir,
      keyFile: join(place.dir, "node.key"),
      networkFile,
    },
    chain: { pollMs: 500 },
    // Its chain gives ether away.
    gas: { highBalanceEther: "1000" },
    // A demo earns cents, and its gas costs nothing.
    settlement: {
      // Somebody watches.
      lookEveryMs: 1_000,
      memberGraceMs: 2_000,
      tokenCosts: ["USDC", "LPT"].map((token) => ({ token, perNative: "0", leastAmount: "0" })),
    },
    wire: {
      listen: [`/ip4/127.0.0.1/tcp/${place.wirePort}`],
      dht: "off",
      // All of a local network stands on one address.
      allowColocation: true,
    },
    http: { port: place.httpPort, requestsPerMinute: 60_000 },
    sales: {
      cluster: Number(cluster),
      ...(sells ? { prices: ["USDC", "LPT"].map((token) => ({ token, ...wholesale })) } : {}),
    },
    ...(place.roles.includes("buyer") ? { purchases: { clusterUrl, cluster: Number(cluster), account } } : {}),
    ...(place.roles.includes("ingest") ? { rtmp: { port: place.rtmpPort } } : {}),
    // Of UDP, beside those of TCP.
    webrtc: { port: place.rtmpPort },
    srt: { port: place.wirePort },
    ...(balancer === undefined
      ? {}
      : { session: { balancers: [{ address: balancer.key.address, multiaddrs: [balancer.multiaddr] }] } }),
  };
}
