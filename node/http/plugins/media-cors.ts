import cors from "@fastify/cors";
import type { FastifyInstance } from "fastify";

/** Lets pages of any origin play what the routes of `group` serve: media and playlists, which carry no cookies. */
export async function addMediaCors(group: FastifyInstance): Promise<void> {
  await group.register(cors, {
    origin: "*",
    methods: ["GET", "HEAD", "OPTIONS"],
    allowedHeaders: ["Range"],
    exposedHeaders: ["Content-Length", "Content-Range", "ETag", "Date"],
    maxAge: 86_400,
  });
}

/** Lets pages of any origin call an API whose requests carry their own signature and no cookies. */
export async function addApiCors(group: FastifyInstance): Promise<void> {
  await group.register(cors, {
    origin: "*",
    methods: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
    allowedHeaders: ["Authorization", "Content-Type", "Idempotency-Key"],
    exposedHeaders: ["Idempotency-Replayed", "Retry-After"],
    maxAge: 86_400,
  });
}
