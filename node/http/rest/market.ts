import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import { toText } from "@leat/sdk/selection/text.ts";
import type { FastifyInstance } from "fastify";
import { findToken, originOf } from "../../media-io/access/carried-token.ts";
import type { Balancer } from "../../services/balancer/balancer-service.ts";
import { addRateLimit } from "../plugins/rate-limit.ts";
import { declareBalancerErrors } from "./errors.ts";
import {
  candidateParams,
  type OffsetQuery,
  offsetQuery,
  playQuery,
  selectionParams,
  slugParams,
  tableParams,
} from "./schemas.ts";

/** What anybody may read: how decisions were made, who is there, and where a stream plays. */
export async function registerMarketRoutes(
  app: FastifyInstance,
  { balancer }: { readonly balancer: Balancer },
  options: { readonly requestsPerMinute: number },
): Promise<void> {
  const { views } = balancer;
  declareBalancerErrors(app);
  await app.register(async (group) => {
    await addRateLimit(group, options);
    group.get("/v1/cluster", async () => views.cluster());
    group.get<{ Querystring: OffsetQuery }>(
      "/v1/nodes",
      { schema: { querystring: offsetQuery } },
      async ({ query: { limit, offset } }) => {
        const nodes = views.nodes();
        return { total: nodes.length, nodes: nodes.slice(offset, offset + limit) };
      },
    );
    group.get<{ Params: { slug: string }; Querystring: { token?: string } }>(
      "/v1/play/:slug",
      { schema: { params: slugParams, querystring: playQuery } },
      async (request, reply) => {
        reply.header("cache-control", "no-store");
        return balancer.play(request.params.slug, {
          token: findToken(request)?.token,
          origin: originOf(request.headers),
          from: request.ip,
        });
      },
    );
    group.get<{ Params: { id: Hex } }>(
      "/v1/selections/:id",
      { schema: { params: selectionParams } },
      async ({ params }) => balancer.selection(params.id),
    );
    // Rows as text: what was hashed must reach the reader as it was.
    group.get<{ Params: { tableRoot: Hex }; Querystring: OffsetQuery }>(
      "/v1/candidates/:tableRoot",
      { schema: { params: tableParams, querystring: offsetQuery } },
      async ({ params, query: { limit, offset } }) => {
        const rows = await balancer.candidates(params.tableRoot);
        return { total: rows.length, rows: rows.slice(offset, offset + limit).map(toText) };
      },
    );
    group.get<{ Params: { tableRoot: Hex; node: Address } }>(
      "/v1/candidates/:tableRoot/:node",
      { schema: { params: candidateParams } },
      async ({ params }) => {
        const { row, index, proof } = await balancer.candidate(params.tableRoot, params.node);
        return { row: toText(row), index, proof };
      },
    );
  });
}
