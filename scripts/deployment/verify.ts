import type { Abi, PublicClient } from "viem";
import { accessManagerAbi } from "../../sdk/protocol/abi/access-manager.ts";
import { clusterRegistryAbi } from "../../sdk/protocol/abi/cluster-registry.ts";
import { faultsAbi } from "../../sdk/protocol/abi/faults.ts";
import { operatorRegistryAbi } from "../../sdk/protocol/abi/operator-registry.ts";
import { paymentEscrowAbi } from "../../sdk/protocol/abi/payment-escrow.ts";
import { createDomain, hashDomain } from "../../sdk/protocol/eip712.ts";
import { type Address, toAddress, zeroAddress } from "../../sdk/protocol/hex.ts";
import { hashCode, readArtifact } from "./artifacts.ts";
import { DeployError, reasonOf } from "./errors.ts";
import { adminRole, governorRole, guardianRole, type Plan } from "./plan.ts";

/**
 * Reads everything back from the chain and compares it with the plan: code, wiring, parameters, and who holds which role
 * by all events of the access manager, so that a role that nobody planned is found too.
 * @throws DEPLOY_CHECK_FAILED with the first difference, DEPLOY_RPC_UNREACHABLE
 * @returns How many facts were compared.
 */
export async function verifyDeployment(
  publicClient: PublicClient,
  plan: Plan,
  fromBlock: bigint,
): Promise<{ readonly checks: number }> {
  // The code first: what other code would answer to the rest means nothing.
  const groups = [
    () => checkCode(publicClient, plan),
    () => checkReads(publicClient, plan),
    () => checkRoles(publicClient, plan, fromBlock),
  ];
  let count = 0;
  for (const group of groups) {
    for (const { what, wanted, found } of await group()) {
      if (wanted !== found) throw new DeployError({ code: "DEPLOY_CHECK_FAILED", what, wanted, found });
      count += 1;
    }
  }
  return { checks: count };
}

interface Check {
  readonly what: string;
  readonly wanted: string;
  readonly found: string;
}

const contractNames = {
  accessManager: "AccessManager",
  operatorRegistry: "OperatorRegistry",
  clusterRegistry: "ClusterRegistry",
  escrow: "PaymentEscrow",
  faults: "Faults",
} as const;

async function checkCode(publicClient: PublicClient, { deployment }: Plan): Promise<Check[]> {
  return await Promise.all(
    Object.entries(contractNames).flatMap(([field, name]) => {
      const address = deployment[field as keyof typeof contractNames];
      return address === undefined ? [] : [checkCodeOf(publicClient, name, address)];
    }),
  );
}

async function checkCodeOf(publicClient: PublicClient, name: string, address: Address): Promise<Check> {
  const artifact = await readArtifact(name);
  const code = (await ask("eth_getCode", publicClient.getCode({ address }))) ?? "0x";
  return {
    what: `code of ${name} at ${address}`,
    wanted: hashCode(artifact, artifact.deployedBytecode),
    found: hashCode(artifact, code),
  };
}

async function checkReads(publicClient: PublicClient, { deployment, settings }: Plan): Promise<Check[]> {
  const { chainId, accessManager, operatorRegistry, clusterRegistry, escrow, stakeToken, tokens } = deployment;
  const { faults = zeroAddress } = deployment;
  const { thawSeconds, minimumStake, treasury, sequencerFeed = zeroAddress } = settings;
  const separator = (contract: Address) => hashDomain(createDomain(chainId, contract));
  const common = (contract: Address) => ({
    authority: accessManager,
    paused: false,
    thawPeriod: thawSeconds,
    domainSeparator: separator(contract),
  });
  const wanted: [Address, Abi, Readonly<Record<string, unknown>>][] = [
    [
      operatorRegistry,
      operatorRegistryAbi,
      { ...common(operatorRegistry), stakeToken, clusterRegistry, minimumStake, slasher: faults },
    ],
    [clusterRegistry, clusterRegistryAbi, { ...common(clusterRegistry), operatorRegistry }],
    [escrow, paymentEscrowAbi, { ...common(escrow), operatorRegistry, clusterRegistry, treasury, feePpm: 0n }],
  ];
  if (faults !== zeroAddress) {
    const values = { authority: accessManager, paused: false, operatorRegistry, escrow, sequencerFeed };
    wanted.push([faults, faultsAbi, values]);
  }
  const checks = wanted.flatMap(([address, abi, values]) =>
    Object.entries(values).map(([name, value]) => read(publicClient, address, abi, name, [], value)),
  );
  const allowed = Object.values(tokens).map((token: Address) =>
    read(publicClient, escrow, paymentEscrowAbi, "isTokenAllowed", [token], true),
  );
  return await Promise.all([...checks, ...allowed]);
}

/** Who may call what by which role, from the events: all that was ever granted, less what was taken back. */
async function checkRoles(publicClient: PublicClient, plan: Plan, fromBlock: bigint): Promise<Check[]> {
  const { accessManager } = plan.deployment;
  const { governor, guardian, governanceDelaySeconds } = plan.settings;
  const logs = await ask(
    "eth_getLogs",
    publicClient.getContractEvents({ address: accessManager, abi: accessManagerAbi, fromBlock, strict: true }),
  );
  const members = new Set<string>();
  const functions = new Map<string, string>();
  for (const { eventName, args } of logs) {
    if (eventName === "RoleGranted") members.add(`${args.roleId} ${toAddress(args.account)}`);
    else if (eventName === "RoleRevoked") members.delete(`${args.roleId} ${toAddress(args.account)}`);
    else if (eventName === "TargetFunctionRoleUpdated") {
      functions.set(`${toAddress(args.target)} ${args.selector}`, `${args.roleId}`);
    }
  }
  const wantedMembers = new Set([
    `${adminRole} ${governor}`,
    `${governorRole} ${governor}`,
    `${guardianRole} ${guardian}`,
  ]);
  const wantedFunctions = plan.functionRoles.flatMap(({ target, selectors, role }) =>
    selectors.map((selector) => `${target} ${selector} ${role}`),
  );
  const delays = [
    [adminRole, governor, governanceDelaySeconds],
    [governorRole, governor, governanceDelaySeconds],
    [guardianRole, guardian, 0],
  ] as const;
  const reads = await Promise.all([
    ...delays.map(([role, account, delay]) =>
      read(publicClient, accessManager, accessManagerAbi, "hasRole", [role, account], [true, delay]),
    ),
    ...plan.functionRoles.flatMap(({ target, selectors, role }) =>
      selectors.map((selector) =>
        read(publicClient, accessManager, accessManagerAbi, "getTargetFunctionRole", [target, selector], role),
      ),
    ),
    ...[...new Set(plan.functionRoles.map(({ target }) => target))].map((target) =>
      read(publicClient, accessManager, accessManagerAbi, "isTargetClosed", [target], false),
    ),
  ]);
  return [
    { what: "holders of roles", wanted: listed(wantedMembers), found: listed(members) },
    {
      what: "functions of roles",
      wanted: listed(wantedFunctions),
      found: listed([...functions].map(([key, role]) => `${key} ${role}`)),
    },
    ...reads,
  ];
}

async function read(
  publicClient: PublicClient,
  address: Address,
  abi: Abi,
  functionName: string,
  args: readonly unknown[],
  wanted: unknown,
): Promise<Check> {
  const found = await ask("eth_call", publicClient.readContract({ address, abi, functionName, args: [...args] }));
  return { what: `${functionName}(${args.join(", ")}) of ${address}`, wanted: textOf(wanted), found: textOf(found) };
}

function listed(entries: Iterable<string>): string {
  return [...entries].sort().join(", ");
}

function textOf(value: unknown): string {
  return String(value).toLowerCase();
}

async function ask<T>(method: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    throw new DeployError({ code: "DEPLOY_RPC_UNREACHABLE", method, reason: reasonOf(cause) }, { cause });
  }
}
