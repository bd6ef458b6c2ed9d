import rateLimit from "@fastify/rate-limit";
import type { FastifyInstance } from "fastify";
import { HttpError } from "../errors.ts";

export interface RateLimitOptions {
  readonly requestsPerMinute: number;
}

/** Addresses remembered at once: some 100 bytes each; the least recently seen is forgotten first. */
const ADDRESSES = 10_000;

/** Bounds how often one address calls the routes that are added to `group` afterwards. */
export async function addRateLimit(group: FastifyInstance, options: RateLimitOptions): Promise<void> {
  await group.register(rateLimit, {
    max: options.requestsPerMinute,
    timeWindow: 60_000,
    cache: ADDRESSES,
    // A subscriber has a whole /64: counting single addresses would bound nothing.
    ipv6Subnet: 64,
    errorResponseBuilder: (_request, context) => {
      const retryAfterSeconds = Math.ceil(context.ttl / 1_000);
      const message = `too many requests; ask again in ${retryAfterSeconds} s`;
      return new HttpError({ code: "REQUEST_RATE_LIMITED", retryAfterSeconds }, { message });
    },
  });
}
