import { multiaddrSchema, nodeCapacitySchema, runningJobSchema, urlSchema } from "@leat/sdk/protocol/job.ts";
import { MAX_MULTIADDRS, MAX_NODE_JOBS } from "@leat/sdk/protocol/limits.ts";
import { regionSchema, signedOfferSchema } from "@leat/sdk/protocol/offer-body.ts";
import { pullSchemeSchema } from "@leat/sdk/protocol/pull.ts";
import {
  addressSchema,
  closedObject,
  hashSchema,
  listSchema,
  signedSchema,
  uint32Schema,
  unsignedSchema,
} from "@leat/sdk/protocol/schemas.ts";
import { seedCommitStructure } from "@leat/sdk/protocol/signed.ts";
import { type Static, Type } from "typebox";

/** Who a node says it is, how it is, and what it is told in return. */

export const roleSchema = Type.Union([
  Type.Literal("ingest"),
  Type.Literal("transcode"),
  Type.Literal("delivery"),
  Type.Literal("buyer"),
]);
export type SessionRole = Static<typeof roleSchema>;

export const helloSchema = closedObject({
  version: Type.Integer({ minimum: 1, maximum: 0xffff }),
  node: addressSchema,
  /** A buyer's agent: the account that it acts for, where that is not its own key's. */
  account: Type.Optional(addressSchema),
  roles: listSchema(roleSchema, 4),
  multiaddrs: listSchema(multiaddrSchema, MAX_MULTIADDRS),
  httpUrl: Type.Optional(urlSchema),
  rtmpUrl: Type.Optional(urlSchema),
  whipUrl: Type.Optional(urlSchema),
  pushUrl: Type.Optional(urlSchema),
  srtUrl: Type.Optional(urlSchema),
  /** What the node makes passphrases from, so that the balancer can tell publishers theirs. */
  srtSecret: Type.Optional(hashSchema),
  /** Kinds of source that an ingest node fetches for buyers. */
  pulls: Type.Optional(listSchema(pullSchemeSchema, 16)),
  region: regionSchema,
  /** Absent for a buyer's agent, which sells nothing. */
  offer: Type.Optional(signedOfferSchema),
  jobs: listSchema(runningJobSchema, MAX_NODE_JOBS),
});
export type Hello = Static<typeof helloSchema>;

export const welcomeSchema = closedObject({
  cluster: unsignedSchema(256),
  balancer: addressSchema,
  clusterAccount: addressSchema,
  heartbeatMs: Type.Integer({ minimum: 100, maximum: 600_000 }),
  seedCommit: signedSchema(seedCommitStructure),
});
export type Welcome = Static<typeof welcomeSchema>;

export const heartbeatSchema = closedObject({
  /** The node's own process tree over its configured capacity; may pass 1 for a moment. */
  load: Type.Number({ minimum: 0, maximum: 1_000 }),
  draining: Type.Boolean(),
  capacity: nodeCapacitySchema,
  /** Round trip to this balancer, measured by the node; absent before the first measurement. */
  rttMs: Type.Optional(Type.Number({ minimum: 0, maximum: 600_000 })),
  jobs: listSchema(runningJobSchema, MAX_NODE_JOBS),
});
export type Heartbeat = Static<typeof heartbeatSchema>;

/** The candidate table that the balancer chose from last, and the node's row in it (null: not in it yet). */
export const tableMarkSchema = closedObject({
  tableRoot: hashSchema,
  tableIndex: Type.Union([uint32Schema, Type.Null()]),
  tableSize: uint32Schema,
});
export type TableMark = Static<typeof tableMarkSchema>;
