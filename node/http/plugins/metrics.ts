import type { FastifyInstance } from "fastify";
import type { Metrics } from "../../kernel/metrics.ts";

/** `/metrics` in the form that Prometheus reads. */
export function addMetrics(app: FastifyInstance, metrics: Metrics): void {
  app.get("/metrics", async (_request, reply) => {
    reply.type(metrics.contentType).serializer(String);
    return metrics.render();
  });
}
