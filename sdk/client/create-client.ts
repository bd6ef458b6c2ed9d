import { createPublicClient, defineChain, http, type PublicClient } from "viem";
import type { Deployment } from "../protocol/deployment.ts";
import { type AccountLike, type AccountSigner, adaptSigner } from "./signer.ts";

/** What every action takes first. Reading needs no signer: actions that write refuse a client without one. */
export interface LeatClient {
  readonly signer: AccountSigner | undefined;
  readonly publicClient: PublicClient;
  readonly deployment: Deployment;
  /** Where the cluster's balancer answers, without a slash at its end; `""` is the page's own origin. */
  readonly clusterUrl: string;
  /** How long a transaction may take to come into a block, milliseconds, before it is told as unconfirmed. */
  readonly confirmMs: number;
}

export interface ClientSettings {
  readonly rpcUrl: string;
  readonly deployment: Deployment;
  readonly clusterUrl?: string;
  /** A viem account, a viem wallet client with its account, an ethers v6 signer, or what `openSigner` gave. */
  readonly account?: AccountLike | AccountSigner;
  /** How often viem looks for a receipt, milliseconds. */
  readonly pollMs?: number;
  /** Default: three minutes. */
  readonly confirmMs?: number;
  /** How long a call to the endpoint may take, milliseconds, and how often it is made again. Default: viem's own. */
  readonly callTimeoutMs?: number;
  readonly retries?: number;
}

/** Runs in Node and in a browser. */
export function createClient(settings: ClientSettings): LeatClient {
  const { rpcUrl, deployment, account, pollMs = 500, confirmMs = 180_000, callTimeoutMs, retries } = settings;
  const chain = defineChain({
    id: deployment.chainId,
    name: `chain ${deployment.chainId}`,
    nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
    rpcUrls: { default: { http: [rpcUrl] } },
  });
  const patience = {
    ...(callTimeoutMs === undefined ? {} : { timeout: callTimeoutMs }),
    ...(retries === undefined ? {} : { retryCount: retries }),
  };
  const transport = http(rpcUrl, patience);
  const publicClient = createPublicClient({ chain, transport, pollingInterval: pollMs, cacheTime: 0 });
  return {
    signer: account === undefined ? undefined : adaptSigner(account, { chain, transport, publicClient }),
    publicClient,
    deployment,
    clusterUrl: (settings.clusterUrl ?? "").replace(/\/+$/, ""),
    confirmMs,
  };
}
