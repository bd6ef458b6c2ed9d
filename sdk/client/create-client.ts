import {
  type Account,
  type Chain,
  createPublicClient,
  createWalletClient,
  defineChain,
  http,
  type PublicClient,
  type Transport,
  type WalletClient,
} from "viem";
import type { Deployment } from "../protocol/deployment.ts";

/** What every action takes first. Reading needs no account: actions that write refuse a client without one. */
export interface LeatClient {
  readonly account: Account | undefined;
  readonly publicClient: PublicClient;
  readonly walletClient: WalletClient<Transport, Chain, Account> | undefined;
  readonly deployment: Deployment;
  /** Where the cluster's balancer answers, without a slash at its end; `""` is the page's own origin. */
  readonly clusterUrl: string;
}

export interface ClientSettings {
  readonly rpcUrl: string;
  readonly deployment: Deployment;
  readonly clusterUrl?: string;
  /** A viem account: of a private key, or of a wallet. */
  readonly account?: Account;
  /** How often viem looks for a receipt, milliseconds. */
  readonly pollMs?: number;
}

/** Runs in Node and in a browser. */
export function createClient(settings: ClientSettings): LeatClient {
  const { rpcUrl, deployment, account, pollMs = 500 } = settings;
  const chain = defineChain({
    id: deployment.chainId,
    name: `chain ${deployment.chainId}`,
    nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
    rpcUrls: { default: { http: [rpcUrl] } },
  });
  const transport = http(rpcUrl);
  return {
    account,
    publicClient: createPublicClient({ chain, transport, pollingInterval: pollMs, cacheTime: 0 }),
    walletClient: account === undefined ? undefined : createWalletClient({ chain, transport, account }),
    deployment,
    clusterUrl: (settings.clusterUrl ?? "").replace(/\/+$/, ""),
  };
}
