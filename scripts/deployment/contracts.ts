import { type Chain, createPublicClient, defineChain, http, type LocalAccount, type PublicClient } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import type { Deployment, Tokens } from "../../sdk/protocol/deployment.ts";
import { type Address, type Hex, toAddress } from "../../sdk/protocol/hex.ts";
import { MemoryJournal } from "./journal.ts";
import { type DeploySettings, planDeployment } from "./plan.ts";
import { runPlan } from "./run.ts";

/** What local networks and tests may set; all of it has a default. */
export interface DeployOptions {
  /** Default 7 days. */
  readonly thawSeconds?: bigint;
  /** Default 100 LPT. */
  readonly minimumStake?: bigint;
  /** Default: the deployer, as for the others below. */
  readonly treasury?: Address;
  readonly governor?: Address;
  /** Default 0: nobody waits on a development chain. */
  readonly governanceDelaySeconds?: number;
  readonly guardian?: Address;
  /** The rollup's oracle of its sequencer; zero, the default, where there is none. */
  readonly sequencerFeed?: Address;
  /** Tests that slash by themselves deploy without Faults. */
  readonly withoutFaults?: boolean;
}

export interface DevelopmentDeployment extends Deployment {
  readonly tokens: Required<Tokens>;
}

export const defaultThawSeconds = 7n * 86_400n;
const defaultMinimumStake = 100n * 10n ** 18n;

/** Deploys everything, with tokens that anybody can mint, on the chain behind `rpcUrl`. Needs `hardhat build`. */
export async function deployContracts(input: {
  rpcUrl: string;
  deployerKey: Hex;
  options?: DeployOptions;
}): Promise<DevelopmentDeployment> {
  const transport = http(input.rpcUrl);
  const chainId = await createPublicClient({ transport }).getChainId();
  const publicClient = createPublicClient({ chain: describeChain(chainId, input.rpcUrl), transport, cacheTime: 0 });
  return await deployWith(publicClient, privateKeyToAccount(input.deployerKey), input.options ?? {});
}

export function describeChain(chainId: number, rpcUrl: string): Chain {
  return defineChain({
    id: chainId,
    name: `chain ${chainId}`,
    nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
    rpcUrls: { default: { http: [rpcUrl] } },
  });
}

/** The same with a client that exists already: a test's in-process chain. */
export async function deployWith(
  publicClient: PublicClient,
  account: LocalAccount,
  options: DeployOptions,
): Promise<DevelopmentDeployment> {
  const [chainId, deployedAtBlock, firstNonce] = await Promise.all([
    publicClient.getChainId(),
    publicClient.getBlockNumber(),
    publicClient.getTransactionCount({ address: account.address, blockTag: "pending" }),
  ]);
  const deployer = toAddress(account.address);
  const governor = options.governor ?? deployer;
  const settings: DeploySettings = {
    chainId,
    deployer,
    firstNonce,
    tokens: undefined,
    stakeToken: undefined,
    minimumStake: options.minimumStake ?? defaultMinimumStake,
    thawSeconds: options.thawSeconds ?? defaultThawSeconds,
    treasury: options.treasury ?? deployer,
    governor,
    governanceDelaySeconds: options.governanceDelaySeconds ?? 0,
    guardian: options.guardian ?? governor,
    sequencerFeed: options.sequencerFeed,
    withoutFaults: options.withoutFaults,
  };
  const plan = await planDeployment(settings);
  const journal = new MemoryJournal();
  const patience = { pollMs: 20, patienceMs: 60_000, raises: 0 };
  await runPlan(plan, { publicClient, account, journal, atOnce: true, ...patience });
  return { ...plan.deployment, tokens: plan.deployment.tokens as Required<Tokens>, deployedAtBlock };
}
