import type { CollectRules } from "@leat/node/metering/collect-rule.ts";
import { type Static, Type } from "typebox";

const amount = (description: string) => Type.String({ pattern: "^[0-9]{1,12}(\\.[0-9]{1,18})?$", description });

/** What gas is worth in one token. */
export const tokenCostSchema = Type.Object(
  {
    token: Type.String({
      pattern: "^(LPT|USDC|0x[0-9a-fA-F]{40})$",
      description: "LPT, USDC or the address of a token",
    }),
    perNative: amount("Whole tokens that one whole native token of the chain is worth; 0: go by leastAmount alone"),
    leastAmount: amount("Whole tokens below which nothing is collected"),
  },
  { additionalProperties: false },
);
export type TokenCost = Static<typeof tokenCostSchema>;

export const settlementOptions = Type.Object(
  {
    lookEveryMs: Type.Integer({
      default: 15_000,
      minimum: 200,
      maximum: 600_000,
      description: "Pause between looks for vouchers to collect, milliseconds; a change is looked at at once",
    }),
    maxAgeMs: Type.Integer({
      default: 600_000,
      minimum: 1_000,
      maximum: 86_400_000,
      description:
        "A voucher that is worth its gas is collected after so long, or a quarter of a thaw, at the latest, milliseconds",
    }),
    maxPostponeMs: Type.Integer({
      default: 86_400_000,
      minimum: 1_000,
      maximum: 2_419_200_000,
      description:
        "After so long, or half of a thaw, it is collected however dear gas is, if it covers its own, milliseconds",
    }),
    memberGraceMs: Type.Integer({
      default: 15_000,
      minimum: 0,
      maximum: 3_600_000,
      description:
        "How long a node leaves it to its cluster's balancer to pay it along with the buyers' collection, milliseconds",
    }),
    urgentReserve: Type.Number({
      default: 0.75,
      minimum: 0.5,
      maximum: 1,
      description: "Part of a reserve that is owed from which on dear gas postpones nothing",
    }),
    gasShare: Type.Number({
      default: 0.1,
      minimum: 0.001,
      maximum: 1,
      description: "Gas costs at most this part of what it brings, where the token's price is known",
    }),
    gasSpike: Type.Number({
      default: 2,
      minimum: 1,
      maximum: 1_000,
      description: "Gas is dear above so many times its usual price of the last hour",
    }),
    tokenCosts: Type.Array(tokenCostSchema, {
      default: [],
      maxItems: 16,
      description:
        "What gas is worth in a token, and its least amount; a node that settles names every token that pays, or does not start",
    }),
    batch: Type.Integer({
      default: 50,
      minimum: 1,
      maximum: 200,
      description: "Vouchers collected in one transaction",
    }),
    blockPart: Type.Number({
      default: 0.25,
      minimum: 0.01,
      maximum: 1,
      description: "Part of a block's gas that one transaction takes at most",
    }),
  },
  { default: {}, additionalProperties: false },
);
export type SettlementOptions = Static<typeof settlementOptions>;

/**
 * @param thawSeconds How long a voucher counts once its signer has ended. Nobody tells its payee of that in time: so nothing
 * waits for more than a part of it.
 */
export function rulesOf(options: SettlementOptions, thawSeconds: number): CollectRules {
  const thawMs = thawSeconds * 1_000;
  return {
    maxAgeMs: Math.min(options.maxAgeMs, thawMs / 4),
    maxPostponeMs: Math.min(options.maxPostponeMs, thawMs / 2),
    urgentPpm: toPpm(options.urgentReserve),
    gasPpm: gasPpmOf(options),
    spikePpm: toPpm(options.gasSpike),
  };
}

/** Part of what it brings that gas may cost at most, millionths. */
export function gasPpmOf({ gasShare }: SettlementOptions): number {
  return toPpm(gasShare);
}

function toPpm(part: number): number {
  return Math.round(part * 1_000_000);
}
