import { type EndpointRequest, endpointIdSchema, endpointRequestSchema } from "@leat/sdk/protocol/events.ts";
import { closedObject } from "@leat/sdk/protocol/schemas.ts";
import type { FastifyInstance } from "fastify";
import type { Webhooks } from "../../services/webhooks/webhook-service.ts";
import { type AuthComponents, requireAccount } from "../auth.ts";
import { declareErrors } from "../errors.ts";
import { addRateLimit } from "../plugins/rate-limit.ts";

export interface WebhookRoutesComponents extends AuthComponents {
  readonly webhooks: Webhooks;
}

const endpointParams = closedObject({ id: endpointIdSchema });

/** Where an account is told what happens. Every request is signed by the account; a secret is never shown again. */
export async function registerWebhookRoutes(
  app: FastifyInstance,
  components: WebhookRoutesComponents,
  options: { readonly requestsPerMinute: number },
): Promise<void> {
  const { webhooks } = components;
  declareErrors(app, {
    WEBHOOK_ENDPOINT_UNKNOWN: 404,
    WEBHOOK_ENDPOINTS_MANY: 409,
    WEBHOOK_ENDPOINTS_FULL: 503,
    WEBHOOK_URL_INVALID: 400,
    WEBHOOK_SCHEME_REFUSED: 400,
    WEBHOOK_ADDRESS_REFUSED: 400,
  });
  await app.register(async (group) => {
    await addRateLimit(group, options);
    requireAccount(group, components);
    group.post<{ Body: EndpointRequest }>(
      "/v1/webhooks",
      { schema: { body: endpointRequestSchema } },
      async ({ account, body }, reply) => reply.code(201).send(await webhooks.add(account, body)),
    );
    group.get("/v1/webhooks", async ({ account }) => ({ webhooks: webhooks.list(account) }));
    group.post<{ Params: { id: string } }>(
      "/v1/webhooks/:id/remove",
      { schema: { params: endpointParams } },
      async ({ account, params }) => {
        await webhooks.remove(account, params.id);
        return {};
      },
    );
  });
}
