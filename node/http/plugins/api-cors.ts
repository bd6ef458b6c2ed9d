import cors from "@fastify/cors";
import type { FastifyInstance } from "fastify";

const told = {
  "access-control-allow-methods": "GET, HEAD, POST",
  "access-control-allow-headers": "Authorization, Content-Type, Idempotency-Key",
  "access-control-max-age": "86400",
};

/** Lets pages of any origin call the routes that are added to `group` afterwards: none goes by cookies. */
export async function addApiCors(group: FastifyInstance): Promise<void> {
  const exposedHeaders = ["Date", "Idempotency-Replayed", "Retry-After"];
  // By itself it would answer browsers' questions about every path of the server.
  await group.register(cors, { origin: "*", exposedHeaders, preflight: false });
  const asked = new Set<string>();
  group.addHook("onRoute", ({ url }) => {
    if (asked.has(url)) return;
    asked.add(url);
    group.options(url, async (_request, reply) => reply.code(204).headers(told).send());
  });
}
