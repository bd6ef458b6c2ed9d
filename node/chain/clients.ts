import { bytesToHex } from "@leat/sdk/protocol/hex.ts";
import { type Static, Type } from "typebox";
import {
  type Account,
  type Chain,
  createPublicClient,
  createWalletClient,
  defineChain,
  fallback,
  http,
  type PublicClient,
  type Transport,
  type WalletClient,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { ChainError, reasonOf } from "./errors.ts";

export const chainOptions = Type.Object(
  {
    rpcUrls: Type.Array(Type.String({ pattern: "^https?://" }), {
      default: [],
      maxItems: 8,
      description: "JSON-RPC endpoints of the chain; the next is asked when one fails",
    }),
    confirmedDepth: Type.Integer({
      default: 2,
      minimum: 0,
      maximum: 1_000,
      description: "Blocks on top of one before what it holds counts",
    }),
    pollMs: Type.Integer({
      default: 1_000,
      minimum: 50,
      maximum: 60_000,
      description: "Pause between looks at the head of the chain, milliseconds",
    }),
    callTimeoutMs: Type.Integer({
      default: 10_000,
      minimum: 100,
      maximum: 120_000,
      description: "An endpoint that does not answer for so long has failed, milliseconds",
    }),
  },
  { default: {}, additionalProperties: false },
);

export type ChainOptions = Static<typeof chainOptions>;
export type ChainWallet = WalletClient<Transport, Chain, Account>;

export interface ChainClients {
  readonly chain: Chain;
  readonly publicClient: PublicClient;
}

/** Clients over all endpoints, in their order; checks that they speak of the right chain. */
export async function connectChain(options: ChainOptions, chainId: number): Promise<ChainClients> {
  const chain = defineChain({
    id: chainId,
    name: `chain ${chainId}`,
    nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
    rpcUrls: { default: { http: options.rpcUrls } },
  });
  const publicClient = createPublicClient({
    chain,
    transport: transportOf(options),
    pollingInterval: options.pollMs,
    cacheTime: 0,
  });
  const found = await publicClient.getChainId().catch((cause) => {
    throw new ChainError({ code: "CHAIN_UNREACHABLE", method: "eth_chainId", reason: reasonOf(cause) }, { cause });
  });
  if (found !== chainId) throw new ChainError({ code: "CHAIN_WRONG", wanted: chainId, found });
  return { chain, publicClient };
}

/** A wallet that signs with a key of this process. */
export function createWallet(clients: ChainClients, options: ChainOptions, privateKey: Uint8Array): ChainWallet {
  return createWalletClient({
    chain: clients.chain,
    transport: transportOf(options),
    account: privateKeyToAccount(bytesToHex(privateKey)),
  });
}

function transportOf({ rpcUrls, callTimeoutMs }: ChainOptions): Transport {
  return fallback(
    rpcUrls.map((url) => http(url, { timeout: callTimeoutMs, retryCount: 1 })),
    { retryCount: 1 },
  );
}
