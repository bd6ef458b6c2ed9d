import { type Abi, encodeDeployData, encodeFunctionData, getContractAddress, keccak256, stringToHex } from "viem";
import { accessManagerAbi } from "../../sdk/protocol/abi/access-manager.ts";
import { clusterRegistryAbi } from "../../sdk/protocol/abi/cluster-registry.ts";
import { faultsAbi } from "../../sdk/protocol/abi/faults.ts";
import { operatorRegistryAbi } from "../../sdk/protocol/abi/operator-registry.ts";
import { paymentEscrowAbi } from "../../sdk/protocol/abi/payment-escrow.ts";
import type { Deployment, Tokens } from "../../sdk/protocol/deployment.ts";
import { type Address, type Hex, toAddress, zeroAddress } from "../../sdk/protocol/hex.ts";
import { readArtifact, selectorOf } from "./artifacts.ts";

/** Everything that a deployment depends on besides the contracts' code. */
export interface DeploySettings {
  readonly chainId: number;
  readonly deployer: Address;
  /** The deployer's nonce before its first transaction. With it every address is known before anything is sent. */
  readonly firstNonce: number;
  /** Undefined: tokens that anybody can mint. */
  readonly tokens: Tokens | undefined;
  /** Undefined with development tokens: their LPT. */
  readonly stakeToken: Address | undefined;
  /** What joining needs at least, base units of the stake token. */
  readonly minimumStake: bigint;
  /** One wait for stakes, reserves and removed balancer keys. */
  readonly thawSeconds: bigint;
  readonly treasury: Address;
  /** Who sets parameters, after `governanceDelaySeconds`. The deployer keeps no role unless it is the governor. */
  readonly governor: Address;
  readonly governanceDelaySeconds: number;
  /** Who can pause new promises at once. */
  readonly guardian: Address;
  /** The rollup's oracle of its sequencer; undefined where there is none. */
  readonly sequencerFeed?: Address | undefined;
  /** Tests that slash by themselves deploy without Faults. */
  readonly withoutFaults?: boolean | undefined;
}

/** One transaction of the deployer. Its nonce is the first one plus its place. */
export interface Step {
  readonly name: string;
  readonly to: Address | undefined;
  readonly data: Hex;
  /** Most that it can use on a chain that charges nothing else for it. */
  readonly gas: bigint;
  readonly creates: Address | undefined;
}

/** `selectors` of `target` are for those who have `role`. */
export interface FunctionRole {
  readonly target: Address;
  readonly selectors: readonly Hex[];
  readonly role: bigint;
}

export interface Plan {
  readonly settings: DeploySettings;
  readonly steps: readonly Step[];
  readonly deployment: Omit<Deployment, "deployedAtBlock">;
  readonly functionRoles: readonly FunctionRole[];
  /** Tells this plan from one with other settings or other code. */
  readonly hash: Hex;
}

/** Roles in the access manager: 0 is its own admin. */
export const adminRole = 0n;
export const governorRole = 1n;
export const guardianRole = 2n;

const deployGas = 6_000_000n;
const callGas = 300_000n;

/** All that is to be sent, in order. A function of its settings and of the compiled contracts: made again, it is the same. */
export async function planDeployment(settings: DeploySettings): Promise<Plan> {
  const draft = new Draft(settings);
  const accessManager = await draft.deploy("AccessManager", [settings.deployer]);
  const tokens = settings.tokens ?? (await planTokens(draft));
  const stakeToken = settings.stakeToken ?? tokens.LPT;
  if (stakeToken === undefined) throw new Error("A deployment without LPT needs a stake token.");
  const { thawSeconds, minimumStake, treasury, chainId } = settings;
  // The registries name each other for ever: the second one's address is known before it is there.
  const clusterToBe = draft.addressOfDeployment(1);
  const operatorArgs = [accessManager, stakeToken, clusterToBe, thawSeconds, minimumStake];
  const operatorRegistry = await draft.deploy("OperatorRegistry", operatorArgs);
  const clusterRegistry = await draft.deploy("ClusterRegistry", [accessManager, operatorRegistry, thawSeconds]);
  const escrowArgs = [accessManager, operatorRegistry, clusterRegistry, treasury, thawSeconds];
  const escrow = await draft.deploy("PaymentEscrow", escrowArgs);

  for (const [name, token] of Object.entries(tokens)) {
    draft.call(`allow ${name}`, escrow, paymentEscrowAbi, "setTokenAllowed", [token, true]);
  }
  let faults: Address | undefined;
  if (settings.withoutFaults !== true) {
    const feed = settings.sequencerFeed ?? zeroAddress;
    faults = await draft.deploy("Faults", [accessManager, operatorRegistry, escrow, feed]);
    draft.call("set slasher", operatorRegistry, operatorRegistryAbi, "setSlasher", [faults]);
  }
  const contracts = { escrow, operatorRegistry, clusterRegistry, accessManager, ...(faults && { faults }) };
  const deployment = { chainId, ...contracts, stakeToken, tokens };
  const functionRoles = rolesOfFunctions(deployment);
  planRoles(draft, accessManager, functionRoles);
  const { steps } = draft;
  const hash = keccak256(stringToHex(JSON.stringify([settings, steps], (_, value) => textOf(value))));
  return { settings, steps, deployment, functionRoles, hash };
}

async function planTokens(draft: Draft): Promise<Required<Tokens>> {
  const LPT = await draft.deploy("DevelopmentToken", ["Livepeer Token", "LPT", 18]);
  const USDC = await draft.deploy("DevelopmentUsdc", []);
  return { LPT, USDC };
}

/**
 * Parameters behind the governor's delay, pausing at once. Who can pause cannot allow again what it stopped: a stolen
 * guardian key stops new promises and does nothing else.
 */
function rolesOfFunctions(deployment: Omit<Deployment, "deployedAtBlock">): FunctionRole[] {
  const governed: [Address, Abi, readonly string[]][] = [
    [deployment.operatorRegistry, operatorRegistryAbi, ["setMinimumStake", "setSlasher", "unpause"]],
    [deployment.clusterRegistry, clusterRegistryAbi, ["unpause"]],
    [deployment.escrow, paymentEscrowAbi, ["setTokenAllowed", "setFee", "setTreasury", "unpause"]],
  ];
  if (deployment.faults !== undefined) {
    const names = ["setPenalties", "setAnswerPeriod", "setAnswerGas", "setSequencerFeed", "unpause"];
    governed.push([deployment.faults, faultsAbi, names]);
  }
  return governed.flatMap(([target, abi, names]) => [
    { target, selectors: names.map((name) => selectorOf(abi, name)), role: governorRole },
    { target, selectors: [selectorOf(abi, "pause")], role: guardianRole },
  ]);
}

function planRoles(draft: Draft, accessManager: Address, functionRoles: readonly FunctionRole[]): void {
  const { deployer, governor, guardian, governanceDelaySeconds } = draft.settings;
  const manage = (step: string, name: string, args: readonly unknown[]) =>
    draft.call(step, accessManager, accessManagerAbi, name, args);
  for (const { target, selectors, role } of functionRoles) {
    manage(`assign functions to role ${role}`, "setTargetFunctionRole", [target, selectors, role]);
  }
  manage("grant guardian", "grantRole", [guardianRole, guardian, 0]);
  manage("grant governor", "grantRole", [governorRole, governor, governanceDelaySeconds]);
  if (governor === deployer) return;
  manage("grant admin", "grantRole", [adminRole, governor, governanceDelaySeconds]);
  manage("renounce admin", "renounceRole", [adminRole, deployer]);
}

class Draft {
  readonly settings: DeploySettings;
  readonly steps: Step[] = [];

  constructor(settings: DeploySettings) {
    this.settings = settings;
  }

  /** The address of the deployment that stands `ahead` places after the next step. */
  addressOfDeployment(ahead: number): Address {
    const { deployer: from, firstNonce } = this.settings;
    return toAddress(getContractAddress({ from, nonce: BigInt(firstNonce + this.steps.length + ahead) }));
  }

  async deploy(name: string, args: readonly unknown[]): Promise<Address> {
    const creates = this.addressOfDeployment(0);
    const { abi, bytecode } = await readArtifact(name);
    const data = encodeDeployData({ abi, bytecode, args: [...args] });
    this.steps.push({ name: `deploy ${name}`, to: undefined, data, gas: deployGas, creates });
    return creates;
  }

  call(name: string, to: Address, abi: Abi, functionName: string, args: readonly unknown[]): void {
    const data = encodeFunctionData({ abi, functionName, args: [...args] });
    this.steps.push({ name, to, data, gas: callGas, creates: undefined });
  }
}

function textOf(value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}
