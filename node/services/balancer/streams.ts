import { randomBytes } from "node:crypto";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import { hashCanonical } from "@leat/sdk/protocol/canonical.ts";
import { type Address, bytesToHex, type Hex } from "@leat/sdk/protocol/hex.ts";
import { hashPrices, type LadderRequest, type Prices } from "@leat/sdk/protocol/job.ts";
import type { PlaybackRequest } from "@leat/sdk/protocol/playback.ts";
import type { PullRequest, PullSetting } from "@leat/sdk/protocol/pull.ts";
import type { RestreamTarget } from "@leat/sdk/protocol/restream.ts";
import { type Quote, quoteStructure } from "@leat/sdk/protocol/signed.ts";
import type { Signed } from "@leat/sdk/protocol/statements.ts";
import { readPolicy } from "../../media-io/access/policy.ts";
import { parseSource } from "../../media-io/pull/source-url.ts";
import type { StreamPlace, StreamRow } from "../../store/sql/stream-store.ts";
import type { CandidateBook } from "./candidates.ts";
import { BalancerError } from "./errors.ts";
import { type CostEstimate, estimateCost, findWarnings, type StreamWarning } from "./estimate.ts";
import { checkFunding } from "./funding.ts";
import type { IngestNodes } from "./ingest-nodes.ts";
import { hashKey, type IngestWay, listWays } from "./ingest-ways.ts";
import { isRunning, type JobBook, type LiveJob } from "./job-book.ts";
import type { BalancerOptions } from "./options.ts";
import type { PlaybackDesk } from "./playback.ts";
import type { BalancerComponents } from "./ports.ts";
import type { Pulls } from "./pulls.ts";
import { quotePrices } from "./quote-prices.ts";
import { checkWanted } from "./renditions.ts";
import { checkTargets } from "./restreams.ts";
import type { StreamBook } from "./stream-book.ts";

export interface CreateStream {
  readonly ladder: LadderRequest;
  /** Deliver the picture as it comes in, too; the ladder may be empty then. */
  readonly passthrough?: boolean;
  readonly token: Address;
  /** 32 random bytes: the buyer's part of every seed. */
  readonly nonce: Hex;
  /** Dearest retail price per unit, exact. */
  readonly priceCeilings?: Prices;
  /** Bytes that viewers who cannot sign may be served at the buyer's cost. */
  readonly unsignedBudgetBytes: bigint;
  readonly region?: string;
  /** Who may watch; default everybody. */
  readonly playback?: PlaybackRequest;
  /** Servers that it is sent on to. */
  readonly targets?: readonly RestreamTarget[];
  /** Where an ingest node shall fetch it, instead of being published to. */
  readonly pull?: PullRequest;
}

/** Where to publish with a key: at each node that may take the stream in, by each protocol that it takes. */
export interface PublishAddresses {
  /** Shown this once; only its hash is kept. */
  readonly streamKey: string;
  readonly ingestUrls: readonly string[];
  readonly whipUrls: readonly string[];
  /** For segments by HTTP push: what stands before `/NUMBER.ts`. */
  readonly pushUrls: readonly string[];
  /** Each with a passphrase of its own. */
  readonly srtUrls: readonly string[];
}

export interface CreatedStream extends PublishAddresses {
  readonly id: Hex;
  readonly slug: string;
  readonly playbackUrl: string;
  readonly quote: { readonly prices: Prices; readonly signed: Signed<Quote> };
  readonly estimate: CostEstimate;
  readonly warnings: readonly StreamWarning[];
}

type QuotedStream = Pick<StreamRow, "id" | "buyer" | "token" | "ladder" | "nonce" | "retail" | "unsignedBudgetBytes">;

/** How long the retail prices of a stream stand. */
const QUOTE_SECONDS = 604_800;

export interface StreamsParts {
  readonly streams: StreamBook;
  readonly jobs: JobBook;
  readonly candidates: CandidateBook;
  readonly nodes: IngestNodes;
  readonly pulls: Pulls;
  readonly onEnd: (stream: Hex, code: string) => Promise<void>;
  readonly playback: PlaybackDesk;
  /** The buyer's agent needs another way in. */
  readonly onEdges: (stream: Hex) => void;
  readonly onTargets: () => void;
}

/** Makes, lists and ends streams for buyers. */
export class Streams {
  readonly #components: BalancerComponents;
  readonly #options: BalancerOptions;
  readonly #parts: StreamsParts;

  constructor(components: BalancerComponents, options: BalancerOptions, parts: StreamsParts) {
    this.#components = components;
    this.#options = options;
    this.#parts = parts;
  }

  async create(buyer: Address, request: CreateStream): Promise<CreatedStream> {
    const make = () => this.#make(buyer, request);
    return request.pull === undefined ? make() : this.#parts.pulls.make(buyer, make);
  }

  async #make(buyer: Address, request: CreateStream): Promise<CreatedStream> {
    const { clock, tokens } = this.#components;
    const { streams, jobs, pulls } = this.#parts;
    const { ladder, passthrough = false, token, nonce, unsignedBudgetBytes, priceCeilings = {} } = request;
    if (!tokens.includes(token)) throw new BalancerError({ code: "STREAM_TOKEN_UNKNOWN", token });
    checkWanted({ ladder, passthrough });
    const playback = await readPolicy(request.playback ?? { type: "public" }, this.#components.judgeOwner);
    const pull = readPull(request.pull);
    const { targets = [] } = request;
    checkTargets(targets);
    const { rows } = this.#parts.candidates.table();
    const { marginBps } = this.#options;
    const retail = quotePrices(rows, { ladder, token, ceilings: priceCeilings }, marginBps);
    await this.#judge(buyer);
    const wanted = { ladder, passthrough };
    const { reserveExact } = await checkFunding(this.#components, buyer, token, wanted, retail);
    const estimate = estimateCost(wanted, retail, unsignedBudgetBytes);
    const idBytes = randomBytes(32);
    const streamKey = randomBytes(32).toString("base64url");
    const id = bytesToHex(idBytes);
    const quote = await this.#signQuote({ id, buyer, token, ladder, nonce, retail, unsignedBudgetBytes });
    const row: StreamRow = {
      id,
      slug: idBytes.subarray(0, 16).toString("base64url"),
      buyer,
      token,
      ladder,
      passthrough,
      nonce,
      priceCeilings,
      retail,
      marginBps,
      quote,
      unsignedBudgetBytes,
      unsignedPaidBytes: 0n,
      playback,
      pull,
      pullCode: null,
      targets,
      targetCodes: {},
      region: request.region ?? null,
      ingestNodes: [],
      state: "created",
      source: null,
      renditions: null,
      partTargetMs: null,
      nextSequence: 0,
      nextFrame: 0n,
      nextEpoch: 0,
      createdAtMs: clock.nowMs(),
      endedAtMs: null,
      endCode: null,
    };
    // Nodes first: a stream that nobody can take in must not come into being.
    const ingest = { stream: row.id, slug: row.slug, primitive: "ingest" } as const;
    const live = await jobs.create(row.id, "ingest", ingest, row.createdAtMs);
    const nodes = await this.#chooseIngest(row, live).catch(async (error) => {
      await jobs.end(live, "PLACEMENT_NOBODY", clock.nowMs());
      throw error;
    });
    await streams.insert({ ...row, ingestNodes: nodes }, hashKey(streamKey));
    pulls.look();
    return {
      id: row.id,
      slug: row.slug,
      ...this.#addressesOf(nodes, streamKey),
      playbackUrl: `/play/${row.slug}`,
      quote: { prices: retail, signed: quote },
      estimate,
      warnings: findWarnings({
        region: request.region,
        regions: this.#parts.candidates.table().rows.map(({ region }) => region),
        budgetExact: estimate.deliveryMostExact,
        reserveExact,
        hasAgent: this.#components.hub.nodes.has(buyer),
      }),
    };
  }

  async #judge(buyer: Address): Promise<void> {
    await this.#components.judgeBuyer?.(buyer).catch((cause) => {
      if (!isCodedError(cause) || cause.code !== "PAYER_REPUTATION_LOW") throw cause;
      throw new BalancerError({ code: "BUYER_REPUTATION_LOW", buyer }, { cause });
    });
  }

  /** The caller's own stream, by id or slug; another's does not exist for it. */
  async find(buyer: Address, name: string): Promise<StreamRow> {
    const { streams } = this.#parts;
    const row = name.startsWith("0x") ? await streams.find(name as Hex) : await streams.findBySlug(name);
    if (row?.buyer !== buyer) {
      const message = `you have no stream ${name}; "scripts/leat stream list" shows yours`;
      throw new BalancerError({ code: "STREAM_UNKNOWN", stream: name }, { message });
    }
    return row;
  }

  list(buyer: Address, limit: number, before?: StreamPlace): Promise<StreamRow[]> {
    return this.#components.streamStore.list(buyer, limit, before);
  }

  /** Takes no more frames from now on; what came is transcoded, delivered and paid. */
  async end(buyer: Address, name: string): Promise<StreamRow> {
    const { streams, jobs, onEnd } = this.#parts;
    const row = await this.find(buyer, name);
    if (row.state === "ended") return row;
    const holder = streams.holder(row.id);
    const ingest = jobs.part(row.id, "ingest");
    if (holder === undefined || ingest === undefined || !isRunning(ingest)) {
      await onEnd(row.id, "STREAM_ENDED");
      return this.find(buyer, row.id);
    }
    await streams.change(row.id, { endCode: "STREAM_ENDED" });
    const { node, job, attempt } = ingest.attempt;
    // The ingest node drains the stream and then tells that it is over; a node that is gone cannot.
    await this.#components.hub.call(node, "job.end", { job, attempt, code: "STREAM_ENDED" }).catch(async () => {
      await onEnd(row.id, "STREAM_ENDED");
    });
    return this.find(buyer, row.id);
  }

  /** A second key beside the first; `revokeOld` ends the others, and with them whoever publishes. */
  async rotateKey(buyer: Address, name: string, revokeOld: boolean): Promise<PublishAddresses> {
    const { streamStore, clock } = this.#components;
    const { id } = await this.find(buyer, name);
    return this.#parts.streams.exclusively(id, async () => {
      const row = await this.find(buyer, id);
      // Nobody could publish with it.
      if (row.state === "ended" || row.endCode !== null) throw new BalancerError({ code: "STREAM_ENDED", stream: id });
      const streamKey = randomBytes(32).toString("base64url");
      await streamStore.addKey(id, hashKey(streamKey), clock.nowMs());
      if (revokeOld) {
        // First: killed in between, it must not have revoked a key with which somebody is still on air.
        await this.#parts.streams.vacateLease(id, clock.nowMs());
        await streamStore.revokeKeys(id, hashKey(streamKey), clock.nowMs());
      }
      return this.#addressesOf(row.ingestNodes, streamKey);
    });
  }

  /** Takes effect at every edge at once: also for those who watch. */
  async setPlayback(buyer: Address, name: string, request: PlaybackRequest): Promise<StreamRow> {
    const { streams, playback, onEdges } = this.#parts;
    const policy = await readPolicy(request, this.#components.judgeOwner);
    const { id } = await this.find(buyer, name);
    // Nobody is given the stream meanwhile with the policy from before.
    return streams.exclusively(id, async () => {
      const row = await this.find(buyer, id);
      if (row.state === "ended") throw new BalancerError({ code: "STREAM_ENDED", stream: id });
      await streams.change(id, { playback: policy });
      const changed = { ...row, playback: policy };
      await playback.tellEdges(changed);
      onEdges(id);
      return changed;
    });
  }

  /** In place of those before: what is sent to a target that stays goes on. */
  async setTargets(buyer: Address, name: string, targets: readonly RestreamTarget[]): Promise<void> {
    const { streams, onTargets } = this.#parts;
    checkTargets(targets);
    const { id } = await this.find(buyer, name);
    await streams.exclusively(id, async () => {
      const row = await this.find(buyer, id);
      if (row.state === "ended") throw new BalancerError({ code: "STREAM_ENDED", stream: id });
      const named = targets.filter((target) => Object.hasOwn(row.targetCodes, target.name));
      const targetCodes = Object.fromEntries(named.map((target) => [target.name, row.targetCodes[target.name]!]));
      await streams.change(id, { targets, targetCodes });
    });
    onTargets();
  }

  async #chooseIngest(row: StreamRow, live: LiveJob): Promise<Address[]> {
    const { nodes, pulls } = this.#parts;
    if (row.pull === null) return nodes.choose(row, live, undefined);
    const { url } = row.pull;
    return pulls.requireTaken(await nodes.choose(row, live, parseSource(url).scheme), url);
  }

  #addressesOf(nodes: readonly Address[], streamKey: string): PublishAddresses {
    const ways = nodes.flatMap((node) => listWays(this.#components.hub.nodes.get(node)?.hello, streamKey));
    const by = (wanted: IngestWay["protocol"]) =>
      ways.filter(({ protocol }) => protocol === wanted).map(({ url }) => url);
    return {
      streamKey,
      ingestUrls: by("rtmp"),
      whipUrls: by("whip"),
      pushUrls: by("push"),
      srtUrls: by("srt"),
    };
  }

  async #signQuote(row: QuotedStream): Promise<Signed<Quote>> {
    const { signer, domain, clusterAccount, clock } = this.#components;
    const value: Quote = {
      node: clusterAccount,
      payer: row.buyer,
      token: row.token,
      specHash: hashCanonical("leat.stream.1", { stream: row.id, ladder: row.ladder }),
      pricesHash: hashPrices(row.retail),
      maxUnits: row.unsignedBudgetBytes,
      validUntil: BigInt(Math.floor(clock.nowMs() / 1_000) + QUOTE_SECONDS),
      nonce: BigInt(row.nonce),
    };
    return { value, signature: await signer.sign(quoteStructure, domain, value) };
  }
}

/** What no node would fetch is refused here. @throws PULL_URL_INVALID, PULL_PASSPHRASE_INVALID, PULL_SCHEME_REFUSED */
function readPull(request: PullRequest | undefined): PullSetting | null {
  if (request === undefined) return null;
  parseSource(request.url);
  return { url: request.url, when: request.when ?? "always" };
}
