import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { type DeliverySpec, slugSchema } from "@leat/sdk/protocol/job.ts";
import { Value } from "typebox/value";
import { Recent } from "../../kernel/recent.ts";
import { carryToken } from "../../media-io/access/carried-token.ts";
import { playAddress } from "../../media-io/srt/stream-id.ts";
import type { StreamRow } from "../../store/sql/stream-store.ts";
import type { WatchedEdge } from "../../wire/session/messages.ts";
import { type EdgeGrowth, edgeParts } from "./edge-growth.ts";
import { BalancerError } from "./errors.ts";
import { isRunning, type JobBook, type LiveJob } from "./job-book.ts";
import type { JobKeeper } from "./job-keeper.ts";
import type { PlaybackDesk } from "./playback.ts";
import type { BalancerComponents } from "./ports.ts";
import type { Pulls } from "./pulls.ts";
import type { StreamBook } from "./stream-book.ts";

/** Where one edge plays it: the master playlist, and the address for players of SRT where the edge has that. */
export interface PlayedAt {
  readonly hls: string;
  readonly srt?: string;
}

export interface Playback {
  readonly stream: Hex;
  readonly slug: string;
  readonly state: "created" | "live" | "ended";
  readonly primary: PlayedAt | null;
  readonly fallback: PlayedAt | null;
}

/** Who asks where a stream plays. The token goes along in the answer's addresses. */
export interface PlayViewer {
  readonly token?: string | undefined;
  /** Not compared with the token's: the edge, which sends the media, does that. */
  readonly origin?: string | undefined;
  /** The address that asks. */
  readonly from?: string | undefined;
}

/** Ended streams whose edges a viewer may still be sent to; by default edges serve what is over for a minute. */
const MOST_ENDED = 1_000;
const ENDED_MS = 90_000;

export interface PlayParts {
  readonly streams: StreamBook;
  readonly jobs: JobBook;
  readonly keeper: JobKeeper;
  readonly playback: PlaybackDesk;
  readonly pulls: Pick<Pulls, "wanted">;
  /** Whether the buyer's agent is to look away, so that others can be told from it. */
  readonly isAgentAway: (stream: Hex) => boolean;
  readonly growth: Pick<EdgeGrowth, "choose" | "wanted">;
}

/** Brings viewers to edges: two at least for each stream that somebody watches, none for the others. */
export class Play {
  readonly #components: BalancerComponents;
  readonly #parts: PlayParts;
  /** Where ended streams were served last: edges keep them for a while. */
  readonly #ended: Recent<Hex, Pick<Playback, "primary" | "fallback">>;

  constructor(components: BalancerComponents, parts: PlayParts) {
    this.#components = components;
    this.#parts = parts;
    this.#ended = new Recent(MOST_ENDED, { ageMs: ENDED_MS, nowMs: () => components.clock.nowMs() });
  }

  /** @throws PlaybackError: who may not watch is not told where, and no edge is placed for it. */
  async play(slug: string, viewer: PlayViewer = {}): Promise<Playback> {
    const stream = Value.Check(slugSchema, slug) ? await this.#parts.streams.findBySlug(slug) : undefined;
    if (stream === undefined) throw new BalancerError({ code: "STREAM_UNKNOWN", stream: slug });
    const { id } = stream;
    const policy = this.#parts.playback.policyOf(stream);
    await this.#components.access.admit({ id, slug, policy }, { ...viewer, protocol: "play" });
    this.#parts.pulls.wanted(stream);
    this.#parts.growth.wanted(stream);
    const found = await this.#find(stream);
    const { token } = viewer;
    if (token === undefined || policy.type === "public") return found;
    const carry = (edge: PlayedAt | null) =>
      edge && {
        hls: carryToken(edge.hls, token),
        ...(edge.srt === undefined ? {} : { srt: `${edge.srt}/~${token}` }),
      };
    return { ...found, primary: carry(found.primary), fallback: carry(found.fallback) };
  }

  /** Has the stream served as if somebody watched. */
  async place(stream: StreamRow): Promise<void> {
    await this.#find(stream);
  }

  async #find(stream: StreamRow): Promise<Playback> {
    const { id, slug, state } = stream;
    const nowhere = { stream: id, slug, state, primary: null, fallback: null };
    if (state === "ended") return { ...nowhere, ...this.#ended.get(id) };
    if (stream.renditions === null) return nowhere;
    const edges = await this.#parts.streams.exclusively(id, () => this.#placeEdges(stream));
    return { ...nowhere, ...edges };
  }

  isAgentAt(stream: StreamRow, live: LiveJob): boolean {
    const { hub } = this.#components;
    return hub.nodes.has(stream.buyer) && !this.#parts.isAgentAway(stream.id) && this.#placeOf(live) !== null;
  }

  /** Edges of a stream that serve now, as the buyer's agent gets in. */
  edges(stream: StreamRow): WatchedEdge[] {
    const { playback, isAgentAway } = this.#parts;
    if (isAgentAway(stream.id)) return [];
    const ticket = playback.ticketOf(stream);
    return this.#parts.jobs.ofStream(stream.id).flatMap((live) => {
      if (live.row.primitive !== "delivery" || !isRunning(live)) return [];
      const hls = this.#placeOf(live)?.hls;
      const { job, attempt, node } = live.attempt;
      if (hls === undefined) return [];
      return [{ job, attempt, node, hls: ticket === undefined ? hls : carryToken(hls, ticket) }];
    });
  }

  /** Before its jobs end: a job may have moved to another edge since anybody asked. */
  ended(stream: Hex): void {
    const { jobs } = this.#parts;
    const primary = this.#placeOf(jobs.part(stream, "primary"));
    const fallback = this.#placeOf(jobs.part(stream, "fallback"));
    if (primary === null && fallback === null) return;
    this.#ended.set(stream, { primary: primary ?? fallback, fallback: primary === null ? null : fallback });
  }

  async #placeEdges(stream: StreamRow): Promise<Pick<Playback, "primary" | "fallback">> {
    const { jobs, keeper, streams, growth } = this.#parts;
    for (const part of edgeParts) {
      const spec = this.specOf(stream);
      if (spec === undefined) break;
      const live =
        jobs.part(stream.id, part) ?? (await jobs.create(stream.id, part, spec, this.#components.clock.nowMs()));
      // It may have ended while the one before was placed.
      if ((await streams.find(stream.id))?.state === "ended") break;
      await keeper.placeNow(stream, live);
    }
    const [primary = null, fallback = null] = growth.choose(stream).flatMap((live) => this.#placeOf(live) ?? []);
    return { primary, fallback };
  }

  /** What an edge of the stream is given to do; undefined while it has no origin. */
  specOf(stream: StreamRow): DeliverySpec | undefined {
    const node = this.#parts.streams.holder(stream.id);
    if (node === undefined || stream.renditions === null) return undefined;
    const { id, slug, renditions, partTargetMs } = stream;
    const multiaddrs = this.#components.hub.nodes.get(node)?.hello.multiaddrs ?? [];
    return {
      stream: id,
      slug,
      primitive: "delivery",
      origin: { node, multiaddrs },
      renditions,
      ...(partTargetMs === null ? {} : { partTargetMs }),
      // It is granted its part when a node takes it.
      unsignedBudgetBytes: 0n,
      ...this.#parts.playback.specOf(stream),
    };
  }

  #placeOf(live: LiveJob | undefined): PlayedAt | null {
    if (live === undefined || !isRunning(live)) return null;
    const { httpUrl, srtUrl } = this.#components.hub.nodes.get(live.attempt.node)?.hello ?? {};
    const { slug } = live.row.spec;
    if (httpUrl === undefined) return null;
    const hls = `${httpUrl.replace(/\/$/, "")}/live/${slug}/master.m3u8`;
    return srtUrl === undefined ? { hls } : { hls, srt: playAddress(srtUrl, slug) };
  }
}
