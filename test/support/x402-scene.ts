import { createPlaybackDoor } from "@leat/node/app/x402.ts";
import { connectChain } from "@leat/node/chain/clients.ts";
import { gasOf } from "@leat/node/chain/gas.ts";
import type { ChainSender } from "@leat/node/chain/sender.ts";
import { TokenAuthorizations } from "@leat/node/chain/token-authorizations.ts";
import { httpOptions } from "@leat/node/http/options.ts";
import { addPaidTranscodes } from "@leat/node/http/plugins/paid-transcodes.ts";
import { X402Door } from "@leat/node/http/plugins/x402.ts";
import { createServer, HttpService } from "@leat/node/http/server.ts";
import { type Clock, systemClock } from "@leat/node/kernel/clock.ts";
import type { NodeKey } from "@leat/node/kernel/keys.ts";
import type { Startable } from "@leat/node/kernel/lifecycle.ts";
import { nativeStatements } from "@leat/node/kernel/secp.ts";
import { addLive } from "@leat/node/media-io/hls/routes.ts";
import { PayeeService, payeeOptions } from "@leat/node/services/payment/payee-service.ts";
import { type X402Options, x402Options } from "@leat/node/services/prepaid/index.ts";
import { PrepaidService } from "@leat/node/services/prepaid/prepaid-service.ts";
import {
  type StoredJobOptions,
  StoredJobService,
  storedJobOptions,
} from "@leat/node/services/stored-jobs/stored-job-service.ts";
import type { Database } from "@leat/node/store/database.ts";
import { PrepaidStore } from "@leat/node/store/prepaid.ts";
import type { LevelVoucherStore } from "@leat/node/store/vouchers.ts";
import { type Logger, silentLogger } from "@leat/sdk/base/logger.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import { findTokenDomain } from "@leat/sdk/client/token-domain.ts";
import { bytesToHex, type Hex } from "@leat/sdk/protocol/hex.ts";
import { parseAmount, parsePrice } from "@leat/sdk/protocol/units.ts";
import { transcodeFile } from "@leat/transcoder/stored.ts";
import { ExactEvmScheme } from "@x402/evm/exact/client";
import { wrapFetchWithPayment, x402Client } from "@x402/fetch";
import { erc20Abi, parseEther } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { defaultsOf } from "./defaults.ts";
import type { TestStream } from "./hls-stream.ts";
import { CONFIRMED_DEPTH, type MoneyMarket } from "./money-market.ts";

/** One base unit of USDC a byte: a segment's price is its size. */
const PRICE = "0.000001";

export interface X402NodeOptions {
  readonly stream: TestStream;
  readonly database: Database;
  readonly vouchers: LevelVoucherStore;
  readonly settings?: Partial<X402Options>;
  /** Stands between the node and the chain. */
  readonly sender?: (real: ChainSender) => Pick<ChainSender, "send">;
  /** Where the token is read; default: the market's chain. */
  readonly rpcUrl?: string;
  readonly callTimeoutMs?: number;
  readonly clock?: Clock;
  /** Base units of USDC that an ether is worth. */
  readonly perNative?: bigint;
  readonly logger?: Logger;
  /** Whole USDC for a byte. */
  readonly price?: string;
  /** Where jobs by HTTP keep their files; without it there are none. */
  readonly jobs?: {
    readonly folder: string;
    readonly pixelPrice: string;
    readonly settings?: Partial<StoredJobOptions>;
    readonly transcode?: typeof transcodeFile;
  };
}

/** A node's real HTTP server and door over one stream, on the market's chain. */
export async function startX402Node(market: MoneyMarket, options: X402NodeOptions) {
  const { anvil, domain, view, node } = market;
  const { deployment } = anvil;
  const { stream, database, vouchers, clock = systemClock } = options;
  const asset = deployment.tokens.USDC;
  const quiet = { clock, logger: options.logger ?? silentLogger, metrics: silentMetrics };
  const { callTimeoutMs = 2_000 } = options;
  const chainOptions = { confirmedDepth: CONFIRMED_DEPTH, pollMs: 50, callTimeoutMs };
  const rpcUrls = [options.rpcUrl ?? anvil.rpcUrl];
  const { publicClient } = await connectChain({ ...chainOptions, rpcUrls }, deployment.chainId);
  const tokenDomain = await findTokenDomain(publicClient, deployment.chainId, asset);
  const real = await market.sender(node);
  const own = options.sender?.(real);
  const payee = new PayeeService(
    { vouchers, statements: nativeStatements, domain, chain: view, payee: node.address, ...quiet },
    defaultsOf(payeeOptions, { refreshMs: 500 }),
  );
  const settings = defaultsOf(x402Options, {
    settleWaitMs: 15_000,
    lookEveryMs: 600_000,
    maxHeld: "1000",
    ...options.settings,
  });
  const prepaid = new PrepaidService(
    {
      store: new PrepaidStore(database, asset),
      tokens: new TokenAuthorizations(publicClient, asset),
      sender: own === undefined ? real : { send: own.send, checkGas: (gas, budget) => real.checkGas(gas, budget) },
      gas: gasOf(publicClient),
      beneficiary: () => view.reader.beneficiaryOf(node.address),
      whenConfirmed: (blockNumber, signal) => view.whenConfirmed(blockNumber, signal),
      confirmedDepth: CONFIRMED_DEPTH,
      vouchers,
      payee,
      chain: view,
      statements: nativeStatements,
      domain,
      tokenDomain: tokenDomain!,
      deployment,
      ...quiet,
    },
    {
      chainId: deployment.chainId,
      escrow: deployment.escrow,
      asset,
      decimals: 6,
      assetName: tokenDomain!.name,
      assetVersion: tokenDomain!.version,
      payTo: node.address,
      prepay: 1_000_000n,
      maxHeld: parseAmount(settings.maxHeld, 6),
      timeoutSeconds: settings.timeoutSeconds,
    },
    settings,
    {
      tokenValue: { perNative: options.perNative ?? 1_000_000n, leastAmount: 0n },
      gasPpm: 100_000,
      daily: parseEther(settings.dailyGasEther),
    },
  );
  const httpSettings = defaultsOf(httpOptions, { port: 0 });
  const app = await createServer(httpSettings, quiet);
  const door = new X402Door({ prepaid, publicUrl: "http://node.example", logger: silentLogger });
  const prices = new Map([[asset, { deliveredByte: parsePrice(options.price ?? PRICE) }]]);
  const playback = createPlaybackDoor(door, prices, { token: asset, playback: settings.playback });
  await addLive(app, { findStream: (slug) => (slug === "slug" ? stream : undefined) }, { door: playback });
  const http = new HttpService(app, httpSettings, quiet);
  const parts: Startable[] = [payee, prepaid];
  if (options.jobs !== undefined) {
    const { folder, pixelPrice, settings: own, transcode = transcodeFile } = options.jobs;
    const jobSettings = defaultsOf(storedJobOptions, own);
    const jobs = new StoredJobService({ folder, transcode, ...quiet }, jobSettings);
    await addPaidTranscodes(app, { jobs, door, prices: { pixelH264: parsePrice(pixelPrice) } }, jobSettings);
    parts.push(jobs);
  }
  parts.push(http);
  for (const part of parts) await part.start();
  return {
    origin: () => `http://127.0.0.1:${http.port}`,
    url: (path: string) => `http://127.0.0.1:${http.port}/live/slug/${path}`,
    prepaid,
    payee,
    async stop() {
      for (const part of parts.toReversed()) await part.stop();
    },
  };
}

export type X402Node = Awaited<ReturnType<typeof startX402Node>>;

export const accountOf = (key: NodeKey) => privateKeyToAccount(bytesToHex(key.secret));

/** The public packages, as anybody would set them up for a token that they do not know. */
export function publicClientOf(market: MoneyMarket, key: NodeKey): x402Client {
  const network = `eip155:${market.anvil.deployment.chainId}` as const;
  const { USDC: asset } = market.anvil.deployment.tokens;
  return x402Client.fromConfig({
    schemes: [{ network, client: new ExactEvmScheme(accountOf(key)) }],
    spendControls: { allowedAssets: [{ network, asset, maxAmountPerPayment: "1000000" }] },
  });
}

export const payingFetch = (market: MoneyMarket, key: NodeKey, base: typeof fetch = fetch) =>
  wrapFetchWithPayment(base, publicClientOf(market, key));

export async function usdcOf(market: MoneyMarket, account: Hex): Promise<bigint> {
  const { publicClient } = market.anvil.client(market.buyer);
  const { USDC: address } = market.anvil.deployment.tokens;
  return publicClient.readContract({ address, abi: erc20Abi, functionName: "balanceOf", args: [account] });
}

/** A chain that never says anything, until whoever waits gives up. */
export const standStill = (): Pick<ChainSender, "send"> => ({
  send: (_call, signal) => new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason))),
});
