import type { Address } from "@leat/sdk/protocol/hex.ts";
import { addressSchema, closedObject, hashSchema } from "@leat/sdk/protocol/schemas.ts";
import type { FastifyInstance } from "fastify";
import { type Static, Type } from "typebox";
import type { Bounce } from "../../chain/bounces.ts";
import { payerScorePpm } from "../../market/payer-reputation.ts";

const amount = Type.String({ pattern: "^[0-9]{1,60}$" });

export const payerSchema = closedObject({
  payer: addressSchema,
  /** When the score was computed, seconds since 1970: with it and the bounces anybody comes to the same. */
  atSeconds: amount,
  scorePpm: Type.Integer({ minimum: 0, maximum: 1_000_000 }),
  bounces: Type.Array(
    closedObject({
      channel: hashSchema,
      payee: addressSchema,
      /** Base units that the escrow could not pay then, of a total of so many. */
      missing: amount,
      total: amount,
      atSeconds: amount,
      madeGood: Type.Boolean(),
      transaction: hashSchema,
    }),
  ),
});
export type PayerReport = Static<typeof payerSchema>;

/** `GET /v1/payers/ADDRESS`: a payer's public reputation, with the bounces behind it. */
export function addPayerRoutes(
  app: FastifyInstance,
  bouncesOf: (payer: Address) => Promise<readonly Bounce[]>,
  nowMs: () => number,
): void {
  const schema = { params: closedObject({ payer: addressSchema }), response: { 200: payerSchema } };
  app.get<{ Params: { payer: Address } }>("/v1/payers/:payer", { schema }, async ({ params: { payer } }, reply) => {
    const bounces = await bouncesOf(payer);
    const now = BigInt(Math.floor(nowMs() / 1_000));
    const body: PayerReport = {
      payer,
      atSeconds: now.toString(),
      scorePpm: payerScorePpm(bounces, now),
      bounces: bounces.map(({ channel, payee, missing, total, atSeconds, madeGood, transaction }) => ({
        channel,
        payee,
        missing: missing.toString(),
        total: total.toString(),
        atSeconds: atSeconds.toString(),
        madeGood,
        transaction,
      })),
    };
    return reply.type("application/json; charset=utf-8").serializer(reply.getSerializationFunction("200")!).send(body);
  });
}
