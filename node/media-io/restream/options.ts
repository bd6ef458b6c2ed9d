import { type Static, Type } from "typebox";
import { NETWORK_PATTERN } from "../../kernel/net/address-policy.ts";

/** What a person sets about streams that this node sends on to servers of buyers. */
export const restreamOptions = Type.Object(
  {
    enabled: Type.Boolean({ default: true, description: "Whether this node sends streams on to servers of buyers" }),
    allow: Type.Array(Type.String({ pattern: NETWORK_PATTERN }), {
      default: [],
      maxItems: 64,
      description:
        "Networks beside the open internet that buyers' servers may stand in; every buyer of the cluster can reach them then",
    }),
    maxTargets: Type.Integer({
      default: 50,
      minimum: 0,
      maximum: 10_000,
      description: "Servers that are sent to at once",
    }),
    timeoutMs: Type.Integer({
      default: 10_000,
      minimum: 100,
      maximum: 120_000,
      description:
        "How long a look-up and a connection may take together, and how long a server may take nothing, milliseconds",
    }),
    retryMinMs: Type.Integer({
      default: 1_000,
      minimum: 10,
      maximum: 600_000,
      description: "First pause before a server that was lost is tried again, milliseconds; it doubles",
    }),
    retryMaxMs: Type.Integer({
      default: 30_000,
      minimum: 10,
      maximum: 3_600_000,
      description: "Longest pause before a server that was lost is tried again, milliseconds",
    }),
  },
  { default: {}, additionalProperties: false },
);

export type RestreamOptions = Static<typeof restreamOptions>;
