import type { FastifyInstance } from "fastify";
import type { ChannelStatus } from "../services/payment/index.ts";

export interface PaymentSide {
  readonly side: "payee" | "payer";
  readonly status: () => Promise<readonly ChannelStatus[]>;
}

/** `GET /v1/payments`: what this node is owed or owes, per channel, and what can be lost at most now. Public facts. */
export function addPaymentStatus(app: FastifyInstance, sides: readonly PaymentSide[]): void {
  app.get("/v1/payments", async () => {
    const lists = await Promise.all(
      sides.map(async ({ side, status }) =>
        (await status()).map(({ channel, ...facts }) => ({ side, ...channel, ...facts })),
      ),
    );
    return { channels: lists.flat() };
  });
}
