import { sourceHealthSchema } from "@leat/sdk/protocol/health.ts";
import {
  type capacitySchema,
  jobTermsSchema,
  ladderSchema,
  originSchema,
  parentsSchema,
  partLeafSchema,
  partTargetSchema,
  pricesSchema,
  primitiveSchema,
  renditionsSchema,
  servedTotalsSchema,
  slugSchema,
  sourceSummarySchema,
  urlSchema,
  videoCodecSchema,
  voucherOfferSchema,
} from "@leat/sdk/protocol/job.ts";
import {
  MAX_PARENTS,
  MAX_RECEIPT_LEAVES,
  MAX_RENDITIONS,
  MAX_REVIEWED_WORK,
  MAX_VOUCHER_RECEIPTS,
} from "@leat/sdk/protocol/limits.ts";
import { playbackPolicySchema } from "@leat/sdk/protocol/playback.ts";
import { pullUrlSchema } from "@leat/sdk/protocol/pull.ts";
import { restreamTargetSchema, restreamTargetsSchema } from "@leat/sdk/protocol/restream.ts";
import {
  addressSchema,
  closedObject,
  countSchema,
  hashSchema,
  listSchema,
  publicCodeSchema,
  signedSchema,
  uint32Schema,
  unsignedSchema,
} from "@leat/sdk/protocol/schemas.ts";
import {
  assignmentStructure,
  checkResultStructure,
  quoteStructure,
  receiptStructure,
  voucherStructure,
} from "@leat/sdk/protocol/signed.ts";
import { type Static, Type } from "typebox";
import { defineMethods, type RequestOf, type ResponseOf } from "../methods.ts";
import { heartbeatSchema, helloSchema, tableMarkSchema, welcomeSchema } from "./presence.ts";

/** Every message between a node (or a buyer's agent) and a balancer. docs/protocol/wire.md tells how they travel. */

export const SESSION_PROTOCOL = "/leat/session/1.0.0";
export const SESSION_VERSION = 1;

const nothing = closedObject({});
/** How a publisher came. */
const publishProtocol = {
  protocol: Type.String({ pattern: "^[a-z]{2,8}$" }),
  /** It was told by this node to begin anew: the node's own lease does not keep it waiting. */
  replaces: Type.Optional(Type.Literal(true)),
};
const sequenceOrNull = Type.Union([uint32Schema, Type.Null()]);
const durationMs = Type.Integer({ minimum: 0, maximum: 3_600_000 });

export const receiptKindSchema = Type.Union([
  Type.Literal("ingest"),
  Type.Literal("transcode"),
  Type.Literal("delivery"),
]);

const leavesSchema = listSchema(partLeafSchema, MAX_RECEIPT_LEAVES);
const jobAttempt = { job: hashSchema, attempt: uint32Schema };
const workSchema = listSchema(closedObject({ ...jobAttempt, seq: unsignedSchema(64) }), MAX_REVIEWED_WORK);

export const receiptSubmitSchema = closedObject({
  receipt: signedSchema(receiptStructure),
  leaves: leavesSchema,
  kind: receiptKindSchema,
});
export type ReceiptSubmit = Static<typeof receiptSubmitSchema>;

/** The right to publish one stream, with all that continues it where another node left off. */
export const publishGrantSchema = closedObject({
  stream: hashSchema,
  slug: slugSchema,
  ladder: ladderSchema,
  token: addressSchema,
  terms: jobTermsSchema,
  startSequence: uint32Schema,
  startFrame: countSchema,
  startEpoch: uint32Schema,
  /** PART-TARGET of what was published before, milliseconds: fixed for the stream's life. Absent before the first time. */
  partTargetMs: Type.Optional(partTargetSchema),
  /** The first segment does not follow its predecessor's clock. */
  discontinuity: Type.Boolean(),
  leaseRenewMs: durationMs,
  /** The lease stands while its newest frame is younger. */
  leaseHoldMs: durationMs,
  /** How long the stream waits for a publisher whose connection was lost. */
  reconnectGraceMs: durationMs,
});
export type PublishGrant = Static<typeof publishGrantSchema>;

export const usageReportSchema = closedObject({
  stream: hashSchema,
  ...jobAttempt,
  node: addressSchema,
  kind: receiptKindSchema,
  receipt: signedSchema(receiptStructure),
  leaves: leavesSchema,
  assignment: signedSchema(assignmentStructure),
  token: addressSchema,
  /** What the cluster promised the buyer when the stream was made: the most that each unit costs. */
  quote: signedSchema(quoteStructure),
  quoted: pricesSchema,
  /** Retail: what the buyer pays the cluster for this work. */
  prices: pricesSchema,
  /** Units that are paid: fewer than served where a budget ends. */
  paidUnits: unsignedSchema(128),
});
export type UsageReport = Static<typeof usageReportSchema>;

export const voucherRequestSchema = closedObject({
  channel: hashSchema,
  seq: unsignedSchema(64),
  cumulative: unsignedSchema(128),
  receiptsRoot: hashSchema,
  receiptHashes: listSchema(hashSchema, MAX_VOUCHER_RECEIPTS),
  kind: Type.Union([Type.Literal("prepay"), Type.Literal("usage"), Type.Literal("final")]),
  /** The newest that the payee holds: an agent that lost its store goes on from it. */
  held: Type.Optional(signedSchema(voucherStructure)),
});
export type VoucherRequest = Static<typeof voucherRequestSchema>;

export const watchedEdgeSchema = closedObject({ ...jobAttempt, node: addressSchema, hls: urlSchema });
export type WatchedEdge = Static<typeof watchedEdgeSchema>;

/** Calls that a node or a buyer's agent makes to a balancer. */
export const nodeMethods = defineMethods({
  hello: { request: helloSchema, response: welcomeSchema },
  /** May come before hello: who learns here that its clock is wrong is not refused for it in a riddle. */
  "clock.read": { request: nothing, response: closedObject({ /** Milliseconds since 1970. */ nowMs: countSchema }) },
  heartbeat: { request: heartbeatSchema, response: tableMarkSchema },
  "candidate.leaf": {
    request: closedObject({ tableRoot: hashSchema }),
    /** `leaf` is the row's canonical text: its hash stands under the root. */
    response: closedObject({ leaf: Type.String({ maxLength: 16_384 }), proof: listSchema(hashSchema, 64) }),
  },
  "publish.request": {
    request: closedObject({ keyHash: hashSchema, ...publishProtocol }),
    response: publishGrantSchema,
  },
  /** The same right for the source of a stream, which the balancer had this node fetch. */
  "publish.pulled": { request: closedObject({ stream: hashSchema }), response: publishGrantSchema },
  /** How a source does that this node was given: a code where nothing comes of it, null once something does. */
  "pull.state": {
    request: closedObject({ stream: hashSchema, code: Type.Union([publicCodeSchema, Type.Null()]) }),
    response: nothing,
  },
  /** The same for a publisher that the balancer's front door sent to this node, which shows what it was sent with. */
  "publish.ticket": {
    request: closedObject({
      slug: slugSchema,
      ticket: Type.String({ pattern: "^[A-Za-z0-9_-]{1,256}$" }),
      ...publishProtocol,
    }),
    response: publishGrantSchema,
  },
  /** How a target does that this node was given: a code where nothing is sent, null once something is. */
  "restream.state": {
    request: closedObject({
      stream: hashSchema,
      name: restreamTargetSchema.properties.name,
      code: Type.Union([publicCodeSchema, Type.Null()]),
    }),
    response: nothing,
  },
  "publish.renew": {
    request: closedObject({
      stream: hashSchema,
      lastFrameAgeMs: countSchema,
      sequence: sequenceOrNull,
      frames: countSchema,
      /** No frame follows: `sequence` is the last segment, and what is left of it is being made. */
      isOver: Type.Boolean(),
      /** The newest published segment of each rung that has one: a balancer that was away learns it from here. */
      published: listSchema(closedObject({ rung: uint32Schema, sequence: uint32Schema }), MAX_RENDITIONS),
      /** Absent before anything came, and when nothing will. */
      health: Type.Optional(sourceHealthSchema),
      /** Why what its publisher sent was not taken, and it was cut off; absent while one publishes, and after a loss. */
      refused: Type.Optional(publicCodeSchema),
    }),
    response: nothing,
    isGathered: true,
  },
  "publish.end": {
    request: closedObject({
      stream: hashSchema,
      /** The publisher said goodbye; false: its connection was lost and the grace is over. */
      clean: Type.Boolean(),
      lastSequence: sequenceOrNull,
      frames: countSchema,
    }),
    response: nothing,
    isGathered: true,
  },
  "source.ready": {
    request: closedObject({ stream: hashSchema, source: sourceSummarySchema, partTargetMs: partTargetSchema }),
    /** Video renditions and audio groups: all that the stream will have. */
    response: closedObject({ renditions: renditionsSchema }),
  },
  "segment.published": {
    request: closedObject({
      stream: hashSchema,
      rungs: listSchema(uint32Schema, MAX_RENDITIONS),
      sequence: uint32Schema,
    }),
    response: nothing,
    isGathered: true,
  },
  "receipt.submit": {
    request: receiptSubmitSchema,
    response: closedObject({ accepted: Type.Literal(true) }),
    isPatient: true,
  },
  "check.submit": {
    request: closedObject({ check: signedSchema(checkResultStructure), code: Type.Optional(publicCodeSchema) }),
    response: nothing,
  },
  /** What became of work of attempts that are over, which no voucher covers. */
  "work.review": {
    request: closedObject({ token: addressSchema, work: workSchema }),
    /** Those that will never be paid. */
    response: closedObject({ unpaid: workSchema }),
  },
  "job.failed": {
    request: closedObject({ ...jobAttempt, code: publicCodeSchema, sequence: sequenceOrNull }),
    response: nothing,
  },
  /** Whom an edge turned away of a stream's viewers since it told last; a minute apart at least. */
  "viewers.refused": {
    request: closedObject({
      stream: hashSchema,
      refusals: listSchema(closedObject({ code: publicCodeSchema, count: countSchema }), 32),
    }),
    response: nothing,
  },
  /** From whom an edge has its stream now, and which of the parents that it was named did not serve it, since it told last. */
  "edge.holder": {
    request: closedObject({
      ...jobAttempt,
      holder: addressSchema,
      failed: listSchema(closedObject({ node: addressSchema, code: publicCodeSchema }), 2 * MAX_PARENTS),
    }),
    response: nothing,
  },
  "job.done": { request: closedObject(jobAttempt), response: nothing },
});

/** Calls that a balancer makes to a node or a buyer's agent. */
export const balancerMethods = defineMethods({
  "quote.request": {
    request: closedObject({
      job: hashSchema,
      primitive: primitiveSchema,
      /** Which codec is priced; transcode only. */
      codec: Type.Optional(videoCodecSchema),
      specHash: hashSchema,
      token: addressSchema,
      payer: addressSchema,
      maxUnits: unsignedSchema(128),
    }),
    response: closedObject({ quote: signedSchema(quoteStructure), prices: pricesSchema }),
  },
  "job.reserve": {
    request: closedObject({
      ...jobAttempt,
      primitive: primitiveSchema,
      codec: Type.Optional(videoCodecSchema),
      /** In the unit of the primitive's capacity. */
      units: countSchema,
    }),
    response: Type.Union([
      closedObject({ granted: Type.Literal(true), /** Milliseconds since 1970. */ expiresAt: countSchema }),
      closedObject({ granted: Type.Literal(false), code: publicCodeSchema }),
    ]),
  },
  "job.assign": { request: jobTermsSchema, response: closedObject({ accepted: Type.Literal(true) }) },
  "job.update": {
    request: closedObject({
      ...jobAttempt,
      origin: Type.Optional(originSchema),
      /** In place of those before. Absent beside an origin: none. */
      parents: Type.Optional(parentsSchema),
      startSequence: Type.Optional(uint32Schema),
      unsignedBudgetBytes: Type.Optional(unsignedSchema(64)),
      playback: Type.Optional(playbackPolicySchema),
    }),
    response: nothing,
  },
  /** To an origin: the attempt is over, and no more of its segments may pass. */
  "check.close": {
    request: closedObject({ stream: hashSchema, ...jobAttempt }),
    /** Results of its checks that are not delivered yet. */
    response: closedObject({ waiting: countSchema }),
  },
  "job.end": {
    request: closedObject({ ...jobAttempt, code: publicCodeSchema }),
    /** Of delivery that ran until now: what it came to, where anybody got anything. */
    response: closedObject({ served: Type.Optional(servedTotalsSchema) }),
  },
  /** Whether this node would fetch a source; its refusal is the buyer's to read. */
  "pull.check": { request: closedObject({ url: pullUrlSchema }), response: nothing },
  /** Fetches a stream's source until `pull.end`. Asked again, it goes on and tells how it does. */
  "pull.begin": {
    request: closedObject({ stream: hashSchema, url: pullUrlSchema }),
    response: closedObject({ code: Type.Union([publicCodeSchema, Type.Null()]) }),
  },
  "pull.end": { request: closedObject({ stream: hashSchema }), response: nothing },
  /** Sends a stream that this node serves on to these targets, and to no others any more. */
  "restream.set": {
    request: closedObject({ stream: hashSchema, slug: slugSchema, targets: restreamTargetsSchema }),
    response: nothing,
  },
  "stream.position": {
    request: closedObject({ stream: hashSchema }),
    response: closedObject({ sequence: sequenceOrNull }),
  },
  "voucher.offer": {
    request: voucherOfferSchema,
    response: Type.Union([
      closedObject({
        acknowledged: closedObject({ channel: hashSchema, cumulative: unsignedSchema(128), seq: unsignedSchema(64) }),
      }),
      /** The offer does not follow this voucher, which the payer adopts. */
      closedObject({ held: signedSchema(voucherStructure), code: Type.Optional(publicCodeSchema) }),
    ]),
    isPatient: true,
  },
  "usage.report": { request: usageReportSchema, response: nothing, isPatient: true },
  "voucher.request": { request: voucherRequestSchema, response: voucherOfferSchema },
  "stream.watch": {
    request: closedObject({
      stream: hashSchema,
      slug: slugSchema,
      /** All edges that serve the stream now; none when it is over. */
      edges: listSchema(watchedEdgeSchema, 64),
      /** They serve the source as it came in, too: ingest receipts tell what it was. */
      passthrough: Type.Boolean(),
    }),
    response: nothing,
  },
});

export type NodeMethods = typeof nodeMethods;
export type BalancerMethods = typeof balancerMethods;
export type NodeMethod = keyof NodeMethods & string;
export type BalancerMethod = keyof BalancerMethods & string;
export type NodeRequest<M extends NodeMethod> = RequestOf<NodeMethods, M>;
export type NodeResponse<M extends NodeMethod> = ResponseOf<NodeMethods, M>;
export type BalancerRequest<M extends BalancerMethod> = RequestOf<BalancerMethods, M>;
export type BalancerResponse<M extends BalancerMethod> = ResponseOf<BalancerMethods, M>;
export type Capacity = Static<typeof capacitySchema>;
