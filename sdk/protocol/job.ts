import { type Static, Type } from "typebox";
import { hashCanonical } from "./canonical.ts";
import type { Hex } from "./hex.ts";
import { MAX_MULTIADDRS, MAX_PARENTS, MAX_RENDITIONS, MAX_VOUCHER_RECEIPTS } from "./limits.ts";
import type { PartLeaf } from "./merkle.ts";
import { playbackPolicySchema } from "./playback.ts";
import {
  addressSchema,
  closedObject,
  countSchema,
  hashSchema,
  listSchema,
  schemaFor,
  signedSchema,
  uint32Schema,
  unsignedSchema,
} from "./schemas.ts";
import { assignmentStructure, quoteStructure, voucherStructure } from "./signed.ts";
import type { RenditionInfo } from "./stream.ts";

/** What jobs are made of, as schemas: they travel in session messages and are hashed into quotes. */

export const primitiveSchema = Type.Union([
  Type.Literal("ingest"),
  Type.Literal("transcode"),
  Type.Literal("storage"),
  Type.Literal("delivery"),
]);
export type Primitive = Static<typeof primitiveSchema>;

export const videoCodecSchema = Type.Union([
  Type.Literal("h264"),
  Type.Literal("hevc"),
  Type.Literal("vp9"),
  Type.Literal("av1"),
]);
/** What a source may come in: VP8 is no rung's. */
export const sourceVideoCodecSchema = Type.Union([videoCodecSchema, Type.Literal("vp8")]);
export const audioCodecSchema = Type.Union([Type.Literal("aac"), Type.Literal("opus")]);

const bitrateSchema = Type.Integer({ minimum: 1, maximum: 1_000_000_000 });
const sideSchema = Type.Integer({ minimum: 1, maximum: 16_384 });
/** Names become file names and folders of playlists. */
export const nameSchema = Type.String({ pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" });
/** 16 bytes or more as base64url: the short form of a stream's id. */
export const slugSchema = Type.String({ pattern: "^[A-Za-z0-9_-]{8,64}$" });
export const multiaddrSchema = Type.String({ minLength: 3, maxLength: 256, pattern: "^/[!-~]+$" });
export const urlSchema = Type.String({ minLength: 8, maxLength: 512, pattern: "^[a-z]{3,8}://[!-~]+$" });
export const codecStringSchema = Type.String({ pattern: "^[A-Za-z0-9.]{1,64}$" });

export const renditionSchema = schemaFor<RenditionInfo>()(
  closedObject({
    rung: uint32Schema,
    name: nameSchema,
    kind: Type.Union([Type.Literal("video"), Type.Literal("audio")]),
    codec: Type.Union([videoCodecSchema, audioCodecSchema]),
    family: Type.Optional(videoCodecSchema),
    width: Type.Optional(sideSchema),
    height: Type.Optional(sideSchema),
    bitrate: bitrateSchema,
  }),
);
export const renditionsSchema = listSchema(renditionSchema, MAX_RENDITIONS);
export const partTargetSchema = Type.Integer({ minimum: 1, maximum: 60_000 });

/** A rung as a buyer asks for it: bits per second, `height` is the short side. */
export const ladderRungSchema = closedObject({
  name: nameSchema,
  codec: videoCodecSchema,
  height: sideSchema,
  videoBitrate: bitrateSchema,
  audioBitrate: bitrateSchema,
  fps: Type.Optional(Type.Number({ minimum: 1, maximum: 240 })),
});
export const ladderSchema = listSchema(ladderRungSchema, MAX_RENDITIONS);
export type LadderRequest = Static<typeof ladderSchema>;

/** A rung with the size that it has for one source, and its number. */
export const jobRungSchema = closedObject({
  rung: uint32Schema,
  name: nameSchema,
  codec: videoCodecSchema,
  width: sideSchema,
  height: sideSchema,
  videoBitrate: bitrateSchema,
  audioBitrate: bitrateSchema,
  fps: Type.Optional(Type.Number({ minimum: 1, maximum: 240 })),
});
export type JobRung = Static<typeof jobRungSchema>;

export const videoSummarySchema = closedObject({
  codec: sourceVideoCodecSchema,
  codecString: codecStringSchema,
  width: sideSchema,
  height: sideSchema,
  /** Absent where the source does not say. */
  fps: Type.Optional(Type.Number({ minimum: 0.1, maximum: 1_000 })),
});
export const audioSummarySchema = closedObject({
  codec: Type.Union([audioCodecSchema, Type.Literal("pcma"), Type.Literal("pcmu")]),
  codecString: codecStringSchema,
  sampleRate: Type.Integer({ minimum: 1, maximum: 768_000 }),
  channels: Type.Integer({ minimum: 1, maximum: 64 }),
});
/** One of the two at least: a stream of sound alone has no picture. */
export const sourceSummarySchema = closedObject({
  video: Type.Optional(videoSummarySchema),
  audio: Type.Optional(audioSummarySchema),
});
export type SourceSummary = Static<typeof sourceSummarySchema>;

/** Where frames of a stream are to be had. */
export const originSchema = closedObject({
  node: addressSchema,
  multiaddrs: listSchema(multiaddrSchema, MAX_MULTIADDRS),
});
export type Origin = Static<typeof originSchema>;
export const parentsSchema = listSchema(originSchema, MAX_PARENTS);

export const ingestSpecSchema = closedObject({
  stream: hashSchema,
  slug: slugSchema,
  primitive: Type.Literal("ingest"),
});
const pricedTranscodeFields = {
  stream: hashSchema,
  primitive: Type.Literal("transcode"),
  family: videoCodecSchema,
  rungs: listSchema(jobRungSchema, MAX_RENDITIONS),
  source: sourceSummarySchema,
} as const;
export const transcodeSpecSchema = closedObject({
  ...pricedTranscodeFields,
  slug: slugSchema,
  origin: originSchema,
  startSequence: uint32Schema,
});
const pricedDeliveryFields = { stream: hashSchema, primitive: Type.Literal("delivery") } as const;
export const deliverySpecSchema = closedObject({
  ...pricedDeliveryFields,
  slug: slugSchema,
  origin: originSchema,
  /** Edges of the stream that feed this one, the nearest first; who of them does not is passed over, down to the origin. */
  parents: Type.Optional(parentsSchema),
  /** Steps to the origin by the first of them; absent: one. */
  depth: Type.Optional(uint32Schema),
  /** The newest segment that its origin had published when the job was given: who brings older ones alone is late. */
  published: Type.Optional(uint32Schema),
  renditions: renditionsSchema,
  /** PART-TARGET of its parts, milliseconds, fixed for the stream's life; absent: 250. */
  partTargetMs: Type.Optional(partTargetSchema),
  /** Most bytes that are paid without a viewer's signature. */
  unsignedBudgetBytes: unsignedSchema(64),
  /** Who may watch; absent: everybody. */
  playback: Type.Optional(playbackPolicySchema),
});
export const jobSpecSchema = Type.Union([ingestSpecSchema, transcodeSpecSchema, deliverySpecSchema]);
export type IngestSpec = Static<typeof ingestSpecSchema>;
export type TranscodeSpec = Static<typeof transcodeSpecSchema>;
export type DeliverySpec = Static<typeof deliverySpecSchema>;
export type JobSpec = Static<typeof jobSpecSchema>;

/** Of a job that takes a stream from another node: what a quote prices. With the quote and the assignment it proves the job. */
export const pricedPullSchema = Type.Union([closedObject(pricedTranscodeFields), closedObject(pricedDeliveryFields)]);
export type PricedPull = Static<typeof pricedPullSchema>;

/** What one unit of work is, per primitive (pixels per codec). */
export const priceUnits = [
  "ingestMs",
  "pixelH264",
  "pixelHevc",
  "pixelVp9",
  "pixelAv1",
  "storedByteSecond",
  "deliveredByte",
] as const;
export type PriceUnit = (typeof priceUnits)[number];

/** Exact amounts (`units.ts`) for one unit each, in one token. A unit that is absent is not for sale. */
export type Prices = { readonly [U in PriceUnit]?: bigint };

const priceSchema = Type.Optional(unsignedSchema(128));
export const pricesSchema = schemaFor<Prices>()(
  closedObject({
    ingestMs: priceSchema,
    pixelH264: priceSchema,
    pixelHevc: priceSchema,
    pixelVp9: priceSchema,
    pixelAv1: priceSchema,
    storedByteSecond: priceSchema,
    deliveredByte: priceSchema,
  }),
);

export const pixelUnits = {
  h264: "pixelH264",
  hevc: "pixelHevc",
  vp9: "pixelVp9",
  av1: "pixelAv1",
} as const satisfies Record<TranscodeSpec["family"], PriceUnit>;

/** The unit in which a job is paid. */
export function priceUnitOf(spec: JobSpec): PriceUnit {
  switch (spec.primitive) {
    case "ingest":
      return "ingestMs";
    case "transcode":
      return pixelUnits[spec.family];
    case "delivery":
      return "deliveredByte";
  }
}

/** Quote's `pricesHash`. */
export function hashPrices(prices: Prices): Hex {
  return hashCanonical("leat.prices.1", prices);
}

const SPEC_HASH = "leat.spec.1";

/** What a quote prices. Origin, parents, start, budget and policy may move while the job runs, so they are no part of it. */
export function pricedPullOf(spec: TranscodeSpec | DeliverySpec): PricedPull {
  const { stream } = spec;
  return spec.primitive === "transcode"
    ? { stream, primitive: spec.primitive, family: spec.family, rungs: spec.rungs, source: spec.source }
    : { stream, primitive: spec.primitive };
}

/** Quote's `specHash`. */
export function hashJobSpec(spec: JobSpec): Hex {
  const { stream, primitive } = spec;
  return hashCanonical(SPEC_HASH, primitive === "ingest" ? { stream, primitive } : pricedPullOf(spec));
}

/** `hashJobSpec` of a specification of which this is what is priced. */
export function hashPricedPull(priced: PricedPull): Hex {
  return hashCanonical(SPEC_HASH, priced);
}

/** One part as counted and paid, on the wire. */
export const partLeafSchema = schemaFor<PartLeaf>()(
  closedObject({
    rung: uint32Schema,
    part: uint32Schema,
    frames: uint32Schema,
    pixels: unsignedSchema(64),
    sizeBytes: unsignedSchema(64),
    sha256: hashSchema,
  }),
);

export const voucherOfferSchema = closedObject({
  voucher: signedSchema(voucherStructure),
  /** Root over `receiptHashes`; zero for a prepayment. With the previous usageRoot it gives the voucher's. */
  receiptsRoot: hashSchema,
  receiptHashes: listSchema(hashSchema, MAX_VOUCHER_RECEIPTS),
  kind: Type.Union([Type.Literal("prepay"), Type.Literal("usage"), Type.Literal("final")]),
});
export type VoucherOffer = Static<typeof voucherOfferSchema>;

/** All that makes a job binding: who, at what price, what exactly, and by which decision. */
export const jobTermsSchema = closedObject({
  assignment: signedSchema(assignmentStructure),
  quote: signedSchema(quoteStructure),
  prices: pricesSchema,
  spec: jobSpecSchema,
  /** Id of the selection receipt. */
  selection: hashSchema,
  prepay: Type.Optional(voucherOfferSchema),
});
export type JobTerms = Static<typeof jobTermsSchema>;

/** What viewers of one attempt at delivery got in all: it only grows. */
export const servedTotalsSchema = closedObject({
  /** Of the stream that went out, all viewers together. */
  watchedMs: countSchema,
  bytes: countSchema,
});
export type ServedTotals = Static<typeof servedTotalsSchema>;

/** A job as its node sees it: what a returning balancer adopts jobs from. */
export const runningJobSchema = closedObject({
  job: hashSchema,
  attempt: uint32Schema,
  primitive: primitiveSchema,
  stream: hashSchema,
  /** The newest segment that the node began; null before the first. */
  sequence: Type.Union([uint32Schema, Type.Null()]),
  /** Of delivery: how many watch now; absent where nobody does. */
  viewers: Type.Optional(uint32Schema),
  /** Of delivery: what they got since the attempt began; absent before the first. */
  served: Type.Optional(servedTotalsSchema),
  /** Of delivery: rungs that are more than two segments behind the newest; absent where none is. */
  late: Type.Optional(listSchema(uint32Schema, MAX_RENDITIONS)),
});
export type RunningJob = Static<typeof runningJobSchema>;

/** Total and free amount of one thing that a node sells. */
export const capacitySchema = closedObject({ total: countSchema, free: countSchema });
export const nodeCapacitySchema = closedObject({
  ingestStreams: capacitySchema,
  transcodePixelsPerSecond: capacitySchema,
  deliveryBytesPerSecond: capacitySchema,
});
export type NodeCapacity = Static<typeof nodeCapacitySchema>;
