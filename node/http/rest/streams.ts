import { findNamedLadder } from "@leat/sdk/protocol/named-ladders.ts";
import { type PlaybackRequest, playbackRequestSchema } from "@leat/sdk/protocol/playback.ts";
import type { FastifyInstance } from "fastify";
import type { Balancer } from "../../services/balancer/balancer-service.ts";
import type { StreamRow } from "../../store/sql/stream-store.ts";
import { type AuthComponents, requireAccount } from "../auth.ts";
import { addIdempotency, type IdempotencyStore } from "../plugins/idempotency.ts";
import { addRateLimit } from "../plugins/rate-limit.ts";
import { declareBalancerErrors } from "./errors.ts";
import { presentJob, presentPayment, presentReceipt, presentStream } from "./presenters.ts";
import {
  type CreateStreamBody,
  createStreamSchema,
  type PageQuery,
  pageQuery,
  type ReceiptsQuery,
  readPlace,
  readPosition,
  readPrices,
  receiptsQuery,
  rotateBody,
  streamParams,
  type TargetsBody,
  targetsBody,
} from "./schemas.ts";

export interface StreamRoutesComponents extends AuthComponents {
  readonly balancer: Balancer;
  readonly idempotency: IdempotencyStore;
}

interface OneStream {
  Params: { stream: string };
}

/** What a buyer does with its own streams. Every request is signed by its account; another's stream is unknown to it. */
export async function registerStreamRoutes(
  app: FastifyInstance,
  components: StreamRoutesComponents,
  options: { readonly requestsPerMinute: number },
): Promise<void> {
  const { balancer, idempotency } = components;
  const { views } = balancer;
  const showAll = async (rows: readonly StreamRow[]) => {
    const audiences = await views.audiences(rows.map(({ id }) => id));
    return rows.map((row) => {
      const { id } = row;
      return presentStream(row, {
        health: views.health(id),
        refusals: views.refusals(id),
        audience: audiences.get(id)!,
      });
    });
  };
  const show = async (row: StreamRow) => (await showAll([row]))[0]!;
  declareBalancerErrors(app);
  await app.register(async (group) => {
    await addRateLimit(group, options);
    requireAccount(group, components);

    await group.register(async (creating) => {
      addIdempotency(creating, { store: idempotency, required: true });
      creating.post<{ Body: CreateStreamBody }>(
        "/v1/streams",
        { schema: { body: createStreamSchema } },
        async (request, reply) => {
          const { ladder, unsignedBudgetBytes = "0", priceCeilings, ...rest } = request.body;
          const created = await balancer.createStream(request.account, {
            ...rest,
            ladder: typeof ladder === "string" ? findNamedLadder(ladder)! : ladder,
            unsignedBudgetBytes: BigInt(unsignedBudgetBytes),
            priceCeilings: readPrices(priceCeilings),
          });
          return reply.code(201).send(created);
        },
      );
    });

    group.get<{ Querystring: PageQuery }>(
      "/v1/streams",
      { schema: { querystring: pageQuery } },
      async ({ account, query }) => ({
        streams: await showAll(await views.streams(account, query.limit, readPlace(query.before))),
      }),
    );
    group.get<OneStream>("/v1/streams/:stream", { schema: { params: streamParams } }, async ({ account, params }) =>
      show(await views.stream(account, params.stream)),
    );
    group.post<OneStream>(
      "/v1/streams/:stream/end",
      { schema: { params: streamParams } },
      async ({ account, params }) => {
        await balancer.endStream(account, params.stream);
        return show(await views.stream(account, params.stream));
      },
    );
    group.post<OneStream & { Body: { revokeOld?: boolean } }>(
      "/v1/streams/:stream/keys",
      { schema: { params: streamParams, body: rotateBody } },
      ({ account, params, body }) => balancer.rotateKey(account, params.stream, body.revokeOld ?? false),
    );
    group.post<OneStream & { Body: PlaybackRequest }>(
      "/v1/streams/:stream/playback",
      { schema: { params: streamParams, body: playbackRequestSchema } },
      async ({ account, params, body }) => {
        await balancer.setPlayback(account, params.stream, body);
        return show(await views.stream(account, params.stream));
      },
    );
    group.post<OneStream & { Body: TargetsBody }>(
      "/v1/streams/:stream/targets",
      { schema: { params: streamParams, body: targetsBody } },
      async ({ account, params, body }) => {
        await balancer.setTargets(account, params.stream, body.targets);
        return show(await views.stream(account, params.stream));
      },
    );
    group.get<OneStream>(
      "/v1/streams/:stream/jobs",
      { schema: { params: streamParams } },
      async ({ account, params }) => ({ jobs: (await views.jobs(account, params.stream)).map(presentJob) }),
    );
    group.get<OneStream & { Querystring: ReceiptsQuery }>(
      "/v1/streams/:stream/receipts",
      { schema: { params: streamParams, querystring: receiptsQuery } },
      async ({ account, params, query }) => ({
        receipts: (await views.receipts(account, params.stream, query.limit, readPosition(query.before))).map(
          presentReceipt,
        ),
      }),
    );
    group.get<OneStream>(
      "/v1/streams/:stream/payments",
      { schema: { params: streamParams } },
      async ({ account, params }) => ({ payments: (await views.payments(account, params.stream)).map(presentPayment) }),
    );
  });
}
