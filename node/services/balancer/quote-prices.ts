import type { Address } from "@leat/sdk/protocol/hex.ts";
import { type LadderRequest, type Prices, type PriceUnit, pixelUnits } from "@leat/sdk/protocol/job.ts";
import type { Family } from "@leat/sdk/protocol/stream.ts";
import type { Candidate } from "@leat/sdk/selection/candidate.ts";
import { dearestPrices, findAboveCeiling, retailPrices } from "../../market/pricing.ts";
import { BalancerError } from "./errors.ts";
import { unitsOf } from "./renditions.ts";

export interface PricedRequest {
  readonly ladder: LadderRequest;
  readonly token: Address;
  readonly ceilings: Prices;
}

type Seller = Pick<Candidate, "primitives" | "codecs" | "prices">;

const families = Object.keys(pixelUnits) as Family[];

/**
 * The most that each unit of a stream will cost. A ceiling is broken only where even the cheapest node is above it.
 * @throws LADDER_CODEC_UNSOLD, PLACEMENT_NOBODY, PRICE_ABOVE_CEILING
 */
export function quotePrices(
  sellers: readonly Seller[],
  { ladder, token, ceilings }: PricedRequest,
  marginBps: number,
): Prices {
  const units = unitsOf(ladder);
  const lists = sellers.flatMap((seller) => {
    const list = seller.prices.find((entry) => entry.token === token)?.prices;
    return list === undefined ? [] : [retailPrices(sellable(list, seller), marginBps)];
  });
  for (const unit of units) {
    const offered = lists.flatMap((list) => list[unit] ?? []);
    if (offered.length === 0) throw nobodySells(unit);
    const [price] = offered.sort((left, right) => (left < right ? -1 : 1)) as [bigint];
    const ceiling = ceilings[unit];
    if (ceiling !== undefined && findAboveCeiling({ [unit]: price }, ceilings) !== undefined) {
      throw new BalancerError({ code: "PRICE_ABOVE_CEILING", unit, price, ceiling });
    }
  }
  const dearest = dearestPrices(lists, units);
  const most = units.map((unit): [PriceUnit, bigint] => {
    const price = dearest[unit] ?? 0n;
    const ceiling = ceilings[unit];
    return [unit, ceiling !== undefined && ceiling < price ? ceiling : price];
  });
  return Object.fromEntries(most) as Prices;
}

/** A node's prices without those of codecs that it does not encode: nobody could hold it to them. */
function sellable(prices: Prices, { primitives, codecs }: Seller): Prices {
  const can = (codec: Family) => primitives.includes("transcode") && codecs.includes(codec);
  const lacking = families.filter((codec) => !can(codec)).map((codec) => pixelUnits[codec]);
  return Object.fromEntries(Object.entries(prices).filter(([unit]) => !lacking.some((one) => one === unit)));
}

function nobodySells(unit: PriceUnit): BalancerError {
  const codec = families.find((family) => pixelUnits[family] === unit);
  if (codec === undefined) return new BalancerError({ code: "PLACEMENT_NOBODY", primitive: unit });
  return new BalancerError({ code: "LADDER_CODEC_UNSOLD", codec });
}
