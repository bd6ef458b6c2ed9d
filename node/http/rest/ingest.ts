import { CodedError, isCodedError } from "@leat/sdk/base/errors.ts";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Clock } from "../../kernel/clock.ts";
import { AddressRate } from "../../kernel/net/address-rate.ts";
import { publishMeanings } from "../../media-io/http-refusals.ts";
import { MAX_STREAM_KEY } from "../../media-io/webrtc/limits.ts";
import { addPreflight, OFFER_TYPE, prepareSignalling, readBody } from "../../media-io/webrtc/session-routes.ts";
import type { Balancer } from "../../services/balancer/balancer-service.ts";
import { IngestError } from "../../services/ingest/errors.ts";
import { addRateLimit } from "../plugins/rate-limit.ts";

export class FrontDoorError extends CodedError<{ code: "FRONT_DOOR_KEY_MISSING" }> {}

export interface FrontDoorComponents {
  readonly balancer: Pick<Balancer, "rankIngest" | "sendWhip">;
  readonly clock: Pick<Clock, "nowMs">;
}

export interface FrontDoorOptions {
  readonly requestsPerMinute: number;
  readonly wrongKeysPerMinute: number;
}

const meanings = {
  ...publishMeanings,
  FRONT_DOOR_KEY_MISSING: [401, "give the stream key: /ingest/KEY or Authorization: Bearer"],
  PLACEMENT_NOBODY: [503, "no node takes this stream now; try again"],
} as const;

/**
 * `GET /ingest/<key>`: nodes that could take the stream, the best first. `POST /ingest/<key>`: sends a WHIP offer on to
 * the best that takes one, with a ticket for that node, since a browser takes its Authorization to no other origin. The
 * key may come as `Authorization: Bearer` to `/ingest` instead; it is in no log, and in no address that is answered to
 * an offer.
 */
export async function registerFrontDoor(
  app: FastifyInstance,
  { balancer, clock }: FrontDoorComponents,
  { requestsPerMinute, wrongKeysPerMinute }: FrontDoorOptions,
): Promise<void> {
  const rate = { burst: wrongKeysPerMinute, refillMs: 60_000, maxAddresses: 10_000 };
  const wrongKeys = new AddressRate(clock, rate);
  async function ask<T>(request: FastifyRequest, question: (streamKey: string) => Promise<T>): Promise<T> {
    const key = readKey(request);
    if (!wrongKeys.isLeft(request.ip)) throw new IngestError({ code: "INGEST_KEYS_LIMITED" });
    try {
      return await question(key);
    } catch (error) {
      if (isCodedError(error) && error.code === "STREAM_KEY_UNKNOWN") wrongKeys.charge(request.ip);
      throw error;
    }
  }
  await app.register(async (group) => {
    prepareSignalling(group, meanings);
    await addRateLimit(group, { requestsPerMinute });
    for (const url of ["/ingest", "/ingest/:key"]) {
      group.get(url, (request) => ask(request, (key) => balancer.rankIngest(key)));
      group.post(url, async (request, reply) => {
        readBody(request.body, request.headers["content-type"], OFFER_TYPE);
        const location = await ask(request, (key) => balancer.sendWhip(key));
        return reply.code(307).header("location", location).send();
      });
      addPreflight(group, url, "GET, POST, OPTIONS", { "accept-post": OFFER_TYPE });
    }
  });
}

function readKey(request: FastifyRequest): string {
  const { key: inPath } = request.params as { readonly key?: string };
  const key = inPath ?? /^Bearer ([!-~]+)$/i.exec(request.headers.authorization ?? "")?.[1] ?? "";
  if (key === "" || key.length > MAX_STREAM_KEY) throw new FrontDoorError({ code: "FRONT_DOOR_KEY_MISSING" });
  return key;
}
