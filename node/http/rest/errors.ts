import type { FastifyInstance } from "fastify";
import { declareErrors } from "../errors.ts";

/** The balancer's codes that may leave, with their status. */
export function declareBalancerErrors(app: FastifyInstance): void {
  declareErrors(app, {
    STREAM_UNKNOWN: 404,
    STREAM_ENDED: 409,
    STREAM_TOKEN_UNKNOWN: 400,
    STREAM_LADDER_INVALID: 400,
    LADDER_INVALID: 400,
    LADDER_EMPTY: 400,
    LADDER_NAME_DUPLICATE: 400,
    LADDER_CODEC_UNKNOWN: 400,
    BUYER_UNFUNDED: 402,
    BUYER_AGENT_ABSENT: 409,
    BUYER_REPUTATION_LOW: 402,
    PRICE_ABOVE_CEILING: 409,
    PLACEMENT_NOBODY: 503,
    SELECTION_UNKNOWN: 404,
    CANDIDATE_UNKNOWN: 404,
  });
}
