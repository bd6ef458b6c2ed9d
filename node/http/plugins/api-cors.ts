import cors from "@fastify/cors";
import type { FastifyInstance } from "fastify";

/** Lets pages of any origin call an API whose requests carry their own signature and no cookies. */
export async function addApiCors(group: FastifyInstance): Promise<void> {
  await group.register(cors, {
    origin: "*",
    methods: ["GET", "HEAD", "POST"],
    allowedHeaders: ["Authorization", "Content-Type", "Idempotency-Key"],
    exposedHeaders: ["Date", "Idempotency-Replayed", "Retry-After"],
    maxAge: 86_400,
  });
}
