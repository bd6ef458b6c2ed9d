import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { erc20Abi, type Hex, publicActions, walletActions } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { connectChain, createWallet } from "../../node/chain/clients.ts";
import { ChainSender, defaultSenderOptions, type SenderOptions } from "../../node/chain/sender.ts";
import { systemClock } from "../../node/kernel/clock.ts";
import type { DurableFacts } from "../../node/kernel/durable-facts.ts";
import type { NodeKey } from "../../node/kernel/keys.ts";
import { LevelCheckpointStore } from "../../node/store/checkpoints.ts";
import { Database } from "../../node/store/database.ts";
import { silentLogger } from "../../sdk/base/logger.ts";
import { silentMetrics } from "../../sdk/base/metrics.ts";
import { developmentTokenAbi } from "../../sdk/protocol/abi/development-token.ts";
import { bytesToHex } from "../../sdk/protocol/hex.ts";
import { type AnvilChain, openAnvil } from "./anvil-chain.ts";
import { openRpcProxy, type RpcProxy } from "./rpc-proxy.ts";

export const quiet = { clock: systemClock, logger: silentLogger, metrics: silentMetrics };
export const DEPTH = 2;

/**
 * A real chain, and for each test a key of its own, an endpoint with faults on order and a store. Sets itself up in the
 * suite that calls it.
 */
export function useSenders(firstKey: number) {
  let anvil: AnvilChain;
  let proxy: RpcProxy;
  let facts: DurableFacts;
  let key: NodeKey;
  let folder: string;
  let keys = firstKey;
  const closing: (() => Promise<void>)[] = [];
  before(async () => {
    anvil = await openAnvil({ thawSeconds: 3_600n });
    folder = await mkdtemp(join(tmpdir(), "leat-sender-"));
  });
  beforeEach(async () => {
    keys += 1;
    key = await anvil.key(keys);
    proxy = await openRpcProxy(anvil.rpcUrl);
    const database = await Database.open(join(folder, String(keys)));
    facts = new LevelCheckpointStore(database);
    closing.push(
      () => database.close(),
      () => proxy.close(),
    );
    startMining();
  });
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
    await stopMining();
    await setAutomine(true);
  });
  after(async () => {
    await anvil?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const startMining = (next?: () => Promise<unknown>) => anvil.keepMining(30, next);
  const stopMining = () => anvil.stopMining();
  const setAutomine = (on: boolean) => anvil.testClient.setAutomine(on);
  const ask = <T>(method: string, params: unknown[]) =>
    anvil.testClient.request({ method: method as never, params: params as never }) as Promise<T>;
  const chain = () => anvil.testClient.extend(publicActions);
  const open = async (options: Partial<SenderOptions> = {}, by: DurableFacts = facts) => {
    const settings = { rpcUrls: [proxy.url], confirmedDepth: DEPTH, pollMs: 30, callTimeoutMs: 1_000 };
    const clients = await connectChain(settings, anvil.deployment.chainId);
    const wallet = createWallet(clients, key.secret);
    const sender = new ChainSender(
      { publicClient: clients.publicClient, wallet, facts: by, ...quiet },
      { ...defaultSenderOptions, confirmedDepth: DEPTH, lookEveryMs: 20, ...options },
    );
    closing.push(() => sender.stop());
    await sender.start();
    return sender;
  };
  const limits = (more: Partial<SenderOptions["limits"]>) => ({ limits: { ...defaultSenderOptions.limits, ...more } });
  /** Each run of it adds one to what the key holds: two are two payments. */
  const mint = (amount = 1n) =>
    ({
      address: anvil.deployment.tokens.USDC,
      abi: developmentTokenAbi,
      functionName: "mint",
      args: [key.address, amount],
    }) as const;
  const held = () =>
    chain().readContract({
      address: anvil.deployment.tokens.USDC,
      abi: erc20Abi,
      functionName: "balanceOf",
      args: [key.address],
    });
  const nonce = () => chain().getTransactionCount({ address: key.address });
  const raws = () =>
    proxy.calls.filter(({ method }) => method === "eth_sendRawTransaction").map(({ params }) => params[0] as Hex);
  const byHand = (nonce_: number) =>
    anvil.testClient.extend(walletActions).sendTransaction({
      account: privateKeyToAccount(bytesToHex(key.secret)),
      to: key.address,
      nonce: nonce_,
      chain: null,
    });

  return {
    get anvil() {
      return anvil;
    },
    get proxy() {
      return proxy;
    },
    get facts() {
      return facts;
    },
    get key() {
      return key;
    },
    /** Closed after the test, newest first. */
    closing,
    startMining,
    stopMining,
    setAutomine,
    ask,
    chain,
    open,
    limits,
    mint,
    held,
    nonce,
    raws,
    byHand,
  };
}
