import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import type { SelectionRequest } from "@leat/sdk/selection/candidate.ts";
import { type Cost, costOf } from "@leat/sdk/selection/cost.ts";
import type { SelectionParameters } from "@leat/sdk/selection/parameters.ts";
import { parseSource } from "../../media-io/pull/source-url.ts";
import type { StreamRow } from "../../store/sql/stream-store.ts";
import type { CandidateBook } from "./candidates.ts";
import { BalancerError } from "./errors.ts";
import type { IngestNodes } from "./ingest-nodes.ts";
import { hashKey, type IngestWay, listWays } from "./ingest-ways.ts";
import type { JobBook } from "./job-book.ts";
import type { BalancerComponents } from "./ports.ts";
import type { PublishTickets } from "./publish-tickets.ts";
import type { StreamBook } from "./stream-book.ts";

/** A node that could take the stream, and why it stands where it does. */
export interface RankedIngest extends Cost {
  readonly node: Address;
  readonly region: string;
  /** The stream is published there: whoever comes back goes on there. */
  readonly holds: boolean;
  /** What keeps new streams away from it; null where nothing does. */
  readonly avoided: "draining" | "load" | null;
  readonly ways: readonly IngestWay[];
}

export interface IngestRanking {
  readonly stream: Hex;
  readonly slug: string;
  readonly state: StreamRow["state"];
  /** The decision by which the nodes were chosen, which anybody may recompute. */
  readonly selection: Hex | null;
  /** The best first. */
  readonly nodes: readonly RankedIngest[];
}

export interface FrontDoorParts {
  readonly streams: StreamBook;
  readonly jobs: JobBook;
  readonly candidates: CandidateBook;
  readonly nodes: IngestNodes;
  readonly tickets: PublishTickets;
  readonly parameters: SelectionParameters;
}

type Components = Pick<BalancerComponents, "hub" | "streamStore" | "selectionStore" | "clock" | "logger">;

/** Nodes that a stream may be published at. The oldest give way: nobody has their addresses any more. */
const MAX_INGEST_NODES = 8;

/** What was decided for nothing is decided anew so much later. */
const IN_VAIN_MS = 10_000;

/** Tells publishers where to go: one address for a stream, whichever nodes come and go behind it. */
export class FrontDoor {
  readonly #components: Components;
  readonly #parts: FrontDoorParts;
  /** Streams for which nobody was found, and until when nobody is looked for again. */
  readonly #inVain = new Map<Hex, number>();

  constructor(components: Components, parts: FrontDoorParts) {
    this.#components = components;
    this.#parts = parts;
  }

  /** For who publishes with this key. @throws STREAM_KEY_UNKNOWN, STREAM_ENDED, PLACEMENT_NOBODY */
  async rank(streamKey: string): Promise<IngestRanking> {
    const found = await this.#components.streamStore.findByKey(hashKey(streamKey));
    if (found === undefined) throw new BalancerError({ code: "STREAM_KEY_UNKNOWN" });
    const { streams } = this.#parts;
    return streams.exclusively(found.stream, async () => {
      const stream = await streams.find(found.stream);
      if (stream === undefined || stream.state === "ended" || stream.endCode !== null) {
        throw new BalancerError({ code: "STREAM_ENDED", stream: found.stream });
      }
      let nodes = this.#rankNodes(stream, streamKey);
      if (!nodes.some(isOpen)) nodes = this.#rankNodes(await this.#chooseMore(stream, nodes), streamKey);
      if (nodes.some(isOpen)) this.#inVain.delete(stream.id);
      const job = this.#parts.jobs.part(stream.id, "ingest")?.row.id;
      const selection =
        job === undefined
          ? undefined
          : await this.#components.selectionStore.newestWonBy(
              job,
              nodes.map(({ node }) => node),
            );
      const { id, slug, state } = stream;
      return { stream: id, slug, state, selection: selection?.id ?? null, nodes };
    });
  }

  /** Where to post a WHIP offer instead, within seconds and once. @throws as `rank` does */
  async sendWhip(streamKey: string): Promise<string> {
    const { slug, nodes } = await this.rank(streamKey);
    for (const { node } of nodes) {
      const whipUrl = this.#components.hub.nodes.get(node)?.hello.whipUrl;
      if (whipUrl === undefined) continue;
      const ticket = this.#parts.tickets.issue({ slug, keyHash: hashKey(streamKey), node });
      return `${whipUrl.replace(/\/$/, "")}/tickets/${slug}/${ticket}`;
    }
    throw new BalancerError({ code: "PLACEMENT_NOBODY", primitive: "ingest" });
  }

  #rankNodes(stream: StreamRow, streamKey: string): RankedIngest[] {
    const { candidates, streams, parameters } = this.#parts;
    const { rows, indexOf } = candidates.table();
    const holder = streams.holder(stream.id);
    const request: SelectionRequest = {
      primitive: "ingest",
      codecs: [],
      token: stream.token,
      units: 1,
      ...(stream.region === null ? {} : { nearRegion: stream.region }),
      excluded: [],
      reserved: [],
      holders: holder === undefined ? [] : [holder],
    };
    const ranked = stream.ingestNodes.flatMap((node): RankedIngest[] => {
      const row = rows[indexOf.get(node) ?? -1];
      const ways = listWays(this.#components.hub.nodes.get(node)?.hello, streamKey);
      if (row === undefined || ways.length === 0) return [];
      const holds = node === holder;
      const avoided = row.draining ? "draining" : row.overloaded ? "load" : null;
      return [{ node, region: row.region, holds, avoided, ...costOf(row, request, parameters), ways }];
    });
    const place = (one: RankedIngest) => (one.holds ? 0 : one.avoided === null ? 1 : 2);
    return ranked.toSorted((left, right) => place(left) - place(right) || left.cost - right.cost);
  }

  #isInVain(stream: Hex): boolean {
    const nowMs = this.#components.clock.nowMs();
    for (const [id, untilMs] of this.#inVain) if (untilMs <= nowMs) this.#inVain.delete(id);
    return this.#inVain.has(stream);
  }

  /** None of the nodes that were chosen would take it: others are, by the rule. */
  async #chooseMore(stream: StreamRow, known: readonly RankedIngest[]): Promise<StreamRow> {
    const { candidates, jobs, nodes, streams } = this.#parts;
    // Who fetches a source is chosen elsewhere, by what can be fetched.
    if (stream.pull !== null && known.length > 0) return stream;
    const live = jobs.part(stream.id, "ingest");
    if (live === undefined) throw new BalancerError({ code: "STREAM_ENDED", stream: stream.id });
    // Each decision is kept: who asks again and again while nobody is there, or nobody that would do, must leave none.
    if (candidates.openForIngest().length === 0 || this.#isInVain(stream.id)) {
      if (known.length > 0) return stream;
      throw new BalancerError({ code: "PLACEMENT_NOBODY", primitive: "ingest" });
    }
    this.#inVain.set(stream.id, this.#components.clock.nowMs() + IN_VAIN_MS);
    try {
      const chosen = await nodes.choose(
        stream,
        live,
        stream.pull === null ? undefined : parseSource(stream.pull.url).scheme,
      );
      const others = stream.ingestNodes.filter((node) => !chosen.includes(node));
      const ingestNodes = [...chosen, ...others].slice(0, MAX_INGEST_NODES);
      this.#components.logger.info("Choose further ingest nodes", { streamId: stream.id, nodes: chosen.join(",") });
      await streams.change(stream.id, { ingestNodes });
      return { ...stream, ingestNodes };
    } catch (error) {
      // One that would rather not is better than none.
      if (known.length > 0 && error instanceof BalancerError && error.code === "PLACEMENT_NOBODY") return stream;
      throw error;
    }
  }
}

function isOpen({ holds, avoided }: RankedIngest): boolean {
  return holds || avoided === null;
}
