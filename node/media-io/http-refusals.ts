import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { FastifyInstance, FastifyReply } from "fastify";

/** HTTP status and sentence of what a client may be told, by code; what is not here never leaves. */
export type Meanings = Readonly<Record<string, readonly [status: number, message: string]>>;

/** What an ingest node and its balancer say of a key, as a publisher by HTTP hears it. */
export const publishMeanings: Meanings = {
  STREAM_KEY_UNKNOWN: [401, "nobody has this stream key: take the stream's own, or have its owner make another"],
  STREAM_ENDED: [410, "the stream has ended: make another"],
  STREAM_CREDIT_EXHAUSTED: [402, "the stream's buyer can pay for no more"],
  STREAM_SIGNER_SPENT: [402, "the stream's buyer can pay for no more"],
  STREAM_RESERVE_SPENT: [402, "the stream's buyer can pay for no more"],
  BUYER_UNFUNDED: [402, "the stream's buyer has not reserved enough"],
  BUYER_REPUTATION_LOW: [402, "vouchers of the stream's buyer bounced too often"],
  BUYER_AGENT_ABSENT: [409, "nobody is connected who signs vouchers for the stream's buyer: its agent must run"],
  PRICE_ABOVE_CEILING: [409, "this node asks more than the stream's prices allow: publish to the other address"],
  PUBLISH_TICKET_INVALID: [401, "this is no ticket: post to the front door again"],
  PUBLISH_TICKET_EXPIRED: [401, "the ticket is over: post to the front door again"],
  PUBLISH_TICKET_USED: [409, "the ticket was used before: post to the front door again"],
  PUBLISH_TICKET_NODE_WRONG: [421, "the ticket is for another node"],
  PUBLISH_TICKET_STREAM_WRONG: [403, "the ticket is for another stream"],
  PUBLISH_LEASE_HELD: [409, "somebody publishes this stream now"],
  PUBLISH_NODE_WRONG: [421, "the stream is published at another node"],
  INGEST_KEYS_LIMITED: [429, "too many wrong keys came from this address"],
  INGEST_LADDER_MISSING: [
    422,
    "players get only rungs of what comes in, and the stream has none: publish H.264 or VP9",
  ],
  INGEST_BALANCER_AWAY: [503, "the cluster's balancer does not answer; try again"],
  INGEST_NODE_UNPAID: [503, "the cluster does not pay this node: publish to the other address"],
  INGEST_STOPPED: [503, "this node is stopping"],
  INGEST_PUBLISHER_REPLACED: [409, "another publisher took this one's place"],
  JOB_CAPACITY_SHORT: [503, "this node has no room for another stream"],
  JOB_DRAINING: [503, "this node is stopping"],
};

/**
 * Answers the errors of `app`'s routes: codes with a meaning by it, any other as the server above does. `standsFor` are
 * our codes for what fastify itself refuses.
 */
export function answerRefusals(
  app: FastifyInstance,
  meanings: Meanings,
  standsFor: Readonly<Record<string, string>> = {},
): void {
  const above = app.errorHandler;
  app.setErrorHandler((error, request, reply) => {
    const thrown = (error as { code?: string }).code ?? "";
    const code = isCodedError(error) ? thrown : (standsFor[thrown] ?? "");
    const meaning = meanings[code];
    return meaning === undefined ? above.call(app, error as never, request, reply) : refuse(reply, code, meaning);
  });
}

function refuse(reply: FastifyReply, code: string, [status, message]: Meanings[string]): FastifyReply {
  if (status === 503 || status === 429) reply.header("retry-after", "2");
  if (status === 401) reply.header("www-authenticate", "Bearer");
  const body = JSON.stringify({ error: { code, message } });
  return reply.code(status).type("application/json; charset=utf-8").serializer(String).send(body);
}
