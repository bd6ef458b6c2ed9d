import type { FeedInfo } from "@leat/sdk/client/actions/streams.ts";
import { channelId, hubChannel } from "@leat/sdk/protocol/channel.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import type { Candidate } from "@leat/sdk/selection/candidate.ts";
import type {
  AttemptRow,
  CheckRow,
  CheckTotal,
  JobRow,
  ReceiptPosition,
  ReceiptRow,
} from "../../store/sql/job-store.ts";
import type { StreamPlace, StreamRow } from "../../store/sql/stream-store.ts";
import type { AttemptCost } from "../../store/sql/work-costs.ts";
import type { ChannelStatus } from "../payment/index.ts";
import type { AudienceBook, StreamAudience } from "./audience-book.ts";
import type { CandidateBook } from "./candidates.ts";
import type { EdgeTree } from "./edge-tree.ts";
import type { BalancerComponents } from "./ports.ts";
import type { Refusal, Refusals } from "./refusals.ts";
import type { HeardHealth, StreamHealth } from "./stream-health.ts";
import type { Streams } from "./streams.ts";

export interface JobView {
  readonly job: JobRow;
  readonly attempts: readonly AttemptRow[];
  readonly checks: readonly CheckTotal[];
  readonly costs: readonly AttemptCost[];
  /** Of an edge that runs: who feeds it. */
  readonly feed: FeedInfo | undefined;
}

export interface ReceiptView {
  readonly row: ReceiptRow;
  /** What was made of its segment, by whoever. */
  readonly checks: readonly CheckRow[];
}

export interface ClusterView {
  readonly cluster: bigint;
  readonly account: Address;
  readonly balancer: Address;
  readonly owner: Address | undefined;
  readonly tokens: readonly Address[];
  readonly nodes: number;
  readonly members: number;
}

export interface NodeView {
  readonly row: Candidate;
  readonly httpUrl: string | undefined;
  readonly roles: readonly string[];
}

/** What can be read of streams, nodes and the cluster. A buyer reads its own streams alone. */
export interface StreamViews {
  stream(buyer: Address, name: string): Promise<StreamRow>;
  streams(buyer: Address, limit: number, before?: StreamPlace): Promise<StreamRow[]>;
  /** How its source does; undefined while it is not published. Of a row that was read above. */
  health(stream: Hex): HeardHealth | undefined;
  /** Why nobody does a part of it, as far as it was tried. Of a row that was read above. */
  refusals(stream: Hex): readonly Refusal[];
  /** Who watches and what viewers got, as edges say. Of rows that were read above. */
  audiences(streams: readonly Hex[]): Promise<ReadonlyMap<Hex, StreamAudience>>;
  jobs(buyer: Address, name: string): Promise<JobView[]>;
  /** Newest first. */
  receipts(buyer: Address, name: string, limit: number, before?: ReceiptPosition): Promise<ReceiptView[]>;
  /** The buyer's channel to the cluster, and the cluster's to every node that worked for the stream. */
  payments(buyer: Address, name: string): Promise<ChannelStatus[]>;
  cluster(): ClusterView;
  nodes(): NodeView[];
}

/** What is known of streams and stands in no row of them. */
interface LiveFacts {
  readonly health: StreamHealth;
  readonly refusals: Refusals;
  readonly tree: Pick<EdgeTree, "feedOf">;
  readonly audiences: Pick<AudienceBook, "of">;
}

export class Views implements StreamViews {
  readonly #components: BalancerComponents;
  readonly #streams: Streams;
  readonly #candidates: CandidateBook;
  readonly #live: LiveFacts;

  constructor(components: BalancerComponents, streams: Streams, candidates: CandidateBook, live: LiveFacts) {
    this.#components = components;
    this.#streams = streams;
    this.#candidates = candidates;
    this.#live = live;
  }

  stream(buyer: Address, name: string): Promise<StreamRow> {
    return this.#streams.find(buyer, name);
  }

  streams(buyer: Address, limit: number, before?: StreamPlace): Promise<StreamRow[]> {
    return this.#streams.list(buyer, limit, before);
  }

  health(stream: Hex): HeardHealth | undefined {
    return this.#live.health.of(stream);
  }

  refusals(stream: Hex): readonly Refusal[] {
    return this.#live.refusals.of(stream);
  }

  audiences(streams: readonly Hex[]): Promise<ReadonlyMap<Hex, StreamAudience>> {
    return this.#live.audiences.of(streams);
  }

  async jobs(buyer: Address, name: string): Promise<JobView[]> {
    const { jobStore, clusterAccount } = this.#components;
    const { id, token } = await this.#streams.find(buyer, name);
    const [jobs, costs] = await Promise.all([
      jobStore.jobsOf(id),
      jobStore.costsOf(id, channelId(hubChannel(buyer, clusterAccount, token))),
    ]);
    return Promise.all(
      jobs.map(async (job) => ({
        job,
        attempts: await jobStore.attemptsOf(job.id),
        checks: await jobStore.checkTotalsOf(job.id),
        costs: costs.filter((cost) => cost.job === job.id),
        feed: this.#live.tree.feedOf(job.id),
      })),
    );
  }

  async receipts(buyer: Address, name: string, limit: number, before?: ReceiptPosition): Promise<ReceiptView[]> {
    const { jobStore } = this.#components;
    const { id } = await this.#streams.find(buyer, name);
    const rows = await jobStore.receiptsOf(id, limit, before);
    const checks = Map.groupBy(await jobStore.checksOf(rows.map(({ hash }) => hash)), keyOfSegment);
    return rows.map((row) => ({ row, checks: checks.get(keyOfSegment(row)) ?? [] }));
  }

  async payments(buyer: Address, name: string): Promise<ChannelStatus[]> {
    const { jobStore, payer, payee, clusterAccount } = this.#components;
    const { id, token } = await this.#streams.find(buyer, name);
    const nodes = new Set(await jobStore.nodesOf(id));
    const { payer: from, payee: to } = hubChannel(buyer, clusterAccount, token);
    const held = (await payee.status()).filter(
      ({ channel }) => channel.payer === from && channel.payee === to && channel.token === token,
    );
    const issued = (await payer.status()).filter(
      ({ channel }) => channel.token === token && nodes.has(channel.payee) && channel.payer === clusterAccount,
    );
    return [...held, ...issued];
  }

  cluster(): ClusterView {
    const { cluster, clusterAccount, signer, chain, tokens, hub } = this.#components;
    const state = chain.cluster(cluster);
    return {
      cluster,
      account: clusterAccount,
      balancer: signer.address,
      owner: state?.owner,
      tokens,
      nodes: hub.nodes.size,
      members: state?.members.size ?? 0,
    };
  }

  nodes(): NodeView[] {
    const { hub } = this.#components;
    return this.#candidates.table().rows.map((row) => {
      const hello = hub.nodes.get(row.node)?.hello;
      return { row, httpUrl: hello?.httpUrl, roles: hello?.roles ?? [] };
    });
  }
}

function keyOfSegment({ job, attempt, seq }: Pick<ReceiptRow, "job" | "attempt" | "seq">): string {
  return `${job} ${attempt} ${seq}`;
}
