import type { FactChange } from "@leat/node/kernel/durable-facts.ts";
import { type Address, type Hex, toAddress } from "@leat/sdk/protocol/hex.ts";
import { type BounceEvent, withBounce } from "./bounces.ts";
import type { DecodedLog } from "./event-reader.ts";

/** Raise it when the same events fold into something else: what was kept by an older program is then read anew. */
export const FOLD_VERSION = 3;

export interface StakeState {
  readonly stake: bigint;
  readonly thawing: bigint;
}

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
  /** Keys that were, and the last second since 1970 at which vouchers that they signed count. */
  readonly ended: Map<Address, bigint>;
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

type Parties = Pick<Collection, "payer" | "payee" | "token">;

/** Operators whose stake these events moved: their stakes have to be read again. */
export function stakesMovedBy(logs: readonly DecodedLog[]): Address[] {
  return logs
    .filter(({ eventName, args }) => /^(OperatorJoined|Stake|Sponsor)/.test(eventName) && args.operator !== undefined)
    .map(({ args }) => toAddress(args.operator as Address));
}

/** Everything that the events say, folded in order. */
export class RegistryState {
  readonly operators = new Map<Address, OperatorState>();
  readonly clusters = new Map<bigint, ClusterState>();
  readonly collections = new Map<Hex, Collection>();
  readonly #parties = new Map<Hex, Parties>();
  readonly #channelsOfPayer = new Map<Address, Set<Hex>>();
  readonly #bounces = new Map<Hex, readonly BounceEvent[]>();
  readonly #bouncedOfPayer = new Map<Address, Set<Hex>>();
  readonly #operatorOfNode = new Map<Address, Address>();
  readonly #clusterOfAccount = new Map<Address, bigint>();
  /** Operators whose stake moved since it was last read. */
  readonly staleStakes = new Set<Address>();
  /** What changed since `takeChanges`, as kind and id. */
  #changed = new Set<string>();

  /** The same state on its own, from what `entries` said. */
  static restore(entries: Iterable<readonly [id: string, value: unknown]>): RegistryState {
    const state = new RegistryState();
    for (const [id, value] of entries) state.#restore(id, value);
    state.#changed.clear();
    return state;
  }

  /** The same on its own; what was not taken of its changes stays to be taken. */
  copy(): RegistryState {
    const copy = RegistryState.restore(this.entries());
    copy.markChanged(this.#changed);
    return copy;
  }

  /** All there is, as ids and plain values that share nothing with this state. */
  entries(): [id: string, value: unknown][] {
    return this.#ids().map((id) => [id, structuredClone(this.#valueOf(id))]);
  }

  /** What has to be written down so that everything that was ever taken restores this state. */
  takeChanges(kind: string): FactChange[] {
    const ids = [...this.#changed];
    this.#changed = new Set();
    return ids.map((id) => ({ kind, id, value: this.#valueOf(id) }));
  }

  /** These ids have to be taken once more: they were not written down. */
  markChanged(ids: Iterable<string>): void {
    for (const id of ids) this.#changed.add(id);
  }

  setStake(operator: Address, { stake, thawing }: StakeState): void {
    this.staleStakes.delete(operator);
    this.#changed.add(`stale/${operator}`);
    const state = this.operators.get(operator);
    if (state === undefined) return;
    Object.assign(state, { stake, thawing });
    this.#changed.add(`operator/${operator}`);
  }

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

  /** What bounced of a payer's channels. */
  bouncesOf(payer: Address): BounceEvent[] {
    return [...(this.#bouncedOfPayer.get(payer) ?? [])].flatMap((channel) => this.#bounces.get(channel)!);
  }

  apply(log: DecodedLog): void {
    const args = log.args as Record<string, never>;
    const address = (name: string) => toAddress(args[name]!);
    for (const operator of stakesMovedBy([log])) {
      this.#operator(operator);
      this.staleStakes.add(operator);
      this.#changed.add(`stale/${operator}`);
    }
    switch (log.eventName) {
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
        this.#changed.add(`parties/${args.channel!}`);
        return;
      }
      case "Collected": {
        // The escrow names a channel's parties before it pays anything from it.
        const parties = this.#parties.get(args.channel!);
        if (parties === undefined) return;
        this.#keepCollection({
          channel: args.channel!,
          ...parties,
          collected: args.collected!,
          transaction: log.transactionHash,
          blockNumber: log.blockNumber,
        });
        return;
      }
      case "Bounced": {
        const channel: Hex = args.channel!;
        const missing: bigint = args.missing!;
        // What was paid of the claim is in the `Collected` before it.
        const collected = this.collections.get(channel)?.collected ?? 0n;
        const total = missing + collected;
        const place = { blockNumber: log.blockNumber, transaction: log.transactionHash };
        const bounce = { channel, payer: address("payer"), payee: address("payee"), missing, total, ...place };
        this.#keepBounces(channel, withBounce(this.#bounces.get(channel) ?? [], bounce, collected));
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
      this.#changed.add(`cluster/${args.cluster!}`);
      const empty = { balancers: new Set<Address>(), ended: new Map(), members: new Map(), waiting: new Map() };
      this.clusters.set(args.cluster!, { cluster: args.cluster!, owner: address("owner"), account, ...empty });
      return;
    }
    const cluster = this.clusters.get(args.cluster!);
    if (cluster === undefined) return;
    this.#changed.add(`cluster/${cluster.cluster}`);
    if (name === "ClusterTransferred") cluster.owner = address("newOwner");
    else if (name === "BalancerAdded") cluster.balancers.add(address("balancer"));
    else if (name === "BalancerRemoved") {
      // A transfer of the cluster tells it of each key too.
      cluster.balancers.delete(address("balancer"));
      cluster.ended.set(address("balancer"), args.validUntil!);
    } else if (name === "MemberAccepted") admit(cluster, address("operator"), args.approved!, args.maximumSharePpm!);
    else if (name === "MemberApprovalChanged") admit(cluster, address("operator"), args.approved!);
    else if (name === "MemberLeft") {
      cluster.members.delete(address("operator"));
      cluster.waiting.delete(address("operator"));
    }
  }

  #operator(operator: Address): OperatorState {
    const known = this.operators.get(operator) ?? { operator, stake: 0n, thawing: 0n, nodes: new Map() };
    this.operators.set(operator, known);
    this.#changed.add(`operator/${operator}`);
    return known;
  }

  #node(node: Address, change: (state: { endpoint: string; revoked: boolean }) => void): void {
    const operator = this.#operatorOfNode.get(node) ?? node;
    const state = this.operators.get(operator)?.nodes.get(node);
    if (state === undefined) return;
    change(state);
    this.#changed.add(`operator/${operator}`);
  }

  #keepCollection(collection: Collection): void {
    const { channel, payer } = collection;
    this.#channelsOfPayer.set(payer, (this.#channelsOfPayer.get(payer) ?? new Set()).add(channel));
    this.collections.set(channel, collection);
    this.#changed.add(`collection/${channel}`);
  }

  #keepBounces(channel: Hex, bounces: readonly BounceEvent[]): void {
    const { payer } = bounces[0]!;
    this.#bouncedOfPayer.set(payer, (this.#bouncedOfPayer.get(payer) ?? new Set()).add(channel));
    this.#bounces.set(channel, bounces);
    this.#changed.add(`bounces/${channel}`);
  }

  #ids(): string[] {
    const named = (kind: string, keys: Iterable<unknown>) => [...keys].map((key) => `${kind}/${String(key)}`);
    return [
      ...named("operator", this.operators.keys()),
      ...named("cluster", this.clusters.keys()),
      ...named("parties", this.#parties.keys()),
      ...named("collection", this.collections.keys()),
      ...named("bounces", this.#bounces.keys()),
      ...named("stale", this.staleStakes),
    ];
  }

  #valueOf(id: string): unknown {
    const [kind, key] = id.split("/") as [string, Hex];
    if (kind === "operator") return this.operators.get(key);
    if (kind === "cluster") return this.clusters.get(BigInt(key));
    if (kind === "parties") return this.#parties.get(key);
    if (kind === "collection") return this.collections.get(key);
    if (kind === "bounces") return this.#bounces.get(key);
    return this.staleStakes.has(key) ? true : undefined;
  }

  #restore(id: string, value: unknown): void {
    const [kind, key] = id.split("/") as [string, Hex];
    if (kind === "operator") {
      const operator = value as OperatorState;
      this.operators.set(key, operator);
      for (const node of operator.nodes.keys()) this.#operatorOfNode.set(node, key);
    } else if (kind === "cluster") {
      const cluster = value as ClusterState;
      this.clusters.set(cluster.cluster, cluster);
      this.#clusterOfAccount.set(cluster.account, cluster.cluster);
    } else if (kind === "parties") this.#parties.set(key, value as Parties);
    else if (kind === "collection") this.#keepCollection(value as Collection);
    else if (kind === "bounces") this.#keepBounces(key, value as readonly BounceEvent[]);
    else this.staleStakes.add(key);
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
