import type { FeedInfo } from "@leat/sdk/client/actions/streams.ts";
import { isBadWork } from "@leat/sdk/protocol/bad-work.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import type { PlaybackRequest } from "@leat/sdk/protocol/playback.ts";
import type { RestreamTarget } from "@leat/sdk/protocol/restream.ts";
import { SOURCE_RUNG } from "@leat/sdk/protocol/stream.ts";
import { parseAmount } from "@leat/sdk/protocol/units.ts";
import type { Candidate } from "@leat/sdk/selection/candidate.ts";
import { defaultParameters } from "@leat/sdk/selection/parameters.ts";
import type { CandidateLeaf, CandidateTable } from "@leat/sdk/selection/table.ts";
import { createTable, proveCandidate } from "@leat/sdk/selection/table.ts";
import type { Startable } from "../../kernel/lifecycle.ts";
import { TaskGroup } from "../../kernel/task-group.ts";
import type { StreamRow } from "../../store/sql/stream-store.ts";
import type { NodeRequest } from "../../wire/session/messages.ts";
import type { Hello, TableMark, Welcome } from "../../wire/session/presence.ts";
import type { NodePresence } from "../session/hub.ts";
import { Accounting } from "./accounting.ts";
import { AttemptRanges } from "./attempt-ranges.ts";
import { AudienceBook } from "./audience-book.ts";
import { CandidateBook } from "./candidates.ts";
import { DeliveryBudget } from "./delivery-budget.ts";
import { EdgeGrowth } from "./edge-growth.ts";
import { EdgeOrigins } from "./edge-origins.ts";
import { EdgeTree } from "./edge-tree.ts";
import { answerPublicly, BalancerError } from "./errors.ts";
import { FrontDoor, type IngestRanking } from "./front-door.ts";
import { GuiltyNodes } from "./guilty-nodes.ts";
import { IngestNodes } from "./ingest-nodes.ts";
import { isRunning, JobBook, type LiveJob } from "./job-book.ts";
import { JobKeeper } from "./job-keeper.ts";
import { refusedNews, requireEdge } from "./news.ts";
import type { BalancerOptions } from "./options.ts";
import { PlaceNews } from "./place-waits.ts";
import { Placement } from "./placement.ts";
import { Play, type Playback, type PlayViewer } from "./play.ts";
import { PlaybackDesk } from "./playback.ts";
import type { BalancerComponents } from "./ports.ts";
import { PublishTickets } from "./publish-tickets.ts";
import { Publishing } from "./publishing.ts";
import { Pulls } from "./pulls.ts";
import { Refusals } from "./refusals.ts";
import { Reports } from "./reports.ts";
import { Restreams } from "./restreams.ts";
import { SeedSource } from "./seed-source.ts";
import { type PublishedSelection, SelectionLog } from "./selection-log.ts";
import { StrayJobs } from "./stray-jobs.ts";
import { StreamBook } from "./stream-book.ts";
import { StreamEnds } from "./stream-ends.ts";
import { StreamHealth } from "./stream-health.ts";
import { StreamProgress } from "./stream-progress.ts";
import { type CreatedStream, type CreateStream, type PublishAddresses, Streams } from "./streams.ts";
import { buyerToppedUp } from "./top-ups.ts";
import { UnpaidWork } from "./unpaid-work.ts";
import { ViewerCount } from "./viewer-count.ts";
import { ViewerDemand } from "./viewer-demand.ts";
import { type StreamViews, Views } from "./views.ts";
import { WriteOffs } from "./write-offs.ts";

/** What pages and buyers see of a balancer. */
export interface Balancer {
  createStream(buyer: Address, request: CreateStream): Promise<CreatedStream>;
  endStream(buyer: Address, stream: string): Promise<void>;
  rotateKey(buyer: Address, stream: string, revokeOld: boolean): Promise<PublishAddresses>;
  setPlayback(buyer: Address, stream: string, policy: PlaybackRequest): Promise<void>;
  setTargets(buyer: Address, stream: string, targets: readonly RestreamTarget[]): Promise<void>;
  play(slug: string, viewer?: PlayViewer): Promise<Playback>;
  /** Where a stream may be published, the best node first. */
  rankIngest(streamKey: string): Promise<IngestRanking>;
  /** Where to post a WHIP offer instead: for seconds, once. */
  sendWhip(streamKey: string): Promise<string>;
  /** With who feeds it, where it gave a stream the edge that it has now. */
  selection(id: Hex): Promise<PublishedSelection & { readonly feed: FeedInfo | undefined }>;
  /** The rows of a table that a decision was made from. */
  candidates(tableRoot: Hex): Promise<readonly Candidate[]>;
  candidate(tableRoot: Hex, node: Address): Promise<CandidateLeaf>;
  readonly views: StreamViews;
}

/** What an origin may say of the work that it checks. */
const originVerdicts: readonly string[] = ["CHECK_FAILED", "TRANSCODING_TOO_LATE", "TRANSCODING_PART_ENDLESS"];
/** How often leases, and work that nobody checked, are looked over. */
const SWEEP_MS = 1_000;

/** Matches jobs to the cluster's nodes, and keeps them there. */
export class BalancerService implements Balancer, Startable {
  readonly #components: BalancerComponents;
  readonly #options: Pick<BalancerOptions, "marginBps">;
  readonly #tasks: TaskGroup;
  readonly #streamBook: StreamBook;
  readonly #jobs: JobBook;
  readonly #candidates: CandidateBook;
  readonly #seeds: SeedSource;
  readonly #log: SelectionLog;
  readonly #placement: Placement;
  readonly #keeper: JobKeeper;
  readonly #tree: EdgeTree;
  readonly #budget: DeliveryBudget;
  readonly #growth: EdgeGrowth;
  readonly #pulls: Pulls;
  readonly #restreams: Restreams;
  readonly #publishing: Publishing;
  readonly #streams: Streams;
  readonly #play: Play;
  readonly #ends: StreamEnds;
  readonly #frontDoor: FrontDoor;
  readonly #accounting: Accounting;
  readonly #reports: Reports;
  readonly #unpaid: UnpaidWork;
  readonly #writeOffs: WriteOffs;
  readonly #audiences: AudienceBook;
  readonly #news: PlaceNews;
  readonly #strays: StrayJobs;
  readonly #stopHearing: (() => void)[] = [];
  #lastTable: CandidateTable | undefined;
  readonly views: StreamViews;

  constructor(components: BalancerComponents, options: BalancerOptions) {
    const { clock, logger, streamStore, jobStore } = components;
    this.#components = components;
    this.#options = options;
    this.#tasks = new TaskGroup({ clock, onError: (error) => logger.error("Balance failed", { error }) });
    const tasks = this.#tasks;
    const parameters = { ...defaultParameters, minimumStake: parseAmount(options.minimumStake, 18) };
    const streams = new StreamBook(streamStore);
    const jobs = new JobBook(jobStore);
    const candidates = new CandidateBook(components, parameters);
    const seeds = new SeedSource(components, options.seedChainLength);
    const log = new SelectionLog(components, candidates, seeds, parameters);
    const progress = new StreamProgress(components, streams);
    const tree = new EdgeTree(components, { jobs, tasks, progress, fanOut: options.edgeFanOut, parameters });
    this.#tree = tree;
    const budget = new DeliveryBudget(components, { jobs, streams, tasks });
    this.#budget = budget;
    const placement = new Placement(components, options, { candidates, log, jobs, tree, budget });
    const onEdges = (stream: Hex) => {
      this.#tellEdges(stream);
      tree.look(stream);
    };
    const onEnd = (stream: Hex, code: string) => this.#ends.end(stream, code);
    const playback = new PlaybackDesk(components, { streams, jobs, tasks }, options.placeRetryMs);
    const news = new PlaceNews(clock);
    const refusals = new Refusals(clock);
    const origins = new EdgeOrigins(components, { jobs, tasks }, options.placeRetryMs);
    const isAgentAt = (stream: StreamRow, live: LiveJob) => this.#play.isAgentAt(stream, live);
    const viewers = new ViewerCount(components, { jobs, isAgentAt });
    const audiences = new AudienceBook(components, { streams, jobs, viewers, tasks });
    this.#audiences = audiences;
    const told = { origins, news, refusals, audiences };
    const keeping = { jobs, streams, progress, placement, tasks, onEdges, playback, ...told };
    const keeper = new JobKeeper(components, options, keeping);
    const unpaid = new UnpaidWork(components, streams);
    const onLiar = (job: Hex, attempt: number) => keeper.fail(job, attempt, "CHECK_CONTRADICTED");
    const accounting = new Accounting(components, {
      streams,
      candidates,
      jobs,
      unpaid,
      budget,
      guilty: new GuiltyNodes(components, { candidates, jobs, onLiar }),
      ranges: new AttemptRanges(components, { jobs, streams, keeper }),
      onReceipt: (row, buyer) => this.#reports.add(row, buyer),
      onBadWork: (job, attempt) => keeper.fail(job, attempt, "CHECK_FAILED"),
    });
    this.#streamBook = streams;
    this.#jobs = jobs;
    this.#candidates = candidates;
    this.#seeds = seeds;
    this.#log = log;
    this.#placement = placement;
    this.#news = news;
    this.#strays = new StrayJobs(components, { jobs, tasks }, options.sessionGraceMs);
    this.#keeper = keeper;
    this.#accounting = accounting;
    this.#unpaid = unpaid;
    const nodes = new IngestNodes(components, placement);
    const fetched = new ViewerDemand(components, { idleMs: options.pullIdleMs, viewers, onEdges });
    const served = new ViewerDemand(components, { idleMs: options.edgeIdleMs, viewers, onEdges });
    const pulls = new Pulls(components, options, { streams, jobs, nodes, tasks, demand: fetched });
    this.#pulls = pulls;
    const onPause = (stream: Hex) => this.#ends.pause(stream);
    const tickets = new PublishTickets(clock, options.publishTicketMs);
    const health = new StreamHealth(components.news);
    const publishing = { streams, jobs, placement, keeper, onEnd, pulls, onPause, tickets, health, refusals };
    this.#publishing = new Publishing(components, options, publishing);
    this.#frontDoor = new FrontDoor(components, { streams, jobs, candidates, nodes, tickets, parameters });
    const onTargets = () => this.#restreams.look();
    const making = { streams, jobs, candidates, nodes, pulls, onEnd, playback, onEdges, onTargets };
    this.#streams = new Streams(components, options, making);
    const specOf = (stream: StreamRow) => this.#play.specOf(stream);
    const growing = { streams, jobs, keeper, tasks, demand: served, specOf, viewers };
    const growth = new EdgeGrowth(components, options, growing);
    this.#growth = growth;
    const isAgentAway = (stream: Hex) => fetched.isAgentAway(stream) || served.isAgentAway(stream);
    this.#play = new Play(components, { streams, jobs, keeper, playback, pulls, isAgentAway, growth });
    this.#writeOffs = new WriteOffs(components, options, { jobs, unpaid });
    const place = (stream: StreamRow) => this.#play.place(stream);
    this.#restreams = new Restreams(components, { streams, jobs, tasks, place });
    this.#reports = new Reports(components, options, { streams, jobs, accounting, tasks });
    const reports = this.#reports;
    const ending = { streams, jobs, keeper, play: this.#play, pulls, health, refusals, reports, audiences };
    this.#ends = new StreamEnds(components, ending);
    this.views = new Views(components, this.#streams, candidates, { health, refusals, tree, audiences });
    this.#handleCalls();
  }

  /** Loads what is on disk before the first node is let in. */
  async start(): Promise<void> {
    const { hub, chain, clock, clusterAccount, streamStore } = this.#components;
    await streamStore.fixMargins(this.#options.marginBps);
    await this.#seeds.load();
    await this.#candidates.load();
    await this.#streamBook.load();
    await this.#jobs.load();
    await this.#audiences.load();
    // What a holder did while this balancer was away is not known: its lease stands until it could have told.
    const lastFrameAtMs = clock.nowMs();
    for (const lease of this.#streamBook.leases()) await this.#streamBook.putLease({ ...lease, lastFrameAtMs });
    for (const live of this.#jobs.all()) {
      const stream = await this.#streamBook.find(live.row.stream);
      // Killed after the stream had ended and before its jobs had: the nodes are told when they come.
      if (stream === undefined || stream.state === "ended") {
        await this.#jobs.end(live, stream?.endCode ?? "STREAM_ENDED", clock.nowMs());
      } else if (isRunning(live)) await this.#placement.resume(stream, live);
    }
    await this.#accounting.recover();
    this.#stopHearing.push(
      hub.onHeartbeat((presence) => this.#heard(presence)),
      hub.onJoined((presence) => {
        this.#candidates.renew();
        this.#background(() => this.#keeper.joined(presence));
        this.#background(() => this.#budget.joined(presence.node));
        this.#pulls.joined(presence.node);
        this.#restreams.joined(presence.node);
        this.#news.tell();
        if (presence.hello.roles.includes("buyer")) {
          this.#reports.joined(presence.node);
          for (const stream of this.#streamBook.open()) if (stream.buyer === presence.node) this.#tellEdges(stream.id);
        }
      }),
      hub.onLeft(({ node }) => {
        this.#candidates.left(node);
        this.#strays.left(node);
        this.#keeper.left(node);
      }),
      chain.onEvent((log) => {
        const buyer = buyerToppedUp(log, clusterAccount);
        if (buyer === undefined) return;
        this.#keeper.funded(buyer);
        this.#pulls.funded(buyer);
      }),
    );
    this.#keeper.start();
    this.#reports.start();
    this.#pulls.start();
    this.#writeOffs.start();
    this.#restreams.start();
    this.#growth.start();
    this.#audiences.start();
    // Killed after its buyer had ended it and before it was over: no node has anything to end any more.
    for (const { id, endCode } of this.#streamBook.open()) {
      if (endCode !== null && this.#streamBook.holder(id) === undefined) await this.#ends.end(id, endCode);
    }
    this.#tasks.every(SWEEP_MS, () => this.#publishing.sweep());
    this.#tasks.every(SWEEP_MS, () => this.#writeOffs.sweep());
  }

  async stop(): Promise<void> {
    for (const stop of this.#stopHearing.splice(0)) stop();
    await this.#tasks.close();
    await this.#audiences.close();
  }

  /** For the hub: who may have a session. Throws a coded error for who may not. */
  admit(hello: Hello): void {
    if (hello.roles.every((role) => role === "buyer")) return;
    const { chain, cluster } = this.#components;
    const operator = chain.operatorOf(hello.node);
    if (operator === undefined || chain.operator(operator)?.nodes.get(hello.node)?.revoked === true) {
      throw new BalancerError({ code: "OPERATOR_UNKNOWN", node: hello.node });
    }
    if (chain.cluster(cluster)?.members.has(operator) !== true) {
      throw new BalancerError({ code: "OPERATOR_NOT_MEMBER", operator });
    }
  }

  /** For the hub: what a node is told when it comes. */
  welcome(): Pick<Welcome, "cluster" | "clusterAccount" | "seedCommit"> {
    const { cluster, clusterAccount } = this.#components;
    return { cluster, clusterAccount, seedCommit: this.#seeds.commit };
  }

  /** For the hub: where a node stands in the newest table. */
  markTable(node: Address): TableMark {
    return this.#candidates.mark(node);
  }

  createStream(buyer: Address, request: CreateStream): Promise<CreatedStream> {
    return this.#streams.create(buyer, request);
  }

  async endStream(buyer: Address, stream: string): Promise<void> {
    await this.#streams.end(buyer, stream);
  }

  rotateKey(buyer: Address, stream: string, revokeOld: boolean): Promise<PublishAddresses> {
    return this.#streams.rotateKey(buyer, stream, revokeOld);
  }

  setTargets(buyer: Address, stream: string, targets: readonly RestreamTarget[]): Promise<void> {
    return this.#streams.setTargets(buyer, stream, targets);
  }

  async setPlayback(buyer: Address, stream: string, policy: PlaybackRequest): Promise<void> {
    await this.#streams.setPlayback(buyer, stream, policy);
  }

  play(slug: string, viewer?: PlayViewer): Promise<Playback> {
    return this.#play.play(slug, viewer);
  }

  rankIngest(streamKey: string): Promise<IngestRanking> {
    return this.#frontDoor.rank(streamKey);
  }

  sendWhip(streamKey: string): Promise<string> {
    return this.#frontDoor.sendWhip(streamKey);
  }

  /** @param node Which turned them away: an edge, or this balancer, which was asked where the stream plays. */
  async viewersRefused(node: Address, { stream, refusals }: NodeRequest<"viewers.refused">): Promise<void> {
    const { news, clock } = this.#components;
    const row = await this.#streamBook.find(stream);
    if (row !== undefined) await news.tell(refusedNews(row, { node, refusals, nowMs: clock.nowMs() }));
  }

  async selection(id: Hex): Promise<PublishedSelection & { readonly feed: FeedInfo | undefined }> {
    const found = await this.#log.find(id);
    const { job, attempt } = found.receipt.value;
    const isNow = this.#jobs.find(job)?.attempt?.attempt === attempt;
    return { ...found, feed: isNow ? this.#tree.feedOf(job) : undefined };
  }

  candidates(tableRoot: Hex): Promise<readonly Candidate[]> {
    return this.#log.table(tableRoot);
  }

  async candidate(tableRoot: Hex, node: Address): Promise<CandidateLeaf> {
    const leaf = proveCandidate(createTable(await this.#log.table(tableRoot), defaultParameters), node);
    if (leaf === undefined) throw new BalancerError({ code: "CANDIDATE_UNKNOWN", root: tableRoot });
    return leaf;
  }

  #handleCalls(): void {
    const { hub } = this.#components;
    const nothing = async (work: Promise<unknown>) => {
      await work;
      return {};
    };
    hub.handle("candidate.leaf", (from, { tableRoot }) =>
      answerPublicly(async () => this.#candidates.leaf(from, tableRoot)),
    );
    hub.handle("publish.request", (from, body) => answerPublicly(() => this.#publishing.request(from, body)));
    hub.handle("publish.ticket", (from, body) => answerPublicly(() => this.#publishing.requestByTicket(from, body)));
    hub.handle("publish.pulled", (from, body) => answerPublicly(() => this.#publishing.requestPulled(from, body)));
    hub.handle("restream.state", (from, body) => answerPublicly(() => nothing(this.#restreams.state(from, body))));
    hub.handle("pull.state", (from, body) => answerPublicly(() => nothing(this.#pulls.state(from, body))));
    hub.handle("publish.renew", (from, body) => answerPublicly(() => nothing(this.#publishing.renew(from, body))));
    hub.handle("publish.end", (from, body) => answerPublicly(() => nothing(this.#publishing.end(from, body))));
    hub.handle("source.ready", (from, body) => answerPublicly(() => this.#publishing.sourceReady(from, body)));
    hub.handle("segment.published", (from, body) =>
      answerPublicly(() => nothing(this.#publishing.segmentPublished(from, body))),
    );
    hub.handle("receipt.submit", (from, body) => answerPublicly(() => this.#accounting.accept(from, body)));
    hub.handle("check.submit", (from, { check, code }) =>
      answerPublicly(() => nothing(this.#accounting.check(from, check, code))),
    );
    hub.handle("work.review", (from, body) =>
      answerPublicly(async () => ({ unpaid: [...(await this.#unpaid.review(from, body))] })),
    );
    hub.handle("job.failed", (from, body) => answerPublicly(() => nothing(this.#jobFailed(from, body))));
    hub.handle("viewers.refused", (from, body) =>
      answerPublicly(async () => {
        requireEdge(this.#jobs, body.stream, from);
        return nothing(this.viewersRefused(from, body));
      }),
    );
    hub.handle("edge.holder", (from, body) => answerPublicly(() => nothing(this.#tree.heard(from, body))));
    hub.handle("job.done", (from, { job, attempt }) =>
      answerPublicly(() => nothing(this.#keeper.done(from, job, attempt))),
    );
  }

  /** The node that does a job may say that it failed, and so may the origin that checks it. */
  async #jobFailed(from: Address, { job, attempt, code }: { job: Hex; attempt: number; code: string }): Promise<void> {
    const live = this.#jobs.find(job);
    if (live?.attempt === undefined) return;
    const isOwn = live.attempt.node === from;
    const isOrigin = live.row.primitive === "transcode" && this.#streamBook.holder(live.row.stream) === from;
    if (!isOwn && !isOrigin) throw new BalancerError({ code: "JOB_NOT_YOURS", job });
    // Bad work is for others to say: a node that says it of itself only gives up. An origin says how the work was, no more.
    const mayBeSaid = isOwn ? !isBadWork(code) : originVerdicts.includes(code);
    await this.#keeper.fail(job, attempt, mayBeSaid ? code : "JOB_GIVEN_UP");
  }

  #heard(presence: NodePresence): void {
    this.#candidates.heard(presence);
    this.#strays.heard(presence);
    this.#tree.beat(presence);
    this.#audiences.heard(presence);
    // What it has free now may be what a job waits for.
    if (!this.#news.isAwaited || this.#candidates.table() === this.#lastTable) return;
    this.#lastTable = this.#candidates.table();
    this.#news.tell();
  }

  #tellEdges(stream: Hex): void {
    this.#background(async () => {
      const row = await this.#streamBook.find(stream);
      if (row === undefined || !this.#components.hub.nodes.has(row.buyer)) return;
      const { buyer, slug, renditions } = row;
      // Not by what was asked for: some sources have no rung of their own.
      const passthrough = renditions?.some(({ rung }) => rung === SOURCE_RUNG) === true;
      await this.#components.hub
        .call(buyer, "stream.watch", { stream, slug, edges: this.#play.edges(row), passthrough })
        .catch((error) => this.#components.logger.debug("Tell edges failed", { streamId: stream, error }));
    });
  }

  #background(work: () => Promise<void>): void {
    if (!this.#tasks.signal.aborted) this.#tasks.run(work);
  }
}
