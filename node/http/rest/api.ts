import type { FastifyInstance } from "fastify";
import { addApiCors } from "../plugins/api-cors.ts";
import { registerMarketRoutes } from "./market.ts";
import { registerStreamRoutes, type StreamRoutesComponents } from "./streams.ts";
import { registerWebhookRoutes, type WebhookRoutesComponents } from "./webhooks.ts";

/** All that a cluster answers to programs, and to pages of any origin: what is not for everybody is signed. */
export async function registerApi(
  app: FastifyInstance,
  components: StreamRoutesComponents & WebhookRoutesComponents,
  options: { readonly requestsPerMinute: number },
): Promise<void> {
  await app.register(async (api) => {
    await addApiCors(api);
    await registerMarketRoutes(api, components, options);
    await registerStreamRoutes(api, components, options);
    await registerWebhookRoutes(api, components, options);
  });
}
