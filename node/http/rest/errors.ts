import type { FastifyInstance } from "fastify";
import { playbackMeanings } from "../../media-io/access/errors.ts";
import { declareErrors } from "../errors.ts";

const playbackStatuses = Object.fromEntries(Object.entries(playbackMeanings).map(([code, [status]]) => [code, status]));

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
    LADDER_CODEC_UNSOLD: 409,
    BUYER_UNFUNDED: 402,
    BUYER_AGENT_ABSENT: 409,
    BUYER_REPUTATION_LOW: 402,
    PRICE_ABOVE_CEILING: 409,
    PLACEMENT_NOBODY: 503,
    SELECTION_UNKNOWN: 404,
    CANDIDATE_UNKNOWN: 404,
    PLAYBACK_KEY_INVALID: 400,
    PLAYBACK_KEY_PRIVATE: 400,
    PLAYBACK_KEY_TWICE: 400,
    PLAYBACK_KEY_ALGORITHM_WRONG: 400,
    PLAYBACK_WEBHOOK_URL_INVALID: 400,
    RESTREAM_URL_INVALID: 400,
    RESTREAM_PASSPHRASE_INVALID: 400,
    RESTREAM_SCHEME_REFUSED: 400,
    RESTREAM_NAME_TWICE: 400,
    STREAM_PULLS_EXCEEDED: 429,
    PULL_URL_INVALID: 400,
    PULL_PASSPHRASE_INVALID: 400,
    PULL_SCHEME_REFUSED: 400,
    PULL_ADDRESS_LOOPBACK: 403,
    PULL_ADDRESS_PRIVATE: 403,
    PULL_ADDRESS_SHARED: 403,
    PULL_ADDRESS_LINK_LOCAL: 403,
    PULL_ADDRESS_MULTICAST: 403,
    PULL_ADDRESS_MAPPED: 403,
    PULL_ADDRESS_NAT64: 403,
    PULL_ADDRESS_RESERVED: 403,
    PULL_NAME_REFUSED: 403,
    PULL_TIMEOUT: 504,
    PULL_PULLS_EXCEEDED: 503,
    PULL_DISABLED: 503,
    ...playbackStatuses,
  });
}
