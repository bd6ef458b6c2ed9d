import { toBaseUnits, toExact } from "@leat/sdk/protocol/units.ts";

/** The least base units that are worth an exact amount. 2.3 base units are paid by 3. */
export function roundUp(exact: bigint, decimals: number): bigint {
  const whole = toBaseUnits(exact, decimals);
  return toExact(whole, decimals) < exact ? whole + 1n : whole;
}
