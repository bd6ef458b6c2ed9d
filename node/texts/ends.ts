/**
 * Why a stream or somebody's work for it is over, or why nobody works for it, by the code that stands there. Beside
 * `errorTexts`, whose sentences need facts that are not kept: here the code alone is known.
 */
export const endTexts: Readonly<Record<string, string>> = {
  STREAM_ENDED: "it was ended, by its publisher or its owner",
  STREAM_PAUSED: "its source was lost, and it goes on when that is back",
  PUBLISHER_LOST: "its publisher was lost and did not come back in time",
  STREAM_CREDIT_EXHAUSTED:
    'nobody paid for its work in time; look whether the agent runs, and at "scripts/leat buyer status"',
  STREAM_SIGNER_SPENT:
    'the key that signs for the account was allotted no more; allot it more with "scripts/leat buyer allot"',
  STREAM_RESERVE_SPENT:
    'the reserve of its buyer is used up or thaws; put money in with "scripts/leat buyer deposit" and make another stream',
  BUYER_AGENT_ABSENT:
    "nobody is connected who signs vouchers for the buyer; start the agent: scripts/leat start with the role buyer",
  BUYER_UNFUNDED:
    'the reserve for this cluster does not last for a stream; put money in with "scripts/leat buyer deposit AMOUNT TOKEN --cluster ID"',
  BUYER_REPUTATION_LOW: "vouchers of the buyer bounced too often; pay what is open",
  PLACEMENT_NOBODY:
    "no node of the cluster can take the work now: full, too dear, elsewhere or away; it is tried again",
  PRICE_ABOVE_CEILING: "the node asked more than the stream's prices allow",
  PUBLISH_NODE_WRONG: "it was published to a node that was not chosen for it; take an address that the stream has",
  PUBLISH_LEASE_HELD: "somebody publishes it already",
  RTMP_CODEC_UNSUPPORTED: "its publisher sends a codec that is not taken; change its settings",
  MPEGTS_CODEC_UNSUPPORTED: "its publisher sends a codec that is not taken; change its settings",
  JOB_DONE: "the node was done",
  JOB_REPLACED: "another attempt, at this node or another, took the work over",
  JOB_ORIGIN_CHANGED: "the stream comes in at another node now",
  EDGE_SPARE: "the others serve the viewers that there are",
  EDGE_UNWATCHED: "nobody has watched for long; edges are placed anew for whoever comes",
  JOB_GIVEN_UP: "the node gave the work up",
  JOB_CAPACITY_SHORT: "the node had no room",
  JOB_DRAINING: "the node is stopping",
  JOB_RESERVATION_MISSING: "the node did not keep the place that it had promised",
  CHECK_FAILED: "what it made is not what was sent: it is paid for none of it",
  CHECK_CONTRADICTED: "the node signed two different receipts of one work: it does none here any more",
  NODE_LOST: "the node was away for too long",
  NODE_RESTARTED: "the node started anew and had forgotten it",
  SESSION_NODE_ABSENT: "the node is away",
  QUOTE_WRONG: "the node's quote was not for what was asked",
  CREDIT_EXHAUSTED: "its work was not paid, or not checked, in time, and it does no more on credit",
  TRANSCODING_TOO_LATE: "the node is behind: what it made was out already, or too old to be shown, and is not paid",
  TRANSCODING_PART_ENDLESS: "the node's pictures last too short for their number: no edge takes a part of so many",
  CREDIT_SIGNER_SPENT: "the key that signs for the cluster may promise no more",
  CREDIT_RESERVE_SPENT: "the cluster's reserve for the node is used up",
  INGEST_BALANCER_AWAY: "the cluster's balancer did not answer the node",
  WIRE_CONNECTION_LOST: "the connection to the node was lost",
  WIRE_CALL_TIMEOUT: "the node did not answer in time",
};

/** `CODE: why`, or the code alone where nobody wrote why: nodes of other versions have codes of their own. */
export function describeEnd(code: string): string {
  const text = Object.hasOwn(endTexts, code) ? endTexts[code] : undefined;
  return text === undefined ? code : `${code}: ${text}`;
}
