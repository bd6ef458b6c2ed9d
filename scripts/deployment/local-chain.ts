import hre from "hardhat";
import {
  type Account,
  type Chain,
  createPublicClient,
  createTestClient,
  createWalletClient,
  custom,
  type PrivateKeyAccount,
  type PublicClient,
  type TestClient,
  type Transport,
  type WalletClient,
} from "viem";
import { mnemonicToAccount, privateKeyToAccount } from "viem/accounts";
import { bytesToHex, type Hex } from "../../sdk/protocol/hex.ts";
import { type DeployOptions, type DevelopmentDeployment, deployWith, describeChain } from "./contracts.ts";

export type Wallet = WalletClient<Transport, Chain, Account>;

/** An in-process chain with everything deployed: for measuring gas and for tests. One block per transaction. */
export interface LocalChain {
  readonly publicClient: PublicClient;
  readonly testClient: TestClient<"hardhat">;
  readonly deployment: DevelopmentDeployment;
  /** Deployed everything and may set parameters. */
  readonly governor: Wallet;
  /** A funded account, the same for the same number (from 1). */
  wallet(index: number): Promise<{ wallet: Wallet; account: PrivateKeyAccount; key: Uint8Array }>;
  close(): Promise<void>;
}

const mnemonic = "test test test test test test test test test test test junk";
const chainId = 31337;

let built: Promise<unknown> | undefined;

/** Compiles what changed; once a process. */
export async function buildContracts(): Promise<void> {
  built ??= hre.tasks.getTask("build").run({ quiet: true, noTests: true });
  await built;
}

export async function openLocalChain(options: DeployOptions = {}): Promise<LocalChain> {
  await buildContracts();
  const connection = await hre.network.create();
  const transport = custom(connection.provider, { retryCount: 0 });
  const chain = describeChain(chainId, "http://127.0.0.1");
  const publicClient = createPublicClient({ chain, transport, pollingInterval: 5, cacheTime: 0 });
  const testClient = createTestClient({ chain, transport, mode: "hardhat" });
  const deployer = mnemonicToAccount(mnemonic);
  const governor = createWalletClient({ chain, transport, account: deployer });
  const deployment = await deployWith(publicClient, deployer, options);
  return {
    publicClient,
    testClient,
    deployment,
    governor,
    async wallet(index) {
      const key = keyOf(index);
      const account = privateKeyToAccount(bytesToHex(key));
      await testClient.setBalance({ address: account.address, value: 10n ** 21n });
      return { wallet: createWalletClient({ chain, transport, account }), account, key };
    },
    close: () => connection.close(),
  };
}

/** A private key for an index; worthless anywhere else. */
export function keyOf(index: number): Uint8Array {
  const key = new Uint8Array(32).fill(0x4c);
  new DataView(key.buffer).setUint32(28, index);
  return key;
}

/** Sends a write and waits for its receipt; a revert throws with the contract's own error. */
export async function send(
  chain: LocalChain,
  from: Wallet,
  request: {
    address: Hex;
    abi: readonly unknown[];
    functionName: string;
    args: readonly unknown[];
    gas?: bigint;
    value?: bigint;
  },
) {
  const { request: checked } = await chain.publicClient.simulateContract({
    account: from.account,
    ...request,
    args: [...request.args],
  } as Parameters<PublicClient["simulateContract"]>[0]);
  const hash = await from.writeContract(checked as Parameters<Wallet["writeContract"]>[0]);
  return await chain.publicClient.waitForTransactionReceipt({ hash });
}
