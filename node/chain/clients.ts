import { systemClock } from "@leat/node/kernel/clock.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import { bytesToHex } from "@leat/sdk/protocol/hex.ts";
import { type Static, Type } from "typebox";
import { Value } from "typebox/value";
import {
  type Account,
  type Chain,
  createPublicClient,
  createWalletClient,
  defineChain,
  type PublicClient,
  type Transport,
  type WalletClient,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { type DataFee, type DataFeeKind, dataFeeOf } from "./data-fee.ts";
import { RpcPool, type RpcPoolComponents, rpcOptions } from "./rpc-pool.ts";

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
      default: 2_000,
      minimum: 50,
      maximum: 60_000,
      description: "Pause between looks at the head of the chain, milliseconds",
    }),
    dataFee: Type.Union([Type.Literal("included"), Type.Literal("op-stack")], {
      default: "included",
      description: "Whether transactions pay for their data beside gas, as on chains of the OP Stack",
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

export type ChainOptions = Omit<Static<typeof chainOptions>, "dataFee"> & { readonly dataFee?: DataFeeKind };
export type ChainWallet = WalletClient<Transport, Chain, Account>;

export interface ChainClients {
  readonly chain: Chain;
  readonly publicClient: PublicClient;
  readonly transport: Transport;
  readonly dataFee: DataFee;
}

const defaultRpc = Value.Default(rpcOptions, {}) as Static<typeof rpcOptions>;
const quiet: RpcPoolComponents = { clock: systemClock, logger: silentLogger, metrics: silentMetrics };

/** Clients over all endpoints, in their order. @throws CHAIN_WRONG, CHAIN_UNREACHABLE */
export async function connectChain(
  options: ChainOptions,
  chainId: number,
  components: RpcPoolComponents = quiet,
  rpc: Static<typeof rpcOptions> = defaultRpc,
): Promise<ChainClients> {
  const { rpcUrls, callTimeoutMs } = options;
  const chain = defineChain({
    id: chainId,
    name: `chain ${chainId}`,
    nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
    // Where the endpoints are is for the transport alone to know: their addresses may hold keys.
    rpcUrls: { default: { http: [] } },
  });
  const pool = new RpcPool(components, { ...rpc, urls: rpcUrls, chainId, timeoutMs: callTimeoutMs });
  await pool.connect();
  const { transport } = pool;
  const publicClient = createPublicClient({ chain, transport, pollingInterval: options.pollMs, cacheTime: 0 });
  return { chain, publicClient, transport, dataFee: dataFeeOf(publicClient, options.dataFee ?? "included") };
}

/** A wallet that signs with a key of this process. */
export function createWallet({ chain, transport }: ChainClients, privateKey: Uint8Array): ChainWallet {
  return createWalletClient({ chain, transport, account: privateKeyToAccount(bytesToHex(privateKey)) });
}
