import { readFile } from "node:fs/promises";
import {
  type Abi,
  type Account,
  type Chain,
  createPublicClient,
  createWalletClient,
  defineChain,
  encodeDeployData,
  encodeFunctionData,
  getContractAddress,
  http,
  type PublicClient,
  type Transport,
  toFunctionSelector,
  type WalletClient,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { accessManagerAbi } from "../../sdk/protocol/abi/access-manager.ts";
import { clusterRegistryAbi } from "../../sdk/protocol/abi/cluster-registry.ts";
import { operatorRegistryAbi } from "../../sdk/protocol/abi/operator-registry.ts";
import { paymentEscrowAbi } from "../../sdk/protocol/abi/payment-escrow.ts";
import type { Deployment } from "../../sdk/protocol/deployment.ts";
import { type Address, type Hex, toAddress } from "../../sdk/protocol/hex.ts";

export interface DeployOptions {
  /** Deploys tokens that anybody can mint. Without it `tokens` must be given. */
  readonly developmentTokens?: boolean;
  readonly tokens?: { readonly LPT: Address; readonly USDC: Address };
  /** One wait for stakes, reserves and removed balancer keys. Default 7 days. */
  readonly thawSeconds?: bigint;
  /** What joining needs at least, in LPT base units. Default 100 LPT. */
  readonly minimumStake?: bigint;
  /** Default: the deployer. */
  readonly treasury?: Address;
  /** Who sets parameters, after `governanceDelaySeconds`. Default: the deployer, who is then left in charge. */
  readonly governor?: Address;
  /** Default 0 with development tokens, else 2 days. */
  readonly governanceDelaySeconds?: number;
  /** Who can pause new promises at once. Default: the governor. */
  readonly guardian?: Address;
}

export interface DeployClients {
  readonly publicClient: PublicClient;
  readonly walletClient: WalletClient<Transport, Chain, Account>;
}

/** Roles in the access manager: 0 is its own admin. */
export const governorRole = 1n;
export const guardianRole = 2n;

const defaultThawSeconds = 7n * 86_400n;
const defaultMinimumStake = 100n * 10n ** 18n;
const defaultGovernanceDelaySeconds = 2 * 86_400;

/** Gas of each transaction is given, since nothing can be estimated on contracts that the same block brings. */
const deployGas = 6_000_000n;
const callGas = 300_000n;

/** Deploys and wires everything on the chain behind `rpcUrl`. Needs the artifacts of `hardhat build`. */
export async function deployContracts(input: {
  rpcUrl: string;
  deployerKey: Hex;
  options?: DeployOptions;
}): Promise<Deployment> {
  const transport = http(input.rpcUrl);
  const chainId = await createPublicClient({ transport }).getChainId();
  const chain = describeChain(chainId, input.rpcUrl);
  const account = privateKeyToAccount(input.deployerKey);
  return await deployWith(
    {
      publicClient: createPublicClient({ chain, transport, pollingInterval: 100 }),
      walletClient: createWalletClient({ chain, transport, account }),
    },
    input.options ?? {},
  );
}

export function describeChain(chainId: number, rpcUrl: string): Chain {
  return defineChain({
    id: chainId,
    name: `chain ${chainId}`,
    nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
    rpcUrls: { default: { http: [rpcUrl] } },
  });
}

/** The same on clients that exist already: a test's in-process chain. */
export async function deployWith(clients: DeployClients, options: DeployOptions): Promise<Deployment> {
  const { publicClient, walletClient } = clients;
  const deployer = walletClient.account.address;
  const [block, firstNonce] = await Promise.all([
    publicClient.getBlockNumber(),
    publicClient.getTransactionCount({ address: deployer, blockTag: "pending" }),
  ]);
  const batch = new TransactionBatch(clients, firstNonce);

  const accessManager = await batch.deploy("AccessManager", [deployer]);
  const tokens = options.developmentTokens ? await deployTokens(batch) : options.tokens;
  if (tokens === undefined) throw new Error("Deploying needs the addresses of LPT and USDC, or development tokens.");

  const thaw = options.thawSeconds ?? defaultThawSeconds;
  const minimumStake = options.minimumStake ?? defaultMinimumStake;
  // The registries name each other for ever: the second one's address is known before it is there.
  const clusterRegistryToBe = batch.addressOfDeployment(1);
  const operatorRegistry = await batch.deploy("OperatorRegistry", [
    accessManager,
    tokens.LPT,
    clusterRegistryToBe,
    thaw,
    minimumStake,
  ]);
  const clusterRegistry = await batch.deploy("ClusterRegistry", [accessManager, operatorRegistry, thaw]);
  const escrow = await batch.deploy("PaymentEscrow", [
    accessManager,
    operatorRegistry,
    clusterRegistry,
    options.treasury ?? deployer,
    thaw,
  ]);

  for (const token of [tokens.LPT, tokens.USDC]) {
    await batch.call(escrow, paymentEscrowAbi, "setTokenAllowed", [token, true]);
  }
  await grantRoles(batch, { accessManager, operatorRegistry, clusterRegistry, escrow }, deployer, options);
  await batch.settle();
  return {
    chainId: walletClient.chain.id,
    escrow,
    operatorRegistry,
    clusterRegistry,
    accessManager,
    tokens,
    deployedAtBlock: block,
  };
}

async function deployTokens(batch: TransactionBatch): Promise<Deployment["tokens"]> {
  const LPT = await batch.deploy("DevelopmentToken", ["Livepeer Token", "LPT", 18], "mocks/");
  const USDC = await batch.deploy("DevelopmentUsdc", [], "mocks/");
  return { LPT, USDC };
}

/** Parameters behind the governor's delay, pausing at once; where the governor is another, the deployer keeps nothing. */
async function grantRoles(
  batch: TransactionBatch,
  contracts: Pick<Deployment, "accessManager" | "operatorRegistry" | "clusterRegistry" | "escrow">,
  deployer: Address,
  options: DeployOptions,
): Promise<void> {
  const { accessManager, operatorRegistry, clusterRegistry, escrow } = contracts;
  const governor = options.governor ?? deployer;
  const guardian = options.guardian ?? governor;
  const delay = options.governanceDelaySeconds ?? (options.developmentTokens ? 0 : defaultGovernanceDelaySeconds);
  const manage = (name: string, args: readonly unknown[]) => batch.call(accessManager, accessManagerAbi, name, args);

  // Who can pause cannot allow again what it stopped: a stolen guardian key stops new promises and does nothing else.
  for (const [target, abi, names] of [
    [operatorRegistry, operatorRegistryAbi, ["setMinimumStake", "setSlasher", "unpause"]],
    [clusterRegistry, clusterRegistryAbi, ["unpause"]],
    [escrow, paymentEscrowAbi, ["setTokenAllowed", "setFee", "setTreasury", "unpause"]],
  ] as const) {
    await manage("setTargetFunctionRole", [target, names.map((name) => selectorOf(abi, name)), governorRole]);
    await manage("setTargetFunctionRole", [target, [selectorOf(abi, "pause")], guardianRole]);
  }
  await manage("grantRole", [guardianRole, guardian, 0]);
  await manage("grantRole", [governorRole, governor, delay]);
  if (governor.toLowerCase() === deployer.toLowerCase()) return;
  await manage("grantRole", [0n, governor, delay]);
  await manage("renounceRole", [0n, deployer]);
}

/** Transactions of one account sent one after the other without waiting for blocks between them. */
class TransactionBatch {
  readonly #clients: DeployClients;
  readonly #hashes: Hex[] = [];
  #nonce: number;

  constructor(clients: DeployClients, nonce: number) {
    this.#clients = clients;
    this.#nonce = nonce;
  }

  /** The address of the deployment that stands `ahead` places after the next. */
  addressOfDeployment(ahead: number): Address {
    const from = this.#clients.walletClient.account.address;
    return toAddress(getContractAddress({ from, nonce: BigInt(this.#nonce + ahead) }));
  }

  async deploy(name: string, args: readonly unknown[], folder = ""): Promise<Address> {
    const address = this.addressOfDeployment(0);
    const { abi, bytecode } = await readArtifact(name, folder);
    await this.#send({ data: encodeDeployData({ abi, bytecode, args: [...args] }), gas: deployGas });
    return address;
  }

  async call(to: Address, abi: Abi, functionName: string, args: readonly unknown[]): Promise<void> {
    await this.#send({ to, data: encodeFunctionData({ abi, functionName, args: [...args] }), gas: callGas });
  }

  /** Waits until all are in blocks; throws when one reverted. */
  async settle(): Promise<void> {
    for (const hash of this.#hashes) {
      const receipt = await this.#clients.publicClient.waitForTransactionReceipt({ hash });
      if (receipt.status !== "success") throw new Error(`Transaction ${hash} of the deployment reverted.`);
    }
  }

  async #send(request: { to?: Address; data: Hex; gas: bigint }): Promise<void> {
    const { walletClient } = this.#clients;
    const nonce = this.#nonce;
    this.#nonce += 1;
    this.#hashes.push(await walletClient.sendTransaction({ ...request, nonce }));
  }
}

async function readArtifact(name: string, folder: string): Promise<{ abi: Abi; bytecode: Hex }> {
  const path =
    name === "AccessManager"
      ? "@openzeppelin/contracts/access/manager/AccessManager.sol/AccessManager.json"
      : `contracts/${folder}${name}.sol/${name}.json`;
  return JSON.parse(await readFile(new URL(`../../artifacts/${path}`, import.meta.url), "utf8"));
}

function selectorOf(abi: Abi, name: string): Hex {
  const found = abi.find((item) => item.type === "function" && item.name === name);
  if (found?.type !== "function") throw new Error(`No function ${name} in the interface.`);
  return toFunctionSelector(found);
}
