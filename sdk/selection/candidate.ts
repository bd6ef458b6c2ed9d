import type { CodecSpeed } from "../protocol/encoding-load.ts";
import type { VideoCodec } from "../protocol/frame.ts";
import type { Address } from "../protocol/hex.ts";
import type { Prices, Primitive } from "../protocol/job.ts";

export const primitives: readonly Primitive[] = ["ingest", "transcode", "storage", "delivery"];

/** How far a node has come: see DESIGN section 5, vetting. */
export type VettingStage = "new" | "probation" | "standing";

/** A node's wholesale prices in one token. */
export interface CandidatePrices {
  readonly token: Address;
  readonly prices: Prices;
}

/**
 * Free capacity as the node measured it, in the primitive's unit of flow: streams for ingest, pixels a second for
 * transcode (of H.264: jobs of other codecs count as more), bytes for storage, bytes a second for delivery.
 */
export type Capacity = Readonly<Record<Primitive, number>>;

/** One node as the balancer knew it when it published the table. Everything that the rule reads is here. */
export interface Candidate {
  readonly node: Address;
  readonly operator: Address;
  readonly region: string;
  readonly primitives: readonly Primitive[];
  /** Codecs that the node proved it can encode. */
  readonly codecs: readonly VideoCodec[];
  /** How fast its encoder of each is, by which a job counts: see `encodingLoad`. Absent: all alike. */
  readonly speeds?: readonly CodecSpeed[];
  readonly prices: readonly CandidatePrices[];
  readonly free: Capacity;
  /** The operator's stake that does not thaw, in LPT base units. It backs all of the operator's nodes together. */
  readonly stake: bigint;
  readonly vetting: VettingStage;
  readonly draining: boolean;
  /** The node's own load over its configured capacity, thousandths. */
  readonly loadPermille: number;
  /** The hysteresis' memory: set at 0.80, cleared at 0.70. See `nextOverloaded`. */
  readonly overloaded: boolean;
  /** Measured round trip to the balancer, milliseconds. */
  readonly rttMs: number;
  /** Expected share of good work, millionths. */
  readonly reputationPpm: number;
}

/** What a job asks for. */
export interface SelectionRequest {
  readonly primitive: Primitive;
  readonly codecs: readonly VideoCodec[];
  readonly token: Address;
  /** Capacity that the job will hold, in the primitive's unit of flow: of transcoding output pixels of its codec. */
  readonly units: number;
  /** Only nodes of this region. */
  readonly region?: string;
  /** Where the stream is: distance is counted from here. */
  readonly nearRegion?: string;
  /** Dearest wholesale price allowed per unit, exact. */
  readonly priceCeiling?: bigint;
  /** Nodes that must not win, each with why: the ingest node, one that failed or refused. */
  readonly excluded: readonly { readonly node: Address; readonly reason: string }[];
  /** Capacity given away since the table was published, not in the nodes' own figures yet. */
  readonly reserved: readonly { readonly node: Address; readonly units: number }[];
  /** Nodes that already hold the stream. */
  readonly holders: readonly Address[];
}
