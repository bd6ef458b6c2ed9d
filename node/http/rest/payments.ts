import { addressSchema, closedObject, hashSchema } from "@leat/sdk/protocol/schemas.ts";
import type { FastifyInstance } from "fastify";
import { type Static, Type } from "typebox";
import type { PaymentReport, PaymentTotals, WatchedChannel } from "../../services/payment/payment-watch.ts";

/** Amounts are decimal text: `…Exact` are 10^-30 of a whole token, the others base units. */
const amount = Type.String({ pattern: "^[0-9]{1,60}$" });
const side = Type.Union([Type.Literal("payee"), Type.Literal("payer")]);
/** Null while nothing is spent. */
const seconds = Type.Union([amount, Type.Null()]);

export const channelSchema = closedObject({
  side,
  payer: addressSchema,
  payee: addressSchema,
  token: addressSchema,
  cluster: amount,
  clusterPpm: Type.Integer({ minimum: 0 }),
  channelId: hashSchema,
  /** Work done and not vouchered. */
  unpaidExact: amount,
  largestUnpaidExact: amount,
  creditLimitExact: amount,
  vouchered: amount,
  collected: amount,
  collectTransaction: Type.Union([hashSchema, Type.Null()]),
  /** Confirmed and not thawing. */
  reserve: amount,
  thawing: amount,
  pool: amount,
  /** Most that this side can lose now. */
  canLoseExact: amount,
  exactPerSecond: amount,
  runwaySeconds: seconds,
  runwayState: Type.Union([Type.Literal("idle"), Type.Literal("ok"), Type.Literal("low"), Type.Literal("dry")]),
});

export const totalsSchema = closedObject({
  side,
  token: addressSchema,
  channels: Type.Integer({ minimum: 0 }),
  unpaidExact: amount,
  vouchered: amount,
  collected: amount,
  reserve: amount,
  pool: amount,
  canLoseExact: amount,
  exactPerSecond: amount,
  runwaySeconds: seconds,
});

export const paymentsSchema = closedObject({ channels: Type.Array(channelSchema), totals: Type.Array(totalsSchema) });
export type Payments = Static<typeof paymentsSchema>;

/** `GET /v1/payments`: what this node is owed or owes, per channel and in all, and what can be lost at most now. */
export function addPaymentRoutes(app: FastifyInstance, report: () => Promise<PaymentReport>): void {
  app.get("/v1/payments", { schema: { response: { 200: paymentsSchema } } }, async (_request, reply) => {
    const { channels, totals } = await report();
    const body: Payments = { channels: channels.map(presentChannel), totals: totals.map(presentTotals) };
    // By the schema: what is not in it does not leave.
    return reply.type("application/json; charset=utf-8").serializer(reply.getSerializationFunction("200")!).send(body);
  });
}

function presentChannel(one: WatchedChannel): Static<typeof channelSchema> {
  const { channel, channelId, side: of, runwayState, collectTransaction } = one;
  const { cluster, ...parties } = channel;
  return {
    side: of,
    ...parties,
    cluster: cluster.toString(),
    channelId,
    unpaidExact: one.unpaidExact.toString(),
    largestUnpaidExact: one.largestUnpaidExact.toString(),
    creditLimitExact: one.creditLimitExact.toString(),
    vouchered: one.vouchered.toString(),
    collected: one.collected.toString(),
    collectTransaction: collectTransaction ?? null,
    reserve: one.reserve.toString(),
    thawing: one.thawing.toString(),
    pool: one.pool.toString(),
    canLoseExact: one.canLoseExact.toString(),
    exactPerSecond: one.exactPerSecond.toString(),
    runwaySeconds: one.runwaySeconds?.toString() ?? null,
    runwayState,
  };
}

function presentTotals(totals: PaymentTotals): Static<typeof totalsSchema> {
  const { side: of, token, channels } = totals;
  return {
    side: of,
    token,
    channels,
    unpaidExact: totals.unpaidExact.toString(),
    vouchered: totals.vouchered.toString(),
    collected: totals.collected.toString(),
    reserve: totals.reserve.toString(),
    pool: totals.pool.toString(),
    canLoseExact: totals.canLoseExact.toString(),
    exactPerSecond: totals.exactPerSecond.toString(),
    runwaySeconds: totals.runwaySeconds?.toString() ?? null,
  };
}
