import type { FastifyInstance } from "fastify";
import type { ChannelStatus } from "../services/payment/index.ts";

/** `GET /v1/payments`: what this node is owed or owes, per channel, and what can be lost at most now. Public facts. */
export function addPaymentStatus(
  app: FastifyInstance,
  side: "payee" | "payer",
  status: () => Promise<readonly ChannelStatus[]>,
): void {
  app.get("/v1/payments", async () => ({
    channels: (await status()).map(({ channel, ...facts }) => ({ side, ...channel, ...facts })),
  }));
}
