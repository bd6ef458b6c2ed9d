import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { TaskGroup } from "@leat/node/kernel/task-group.ts";
import { createTestClient, type Hex, http } from "viem";
import { foundry } from "viem/chains";
import type { ProcessGroup } from "./processes.ts";

/** Anvil's public development mnemonic: its keys are known to everybody and worth nothing elsewhere. */
export const developmentMnemonic = "test test test test test test test test test test test junk";

export interface Chain {
  readonly rpcUrl: string;
  readonly chainId: number;
}

/**
 * Blocks whose state is kept, and is there again after a restart. Nodes read at the confirmed depth of 2, so the rest is
 * room for a slow machine. Each makes the file larger by the whole state; all blocks, transactions and events are kept.
 */
const keptStates = 32;
const blockMs = 1_000;

/**
 * Starts anvil with its state under `dataDir`. Blocks come with each transaction until `startBlocks`: set-up needs no
 * waiting.
 */
export async function startChain(processes: ProcessGroup, dataDir: string, port: number): Promise<Chain> {
  const rpcUrl = `http://127.0.0.1:${port}`;
  await processes.start({
    name: "chain",
    command: anvilProgram(),
    args: [
      ...["--host", "127.0.0.1", "--port", String(port), "--mnemonic", developmentMnemonic, "--accounts", "12"],
      ...["--state", join(dataDir, "chain.json"), "--state-interval", "2"],
      ...["--preserve-historical-states", "--prune-history", String(keptStates)],
    ],
    ready: /^Listening on /,
  });
  return { rpcUrl, chainId: foundry.id };
}

/**
 * One block a second from now on, with transactions or without: confirmations come by time, as on a real chain. Not by
 * anvil's own interval: it keeps the states of 1,500 blocks with that, whatever it was told.
 * @returns Stops it.
 */
export async function startBlocks(chain: Chain): Promise<() => Promise<void>> {
  const client = createTestClient({ mode: "anvil", chain: foundry, transport: http(chain.rpcUrl, { retryCount: 0 }) });
  await client.setAutomine(false);
  // A chain that ended is told of by its process.
  const tasks = new TaskGroup({ onError: () => undefined });
  tasks.every(blockMs, () => client.mine({ blocks: 1 }));
  return () => tasks.close();
}

/** Gives ether for gas. */
export async function fundGas(chain: Chain, address: Hex, wei: bigint): Promise<void> {
  const client = createTestClient({ mode: "anvil", chain: foundry, transport: http(chain.rpcUrl) });
  await client.setBalance({ address, value: wei });
}

/** The program itself, not its launcher: a signal must reach the chain and not a process above it. */
export function anvilProgram(): string {
  const architecture = process.arch === "x64" ? "amd64" : process.arch;
  const name = `@foundry-rs/anvil-${process.platform}-${architecture}`;
  return join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), "bin", "anvil");
}
