import { type Address, type Hex, toAddress } from "@leat/sdk/protocol/hex.ts";
import type { DecodedLog } from "./event-reader.ts";

export interface OperatorState {
  readonly operator: Address;
  /** Its own and its sponsors', not thawing, LPT base units. */
  stake: bigint;
  thawing: bigint;
  readonly nodes: Map<Address, { endpoint: string; revoked: boolean }>;
}

export interface ClusterState {
  readonly cluster: bigint;
  owner: Address;
  readonly account: Address;
  /** Keys that may make new promises. */
  readonly balancers: Set<Address>;
  /** Operators that accepted and that it lets in, with the largest share that they let it take. */
  readonly members: Map<Address, number>;
  /** Those that accepted and are not, or no longer, approved. */
  readonly waiting: Map<Address, number>;
}

/** What was collected on a channel, by the events. */
export interface Collection {
  readonly channel: Hex;
  readonly payer: Address;
  readonly payee: Address;
  readonly token: Address;
  readonly collected: bigint;
  readonly transaction: Hex;
  readonly blockNumber: bigint;
}

/** Everything that the events say, folded in order. */
export class RegistryState {
  readonly operators = new Map<Address, OperatorState>();
  readonly clusters = new Map<bigint, ClusterState>();
  readonly collections = new Map<Hex, Collection>();
  readonly #parties = new Map<Hex, Pick<Collection, "payer" | "payee" | "token">>();
  readonly #channelsOfPayer = new Map<Address, Set<Hex>>();
  readonly #operatorOfNode = new Map<Address, Address>();
  readonly #clusterOfAccount = new Map<Address, bigint>();
  /** Operators whose stake moved since it was last read. */
  readonly staleStakes = new Set<Address>();

  operatorOf(node: Address): Address | undefined {
    return this.#operatorOfNode.get(node);
  }

  clusterOfAccount(account: Address): bigint | undefined {
    return this.#clusterOfAccount.get(account);
  }

  /** What a payer's channels paid. */
  collectionsOf(payer: Address): Collection[] {
    return [...(this.#channelsOfPayer.get(payer) ?? [])].map((channel) => this.collections.get(channel)!);
  }

  apply(log: DecodedLog): void {
    const args = log.args as Record<string, never>;
    const address = (name: string) => toAddress(args[name]!);
    switch (log.eventName) {
      case "OperatorJoined":
      case "StakeChanged":
        this.#operator(address("operator"));
        this.staleStakes.add(address("operator"));
        return;
      case "NodeAdded":
        this.#operator(address("operator")).nodes.set(address("node"), { endpoint: args.endpoint!, revoked: false });
        this.#operatorOfNode.set(address("node"), address("operator"));
        return;
      case "NodeEndpointChanged":
        this.#node(address("node"), (node) => {
          node.endpoint = args.endpoint!;
        });
        return;
      case "NodeRevoked":
        this.#node(address("node"), (node) => {
          node.revoked = true;
        });
        return;
      case "Reserved": {
        const parties = { payer: address("payer"), payee: address("payee"), token: address("token") };
        this.#parties.set(args.channel!, parties);
        return;
      }
      case "Collected": {
        // The escrow names a channel's parties before it pays anything from it.
        const parties = this.#parties.get(args.channel!);
        if (parties === undefined) return;
        const { payer } = parties;
        this.#channelsOfPayer.set(payer, (this.#channelsOfPayer.get(payer) ?? new Set()).add(args.channel!));
        this.collections.set(args.channel!, {
          channel: args.channel!,
          ...parties,
          collected: args.collected!,
          transaction: log.transactionHash,
          blockNumber: log.blockNumber,
        });
        return;
      }
      default:
        this.#applyToCluster(log.eventName, args, address);
    }
  }

  #applyToCluster(name: string, args: Record<string, never>, address: (name: string) => Address): void {
    if (name === "ClusterCreated") {
      const account = address("account");
      this.#clusterOfAccount.set(account, args.cluster!);
      const empty = { balancers: new Set<Address>(), members: new Map(), waiting: new Map() };
      this.clusters.set(args.cluster!, { cluster: args.cluster!, owner: address("owner"), account, ...empty });
      return;
    }
    const cluster = this.clusters.get(args.cluster!);
    if (cluster === undefined) return;
    if (name === "ClusterTransferred") cluster.owner = address("newOwner");
    else if (name === "BalancerAdded") cluster.balancers.add(address("balancer"));
    else if (name === "BalancerRemoved") cluster.balancers.delete(address("balancer"));
    else if (name === "MemberAccepted") admit(cluster, address("operator"), args.approved!, args.maximumSharePpm!);
    else if (name === "MemberApprovalChanged") admit(cluster, address("operator"), args.approved!);
    else if (name === "MemberLeft") {
      cluster.members.delete(address("operator"));
      cluster.waiting.delete(address("operator"));
    }
  }

  #operator(operator: Address): OperatorState {
    const known = this.operators.get(operator) ?? { operator, stake: 0n, thawing: 0n, nodes: new Map() };
    this.operators.set(operator, known);
    return known;
  }

  #node(node: Address, change: (state: { endpoint: string; revoked: boolean }) => void): void {
    const state = this.operators.get(this.#operatorOfNode.get(node) ?? node)?.nodes.get(node);
    if (state !== undefined) change(state);
  }
}

/** Nobody is a member by approval alone: the operator has to accept, with the share that it names or named. */
function admit(cluster: ClusterState, operator: Address, approved: boolean, sharePpm?: number): void {
  const accepted = sharePpm ?? cluster.members.get(operator) ?? cluster.waiting.get(operator);
  if (accepted === undefined) return;
  const [to, from] = approved ? [cluster.members, cluster.waiting] : [cluster.waiting, cluster.members];
  from.delete(operator);
  to.set(operator, accepted);
}
