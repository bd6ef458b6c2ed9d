import { type Prices, type PriceUnit, priceUnits } from "@leat/sdk/protocol/job.ts";

/** Hundredths of a per cent in a whole. */
const WHOLE_BPS = 10_000n;

/**
 * What a buyer pays where its node asks `wholesale`: the cluster's margin on top, rounded up to a whole exact unit.
 * Example: 10 % on 2,000,000 is 2,200,000.
 */
export function retailPrices(wholesale: Prices, marginBps: number): Prices {
  return mapPrices(wholesale, (price) => divideUp(price * (WHOLE_BPS + BigInt(marginBps)), WHOLE_BPS));
}

/** The dearest wholesale price whose retail price is still within `retailCeiling`. */
export function wholesaleCeiling(retailCeiling: bigint, marginBps: number): bigint {
  return (retailCeiling * WHOLE_BPS) / (WHOLE_BPS + BigInt(marginBps));
}

/** The first unit whose price is above its ceiling; units without a ceiling may cost anything. */
export function findAboveCeiling(prices: Prices, ceilings: Prices): PriceUnit | undefined {
  return priceUnits.find((unit) => {
    const price = prices[unit];
    const ceiling = ceilings[unit];
    return price !== undefined && ceiling !== undefined && price > ceiling;
  });
}

/** Per unit the dearest of several price lists: what a quote for a whole stream promises at most. */
export function dearestPrices(lists: readonly Prices[], units: readonly PriceUnit[]): Prices {
  const dearest: { [U in PriceUnit]?: bigint } = {};
  for (const unit of units) {
    for (const list of lists) {
      const price = list[unit];
      const held = dearest[unit];
      if (price !== undefined && (held === undefined || price > held)) dearest[unit] = price;
    }
  }
  return dearest;
}

function mapPrices(prices: Prices, change: (price: bigint) => bigint): Prices {
  const entries = priceUnits.flatMap((unit) => (prices[unit] === undefined ? [] : [[unit, change(prices[unit])]]));
  return Object.fromEntries(entries) as Prices;
}

function divideUp(dividend: bigint, divisor: bigint): bigint {
  return (dividend + divisor - 1n) / divisor;
}
