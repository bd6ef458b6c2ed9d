import { timingSafeEqual } from "node:crypto";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import { type Address, type Hex, hexToBytes } from "@leat/sdk/protocol/hex.ts";
import type { Origin, TranscodeSpec } from "@leat/sdk/protocol/job.ts";
import type { LeaseRow, StreamRow } from "../../store/sql/stream-store.ts";
import type { NodeRequest, NodeResponse, PublishGrant } from "../../wire/session/messages.ts";
import { BegunSegments } from "./begun-segments.ts";
import { BuyerCredit } from "./buyer-credit.ts";
import { BalancerError } from "./errors.ts";
import { checkFunding } from "./funding.ts";
import { isRunning, type JobBook, type LiveJob, type RunningLive } from "./job-book.ts";
import type { JobKeeper } from "./job-keeper.ts";
import { startedNews } from "./news.ts";
import type { BalancerOptions } from "./options.ts";
import type { Placement } from "./placement.ts";
import type { BalancerComponents } from "./ports.ts";
import type { PublishTickets } from "./publish-tickets.ts";
import type { Pulls } from "./pulls.ts";
import type { Refusals } from "./refusals.ts";
import { planRenditions } from "./renditions.ts";
import { NOBODY, type StreamBook } from "./stream-book.ts";
import type { StreamHealth } from "./stream-health.ts";

export interface PublishingParts {
  readonly streams: StreamBook;
  readonly jobs: JobBook;
  readonly placement: Placement;
  readonly keeper: JobKeeper;
  readonly tickets: PublishTickets;
  readonly health: StreamHealth;
  readonly refusals: Refusals;
  /** The stream is over: everything ends and is paid. */
  readonly onEnd: (stream: Hex, code: string) => Promise<void>;
  readonly pulls: Pick<Pulls, "requirePuller">;
  /** Its source is gone and may come back: what works for it now ends and is paid. */
  readonly onPause: (stream: Hex) => Promise<void>;
}

/** How much longer than its grace a stream that its node still works on may take to be over. */
const DRAIN_MS = 90_000;

/** One holder of each stream's publish lease, and what a publisher's stream becomes. */
export class Publishing {
  readonly #components: BalancerComponents;
  readonly #options: BalancerOptions;
  readonly #parts: PublishingParts;
  readonly #credit: BuyerCredit;
  readonly #begun: BegunSegments;

  constructor(components: BalancerComponents, options: BalancerOptions, parts: PublishingParts) {
    this.#components = components;
    this.#options = options;
    this.#parts = parts;
    this.#credit = new BuyerCredit(components, options, parts);
    this.#begun = new BegunSegments(components, parts.jobs, this.#credit);
  }

  request(from: Address, { keyHash, replaces }: NodeRequest<"publish.request">): Promise<PublishGrant> {
    return this.#lendByKey(from, keyHash, replaces === true);
  }

  /** For a publisher that the front door sent to this node. */
  async requestByTicket(
    from: Address,
    { slug, ticket, replaces }: NodeRequest<"publish.ticket">,
  ): Promise<PublishGrant> {
    return this.#lendByKey(from, this.#parts.tickets.redeem(ticket, from, slug), replaces === true);
  }

  async #lendByKey(from: Address, keyHash: Hex, replaces: boolean): Promise<PublishGrant> {
    return this.#lend(from, await this.#streamOf(keyHash), keyHash, replaces);
  }

  async #streamOf(keyHash: Hex): Promise<Hex> {
    const found = await this.#components.streamStore.findByKey(keyHash);
    if (found === undefined || !timingSafeEqual(hexToBytes(found.keyHash), hexToBytes(keyHash))) {
      throw new BalancerError({ code: "STREAM_KEY_UNKNOWN" });
    }
    return found.stream;
  }

  /** For a source that this balancer gave to the node. */
  async requestPulled(from: Address, { stream }: NodeRequest<"publish.pulled">): Promise<PublishGrant> {
    this.#parts.pulls.requirePuller(stream, from);
    return this.#lend(from, stream, undefined, true);
  }

  /**
   * Without a key the node fetches the stream. With `replaces` its own lease does not keep it waiting: it knows that
   * nobody publishes there, or that who does is to be replaced.
   */
  async #lend(from: Address, id: Hex, keyHash: Hex | undefined, replaces: boolean): Promise<PublishGrant> {
    const { clock } = this.#components;
    const { evidence } = this.#components;
    if (evidence.isGuilty(from)) throw new BalancerError({ code: "PUBLISH_NODE_WRONG", stream: id });
    const mayTake = (lease: LeaseRow) =>
      (replaces && lease.node === from) ||
      lease.node === NOBODY ||
      evidence.isGuilty(lease.node) ||
      this.#ageOf(lease) >= this.#options.leaseHoldMs;
    await this.#waitForLease(from, id, mayTake);
    // A node that fetches begins anew; one that is published to has its origin yet.
    const isHere = replaces && keyHash !== undefined;
    return this.#parts.streams.exclusively(id, async () => {
      // It may have been revoked while this waited.
      if (keyHash !== undefined) await this.#streamOf(keyHash);
      const { ingestNodes } = await this.#openStream(id);
      const lease = this.#parts.streams.lease(id);
      // Two that waited for one lease: the first has it now.
      if (lease !== undefined && !mayTake(lease)) throw this.#held(lease);
      if (!ingestNodes.includes(from)) throw new BalancerError({ code: "PUBLISH_NODE_WRONG", stream: id });
      const grant = await this.#holdLease(lease, from, async () =>
        this.#tryGrant(from, await this.#openStream(id), lease, isHere),
      );
      const nowMs = clock.nowMs();
      const { job } = grant.terms.assignment.value;
      const granted = { stream: id, node: from, job, grantedAtMs: nowMs, lastFrameAtMs: nowMs };
      await this.#parts.streams.lend(granted, keyHash !== undefined);
      return grant;
    });
  }

  /**
   * Another that had the lease says nothing more of the stream, and it does not end for its age, while it begins anew;
   * where it does not, all is as it was.
   */
  async #holdLease<T>(lease: LeaseRow | undefined, from: Address, begin: () => Promise<T>): Promise<T> {
    if (lease === undefined) return begin();
    const { streams } = this.#parts;
    const node = lease.node === from ? from : NOBODY;
    await streams.putLease({ ...lease, node, lastFrameAtMs: this.#components.clock.nowMs() });
    try {
      return await begin();
    } catch (error) {
      // Without one the stream is over.
      if (streams.lease(lease.stream) !== undefined) await streams.putLease(lease);
      throw error;
    }
  }

  async renew(from: Address, body: NodeRequest<"publish.renew">): Promise<void> {
    const { streams } = this.#parts;
    const lease = this.#leaseOf(from, body.stream);
    const { keeper } = this.#parts;
    if (body.isOver) keeper.sourceEnded(body.stream, body.sequence ?? -1);
    const lastFrameAtMs = Math.max(lease.lastFrameAtMs, this.#components.clock.nowMs() - body.lastFrameAgeMs);
    await streams.putLease({ ...lease, lastFrameAtMs });
    const stream = await streams.find(body.stream);
    if (stream === undefined || stream.state === "ended") return;
    if (body.sequence !== null) this.#begun.note(body.stream, body.sequence);
    const nowMs = this.#components.clock.nowMs();
    this.#parts.refusals.heard(body.stream, "ingest", body.refused);
    // How that came in says nothing of what comes next.
    if (body.refused !== undefined) this.#parts.health.forget(body.stream);
    else if (body.health !== undefined) await this.#parts.health.hear(stream, body.health, nowMs);
    await this.#credit.check(stream);
    this.#leaseOf(from, body.stream);
    await streams.advance(body.stream, (body.sequence ?? -1) + 1, BigInt(body.frames));
    // Jobs are placed by it, no further than the stream is known to have begun.
    keeper.heard(body.stream, body.published);
  }

  async end(from: Address, { stream, clean, frames, lastSequence }: NodeRequest<"publish.end">): Promise<void> {
    const row = await this.#parts.streams.find(stream);
    // Told again by a node that did not hear our answer.
    if (row?.state === "ended") return;
    const lease = this.#leaseOf(from, stream);
    const told = row?.nextSequence ?? 0;
    const last = lastSequence ?? -1;
    // It ends either way: of what its buyer could not pay for, one segment may have begun since the last renewal.
    const most = this.#begun.mayHave(stream, last) ? last + 1 : Math.min(last + 1, told + 1);
    const nextSequence = Math.max(told, most);
    await this.#parts.streams.advance(stream, nextSequence, BigInt(frames));
    // Somebody else may have been let in meanwhile.
    if (this.#leaseOf(from, stream).grantedAtMs !== lease.grantedAtMs) return;
    if (row !== undefined && hasNothing({ ...row, nextSequence })) await this.#giveBack(lease);
    else if (isLost(row, clean)) await this.#parts.onPause(stream);
    else await this.#parts.onEnd(stream, row?.endCode ?? (clean ? "STREAM_ENDED" : "PUBLISHER_LOST"));
  }

  /** What the source becomes; the jobs for it are placed while the node goes on. */
  async sourceReady(from: Address, body: NodeRequest<"source.ready">): Promise<NodeResponse<"source.ready">> {
    const { streams, jobs, keeper } = this.#parts;
    return streams.exclusively(body.stream, async () => {
      this.#leaseOf(from, body.stream);
      const stream = await this.#openStream(body.stream);
      keeper.heard(stream.id, []);
      const origin = this.#originOf(from);
      const startSequence = jobs.part(stream.id, "ingest")?.attempt?.startSequence ?? 0;
      if (stream.renditions !== null) {
        await keeper.moveOrigin(stream.id, origin, startSequence);
        return { renditions: stream.renditions };
      }
      const { renditions, families } = planRenditions(stream, body.source);
      await this.#components.news.tell(startedNews(stream, body.source));
      await streams.change(stream.id, { renditions, source: body.source, partTargetMs: body.partTargetMs });
      for (const [family, rungs] of families) {
        const spec: TranscodeSpec = {
          stream: stream.id,
          slug: stream.slug,
          primitive: "transcode",
          family,
          rungs,
          origin,
          startSequence,
          source: body.source,
        };
        keeper.keep(await jobs.create(stream.id, family, spec, this.#components.clock.nowMs()));
      }
      return { renditions };
    });
  }

  async segmentPublished(from: Address, body: NodeRequest<"segment.published">): Promise<void> {
    const { streams, keeper } = this.#parts;
    const { stream, rungs, sequence } = body;
    const row = await streams.find(stream);
    this.#leaseOf(from, stream);
    keeper.published(stream, rungs, sequence);
    if (row === undefined || row.state === "ended" || sequence < row.nextSequence) return;
    // Nothing hears an answer to this: where it is more than the buyer can pay for, the next renewal ends the stream.
    if (this.#begun.mayHave(stream, sequence)) await streams.advance(stream, sequence + 1);
  }

  /** Ends streams whose publisher never came back, or not to the node that has to tell that it is gone. */
  async sweep(): Promise<void> {
    this.#credit.sweep();
    const { streams } = this.#parts;
    for (const { stream } of streams.leases().filter((lease) => this.#isAbandoned(lease))) {
      const row = await streams.find(stream);
      // To end those before it may have taken long: somebody may have been let in meanwhile.
      const lease = streams.lease(stream);
      if (lease === undefined || !this.#isAbandoned(lease)) continue;
      if (row !== undefined && hasNothing(row)) await this.#giveBack(lease);
      else if (isLost(row, false)) await this.#parts.onPause(stream);
      else await this.#parts.onEnd(stream, row?.endCode ?? "PUBLISHER_LOST");
    }
  }

  /** A node that was started again knows nothing of a publisher that has not come back to it. */
  #isAbandoned(lease: LeaseRow): boolean {
    const graceMs = this.#options.leaseHoldMs + this.#options.reconnectGraceMs;
    const ageMs = this.#ageOf(lease);
    if (ageMs <= graceMs) return false;
    const live = this.#parts.jobs.part(lease.stream, "ingest");
    return ageMs > graceMs + DRAIN_MS || live === undefined || !this.#isRunningAt(lease.node, live);
  }

  /** Who had the lease published nothing: the stream is as it was made. */
  async #giveBack({ stream, grantedAtMs }: LeaseRow): Promise<void> {
    const { streams, jobs } = this.#parts;
    await streams.exclusively(stream, async () => {
      // Somebody else was let in meanwhile.
      if (streams.lease(stream)?.grantedAtMs !== grantedAtMs) return;
      const live = jobs.part(stream, "ingest");
      if (live !== undefined && isRunning(live)) await this.#endIngest(live, 0);
      await streams.change(stream, { state: "created" });
      await streams.dropLease(stream);
    });
  }

  /** A live holder is believed at once; a holder whose session is gone gets until its frames are old. */
  async #waitForLease(from: Address, stream: Hex, mayTake: (lease: LeaseRow) => boolean): Promise<void> {
    const { hub, clock } = this.#components;
    const { leaseHoldMs } = this.#options;
    for (;;) {
      const lease = this.#parts.streams.lease(stream);
      if (lease === undefined || mayTake(lease)) return;
      if (lease.node === from || hub.nodes.has(lease.node)) throw this.#held(lease);
      await clock.sleep(leaseHoldMs - this.#ageOf(lease));
    }
  }

  /** Why a stream cannot begin is of use to its owner too, who is not the one that publishes. */
  async #tryGrant(
    from: Address,
    stream: StreamRow,
    lease: LeaseRow | undefined,
    isHere: boolean,
  ): Promise<PublishGrant> {
    const { refusals } = this.#parts;
    try {
      await checkFunding(this.#components, stream.buyer, stream.token, stream, stream.retail);
      const grant = await this.#grant(from, stream, lease, isHere);
      refusals.placed(stream.id, "ingest");
      return grant;
    } catch (error) {
      if (isCodedError(error) && stream.state !== "ended") refusals.note(stream.id, "ingest", error.code);
      throw error;
    }
  }

  /** `isHere`: the node says that it takes the stream in. */
  async #grant(from: Address, stream: StreamRow, lease: LeaseRow | undefined, isHere: boolean): Promise<PublishGrant> {
    const { streams, jobs, placement } = this.#parts;
    const live = jobs.part(stream.id, "ingest");
    if (live === undefined) throw new BalancerError({ code: "STREAM_ENDED", stream: stream.id });
    const isGoingOn = isHere ? isRunning(live) && live.attempt.node === from : this.#isRunningAt(from, live);
    const stillRuns = lease?.node === from && isGoingOn;
    const startSequence = lease === undefined ? stream.nextSequence : await this.#begun.findPosition(stream);
    const startFrame = Number(stream.nextFrame);
    const startEpoch = stream.nextEpoch;
    const terms = stillRuns ? this.#termsOf(live) : undefined;
    const input = {
      stream,
      live,
      spec: live.row.spec,
      units: 1,
      codecs: [],
      startSequence,
      firstFrame: stream.nextFrame,
      excluded: [],
      holders: [],
    };
    if (isRunning(live)) await this.#credit.check(stream);
    let granted = terms;
    if (granted === undefined) {
      if (isRunning(live)) await this.#endIngest(live, startSequence);
      const selection = (await this.#components.selectionStore.newestFor(live.row.id, from))?.id;
      granted = await placement.grant(input, from, selection ?? (await placement.rank(input)).id);
      // What it owes of other streams leaves nothing for this one, which may be tried again when that is paid.
      const code = this.#credit.stopOf(live.row.id);
      if (code !== undefined) {
        if (isRunning(live)) await this.#endIngest(live, startSequence);
        throw new BalancerError({ code, stream: stream.id });
      }
    }
    // It may have been ended while this waited.
    await this.#openStream(stream.id);
    this.#parts.keeper.sourceBegan(stream.id);
    await streams.change(stream.id, { state: "live", nextEpoch: startEpoch + 1, nextSequence: startSequence });
    return {
      stream: stream.id,
      slug: stream.slug,
      ladder: stream.ladder,
      token: stream.token,
      terms: granted,
      startSequence,
      startFrame,
      startEpoch,
      ...(stream.partTargetMs === null ? {} : { partTargetMs: stream.partTargetMs }),
      discontinuity: startSequence > 0,
      leaseRenewMs: this.#options.leaseRenewMs,
      leaseHoldMs: this.#options.leaseHoldMs,
      reconnectGraceMs: this.#options.reconnectGraceMs,
    };
  }

  async #endIngest(live: RunningLive, endSequence: number): Promise<void> {
    const { payer, payee, clock } = this.#components;
    const { job, attempt } = live.attempt;
    const end = { state: "ended", endSequence, endedAtMs: clock.nowMs(), endCode: "JOB_REPLACED" } as const;
    if (!(await this.#parts.jobs.endAttempt(live, live.attempt, end))) return;
    await payer.release(job, attempt);
    await payee.closeJob(job, attempt, { forfeit: false });
  }

  #termsOf({ row, attempt }: LiveJob): PublishGrant["terms"] | undefined {
    if (attempt === undefined) return undefined;
    const { assignment, quote, prices, selection } = attempt;
    return { assignment, quote, prices, spec: row.spec, selection };
  }

  #isRunningAt(node: Address, live: LiveJob): boolean {
    if (!isRunning(live) || live.attempt.node !== node) return false;
    const presence = this.#components.hub.nodes.get(node);
    const told = presence?.heartbeat?.jobs ?? presence?.hello.jobs ?? [];
    return told.some(({ job, attempt }) => job === live.row.id && attempt === live.attempt.attempt);
  }

  async #openStream(id: Hex): Promise<StreamRow> {
    const stream = await this.#parts.streams.find(id);
    if (stream === undefined) throw new BalancerError({ code: "STREAM_UNKNOWN", stream: id });
    if (stream.state === "ended" || stream.endCode !== null) {
      throw new BalancerError({ code: "STREAM_ENDED", stream: id });
    }
    return stream;
  }

  #leaseOf(from: Address, stream: Hex): LeaseRow {
    const lease = this.#parts.streams.lease(stream);
    if (lease?.node !== from || this.#components.evidence.isGuilty(from)) {
      throw new BalancerError({ code: "PUBLISH_LEASE_LOST", stream });
    }
    return lease;
  }

  #originOf(node: Address): Origin {
    return { node, multiaddrs: this.#components.hub.nodes.get(node)?.hello.multiaddrs ?? [] };
  }

  #ageOf(lease: LeaseRow): number {
    return this.#components.clock.nowMs() - lease.lastFrameAtMs;
  }

  #held(lease: LeaseRow): BalancerError {
    return new BalancerError({ code: "PUBLISH_LEASE_HELD", stream: lease.stream, ageMs: this.#ageOf(lease) });
  }
}

/** Nothing of it was ever published: whoever tried may have been set up wrong, and may try again. */
function hasNothing({ pull, endCode, renditions, nextSequence }: StreamRow): boolean {
  return pull === null && endCode === null && renditions === null && nextSequence === 0;
}

/** A publisher that does not come back ends its stream. A source that is fetched comes when it can, or is wanted. */
function isLost(stream: StreamRow | undefined, clean: boolean): boolean {
  return stream !== undefined && stream.pull !== null && stream.endCode === null && !clean;
}
