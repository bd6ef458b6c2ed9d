import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { createTestClient, http, type TestClient } from "viem";
import { mnemonicToAccount, privateKeyToAccount } from "viem/accounts";
import { foundry } from "viem/chains";
import { createNodeKey, type NodeKey } from "../../node/kernel/keys.ts";
import { type DeployOptions, type DevelopmentDeployment, deployContracts } from "../../scripts/deployment/contracts.ts";
import { createClient, type LeatClient } from "../../sdk/client/create-client.ts";
import { write } from "../../sdk/client/transaction.ts";
import { developmentTokenAbi } from "../../sdk/protocol/abi/development-token.ts";
import { type Address, bytesToHex } from "../../sdk/protocol/hex.ts";

const mnemonic = "test test test test test test test test test test test junk";

/** A real anvil with everything deployed. A transaction is in a block at once; `mine` puts blocks on top. */
export interface AnvilChain {
  readonly rpcUrl: string;
  readonly deployment: DevelopmentDeployment;
  readonly testClient: TestClient<"anvil">;
  /** Puts a block on top every so often (default: 50 ms), or what `next` does, until it is stopped or the chain closes. */
  keepMining(everyMs?: number, next?: () => Promise<unknown>): void;
  /** Resolves when no block of `keepMining` is under way any more. */
  stopMining(): Promise<void>;
  /** Takes so many blocks back, with their transactions, and puts empty ones there. No block is mined meanwhile. */
  reorg(depth: number): Promise<void>;
  /** Resolves when `keepMining` has put its next block on top, or the chain closes. */
  nextBlock(): Promise<void>;
  mine(blocks: number): Promise<void>;
  /** A key with gas for its transactions, the same for the same number (from 1). */
  key(index: number): Promise<NodeKey>;
  client(key: NodeKey): LeatClient;
  mint(token: Address, to: Address, amount: bigint): Promise<void>;
  close(): Promise<void>;
}

export async function openAnvil(options: DeployOptions = {}): Promise<AnvilChain> {
  const { child, rpcUrl } = await startAnvil();
  const testClient = createTestClient({ mode: "anvil", chain: foundry, transport: http(rpcUrl) });
  let mining: { readonly end: AbortController; readonly ended: Promise<void>; readonly resume: () => void } | undefined;
  let mined = Promise.withResolvers<void>();
  const keepMining = (everyMs = 50, next: () => Promise<unknown> = () => testClient.mine({ blocks: 1 })) => {
    if (mining !== undefined) return;
    const end = new AbortController();
    // The next one only when the last is there: on a slow machine they would pile up before everybody's calls.
    const mine = async () => {
      while (await isOver(everyMs, end.signal)) {
        await next().catch(() => {});
        mined.resolve();
        mined = Promise.withResolvers();
      }
    };
    mining = { end, ended: mine(), resume: () => keepMining(everyMs, next) };
  };
  const stopMining = async () => {
    const stopped = mining;
    mining = undefined;
    stopped?.end.abort();
    await stopped?.ended;
  };
  const close = async () => {
    mining?.end.abort();
    mined.resolve();
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  };
  try {
    const deployer = mnemonicToAccount(mnemonic);
    const deployerKey = bytesToHex(deployer.getHdKey().privateKey!);
    const deployment = await deployContracts({ rpcUrl, deployerKey, options });
    const client = (key: NodeKey) =>
      createClient({ rpcUrl, deployment, account: privateKeyToAccount(bytesToHex(key.secret)), pollMs: 20 });
    return {
      rpcUrl,
      deployment,
      testClient,
      client,
      keepMining,
      stopMining,
      async reorg(depth) {
        const resume = mining?.resume;
        await stopMining();
        await testClient.request({ method: "anvil_reorg" as never, params: [depth, []] as never });
        resume?.();
      },
      nextBlock: () => mined.promise,
      mine: (blocks) => testClient.mine({ blocks }),
      async key(index) {
        const secret = new Uint8Array(32).fill(0x5d);
        new DataView(secret.buffer).setUint32(28, index);
        const key = createNodeKey(secret);
        await testClient.setBalance({ address: key.address, value: 10n ** 21n });
        return key;
      },
      async mint(token, to, amount) {
        const minter = createClient({ rpcUrl, deployment, account: deployer, pollMs: 20 });
        await write(minter, { address: token, abi: developmentTokenAbi, functionName: "mint", args: [to, amount] });
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Whether so much time passed before the signal aborted. */
function isOver(waitMs: number, signal: AbortSignal): Promise<boolean> {
  return sleep(waitMs, true, { signal }).catch(() => false);
}

/** States of the newest blocks that are kept. Without a limit anvil writes older ones to the user's home, and leaves them. */
const STATES_KEPT = "256";

/** A chain with nothing on it. */
export async function startAnvil(args: readonly string[] = []): Promise<{ child: ChildProcess; rpcUrl: string }> {
  const child = spawn(anvilProgram(), ["--port", "0", "--prune-history", STATES_KEPT, ...args], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const lines = createInterface({ input: child.stdout! });
  for await (const line of lines) {
    const address = /^Listening on (\S+)$/.exec(line)?.[1];
    if (address === undefined) continue;
    child.stdout!.resume();
    return { child, rpcUrl: `http://${address}` };
  }
  throw new Error("anvil ended before it listened");
}

/** The program itself: the launcher beside it would be what a kill reaches. */
function anvilProgram(): string {
  const architecture = process.arch === "x64" ? "amd64" : process.arch;
  const name = `@foundry-rs/anvil-${process.platform}-${architecture}`;
  return join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), "bin", "anvil");
}
