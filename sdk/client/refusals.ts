import { ContractFunctionRevertedError, erc20Abi } from "viem";
import { type Address, toAddress } from "../protocol/hex.ts";
import type { LeatClient } from "./create-client.ts";
import { ClientError } from "./transaction.ts";

/** Contracts' errors of too little money, all of them with what was wanted and what was found. */
const shortages = {
  PaymentEscrowPoolShort: "CLIENT_POOL_SHORT",
  PaymentEscrowReserveShort: "CLIENT_RESERVE_SHORT",
  OperatorRegistryStakeShort: "CLIENT_STAKE_SHORT",
} as const;

/** A token as people read it: base units alone tell them nothing. */
export async function nameToken(client: LeatClient, token: Address) {
  const named = Object.entries(client.deployment.tokens).find(([, address]) => toAddress(address) === toAddress(token));
  const decimals = await client.publicClient.readContract({ address: token, abi: erc20Abi, functionName: "decimals" });
  return { token, symbol: named?.[0] ?? token, decimals };
}

/**
 * A contract's refusal with the facts that it gave itself: those of the block it judged in. Anything else comes back as
 * it is.
 * @param token Whose amounts the contract speaks of.
 */
export async function explainRefusal(client: LeatClient, token: Address, error: unknown): Promise<unknown> {
  const { name, args } = revertOf(error);
  switch (name) {
    case "PaymentEscrowPoolShort":
    case "PaymentEscrowReserveShort":
    case "OperatorRegistryStakeShort": {
      const [wanted, found] = args as readonly [bigint, bigint];
      const named = await nameToken(client, token);
      return new ClientError({ code: shortages[name], ...named, wanted, found }, { cause: error });
    }
    case "PaymentEscrowCapFell": {
      const [held, wanted] = args as readonly [bigint, bigint];
      const named = await nameToken(client, token);
      return new ClientError({ code: "CLIENT_CAP_FELL", ...named, held, wanted }, { cause: error });
    }
    case "PaymentEscrowThawRunning":
    case "OperatorRegistryThawRunning":
      return new ClientError({ code: "CLIENT_THAW_RUNNING", endsAt: args[0] as bigint }, { cause: error });
    case "PaymentEscrowThawNone":
    case "OperatorRegistryThawNone":
      return new ClientError({ code: "CLIENT_THAW_NONE" }, { cause: error });
    case "OperatorRegistryNotJoined":
      return new ClientError(
        { code: "CLIENT_OPERATOR_UNKNOWN", account: toAddress(args[0] as string) },
        { cause: error },
      );
    case "PaymentEscrowNotOwner": {
      const [owner, account] = args as readonly [string, string];
      const facts = { owner: toAddress(owner), account: toAddress(account) };
      return new ClientError({ code: "CLIENT_CLUSTER_NOT_OWNER", ...facts }, { cause: error });
    }
    case "PaymentEscrowNotBalancer": {
      const [cluster, account] = args as readonly [bigint, string];
      const facts = { cluster, account: toAddress(account) };
      return new ClientError({ code: "CLIENT_CLUSTER_NOT_BALANCER", ...facts }, { cause: error });
    }
    default:
      return error;
  }
}

/** The same of the registry of clusters, which speaks of no token. */
export function explainClusterRefusal(error: unknown): unknown {
  const { name, args } = revertOf(error);
  const detail = clusterRefusalOf(name, args);
  return detail === undefined ? error : new ClientError(detail, { cause: error });
}

function clusterRefusalOf(name: string | undefined, args: readonly unknown[]): ClientError["detail"] | undefined {
  const amounts = args as readonly bigint[];
  const address = (at: number) => toAddress(args[at] as string);
  switch (name) {
    case "ClusterRegistryNotOwner":
      return { code: "CLIENT_CLUSTER_NOT_OWNER", owner: address(0), account: address(1) };
    case "ClusterRegistryNotOperator":
      return { code: "CLIENT_OPERATOR_UNKNOWN", account: address(0) };
    case "ClusterRegistryBalancersTooMany":
      return { code: "CLIENT_BALANCERS_TOO_MANY", maximum: amounts[0]! };
    case "ClusterRegistryBalancerUsed":
      return { code: "CLIENT_BALANCER_USED", cluster: amounts[0]!, balancer: address(1) };
    case "ClusterRegistryBalancerUnknown":
      return { code: "CLIENT_BALANCER_UNKNOWN", cluster: amounts[0]!, balancer: address(1) };
    case "ClusterRegistryShareTooLarge":
      return { code: "CLIENT_SHARE_TOO_LARGE", maximumPpm: amounts[0]!, foundPpm: amounts[1]! };
    case "ClusterRegistryShareAboveAccepted":
      return { code: "CLIENT_SHARE_ABOVE_ACCEPTED", sharePpm: amounts[0]!, acceptedPpm: amounts[1]! };
    case "ClusterRegistryTermsTooLong":
      return { code: "CLIENT_TERMS_TOO_LONG", maximumBytes: amounts[0]!, foundBytes: amounts[1]! };
    case "ClusterRegistryTransferNone":
      return { code: "CLIENT_TRANSFER_NONE", cluster: amounts[0]! };
    case "ClusterRegistryNotPendingOwner":
      return { code: "CLIENT_TRANSFER_OF_ANOTHER", newOwner: address(0), account: address(1) };
    case "ClusterRegistryTransferEarly":
      return { code: "CLIENT_TRANSFER_EARLY", opensAt: amounts[0]! };
    case "ClusterRegistryTransferLate":
      return { code: "CLIENT_TRANSFER_LATE", endedAt: amounts[0]! };
    case "ClusterRegistryMemberRefused":
      return { code: "CLIENT_MEMBER_REFUSED", cluster: amounts[0]!, operator: address(1) };
    case "ClusterRegistryNotMember":
      return { code: "CLIENT_MEMBER_UNKNOWN", cluster: amounts[0]!, operator: address(1) };
    default:
      return undefined;
  }
}

function revertOf(error: unknown): { readonly name: string | undefined; readonly args: readonly unknown[] } {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (at instanceof ContractFunctionRevertedError) return { name: at.data?.errorName, args: at.data?.args ?? [] };
  }
  return { name: undefined, args: [] };
}
