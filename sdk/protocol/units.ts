import { CodedError } from "../base/errors.ts";

/**
 * Two units of money, both bigint:
 *
 * - **exact**: 10^-30 of one WHOLE token, whatever the token's decimals. Prices are exact amounts for one unit of work
 *   (a millisecond ingested, an output pixel, a byte-second stored, a byte delivered) and costs stay exact.
 * - **base units**: the token's own smallest unit, what contracts and vouchers carry. USDC has 6 decimals, LPT 18.
 *
 * Example: H.264 at 2 * 10^-12 USDC a pixel is a price of 2 * 10^18. A second of 854x480 at 30 frames is
 * 12,297,600 pixels, so 24,595,200 * 10^18 exact, which is 0.0000245952 USDC: 24 base units and 595,200 * 10^18 carried.
 */

/** Digits after the point of an exact amount. */
export const EXACT_DECIMALS = 30;

export class UnitsError extends CodedError<
  | { code: "UNITS_AMOUNT_INVALID"; text: string; decimals: number }
  | { code: "UNITS_AMOUNT_TOO_FINE"; text: string; decimals: number }
  | { code: "UNITS_AMOUNT_TOO_LARGE"; text: string; decimals: number }
  | { code: "UNITS_AMOUNT_ZERO"; text: string; decimals: number }
  | { code: "UNITS_DECIMALS_INVALID"; decimals: number }
  | { code: "UNITS_AMOUNT_NEGATIVE"; amount: bigint }
> {}

const powers = Array.from({ length: EXACT_DECIMALS + 1 }, (_, decimals) => 10n ** BigInt(EXACT_DECIMALS - decimals));

/** How many exact units one base unit of a token has. */
export function exactPerBaseUnit(decimals: number): bigint {
  const power = powers[decimals];
  if (power === undefined) throw new UnitsError({ code: "UNITS_DECIMALS_INVALID", decimals });
  return power;
}

/** The cost of `quantity` units of work, exact. */
export function costExact(priceExact: bigint, quantity: bigint): bigint {
  return requireNotNegative(priceExact) * requireNotNegative(quantity);
}

/**
 * What a voucher carries of an exact amount: whole base units, rounded down against the payee, and the rest, which the
 * ledger keeps and adds to what comes next, so that nothing is ever lost to rounding.
 */
export function splitExact(amountExact: bigint, decimals: number): { baseUnits: bigint; restExact: bigint } {
  const one = exactPerBaseUnit(decimals);
  const baseUnits = requireNotNegative(amountExact) / one;
  return { baseUnits, restExact: amountExact - baseUnits * one };
}

/** Whole base units of an exact amount, rounded down. */
export function toBaseUnits(amountExact: bigint, decimals: number): bigint {
  return splitExact(amountExact, decimals).baseUnits;
}

/** Base units as an exact amount; nothing is lost. */
export function toExact(baseUnits: bigint, decimals: number): bigint {
  return requireNotNegative(baseUnits) * exactPerBaseUnit(decimals);
}

/** `"1.25"` as base units of a token with `decimals`. More digits than the token has are refused, not rounded. */
export function parseAmount(text: string, decimals: number): bigint {
  exactPerBaseUnit(decimals);
  const match = /^([0-9]{1,90})(?:\.([0-9]{1,90}))?$/.exec(text.trim());
  if (match === null) throw new UnitsError({ code: "UNITS_AMOUNT_INVALID", text: text.slice(0, 100), decimals });
  const fraction = match[2] ?? "";
  if (fraction.length > decimals) throw new UnitsError({ code: "UNITS_AMOUNT_TOO_FINE", text, decimals });
  const amount = BigInt(match[1]! + fraction.padEnd(decimals, "0"));
  // What no contract holds: more would be cut to fit somewhere.
  if (amount >> 256n !== 0n) throw new UnitsError({ code: "UNITS_AMOUNT_TOO_LARGE", text, decimals });
  return amount;
}

/** The same of money that is to move: nothing is refused too. */
export function parsePayment(text: string, decimals: number): bigint {
  const amount = parseAmount(text, decimals);
  if (amount === 0n) throw new UnitsError({ code: "UNITS_AMOUNT_ZERO", text: text.slice(0, 100), decimals });
  return amount;
}

/** Base units as the shortest decimal text: `1250000n` of 6 decimals is `"1.25"`. */
export function formatAmount(baseUnits: bigint, decimals: number): string {
  exactPerBaseUnit(decimals);
  const sign = baseUnits < 0n ? "-" : "";
  const digits = (baseUnits < 0n ? -baseUnits : baseUnits).toString().padStart(decimals + 1, "0");
  const whole = digits.slice(0, digits.length - decimals);
  const fraction = digits.slice(digits.length - decimals).replace(/0+$/, "");
  return fraction === "" ? sign + whole : `${sign}${whole}.${fraction}`;
}

/** `"0.000000000002"` whole tokens for one unit of work, as a price. */
export function parsePrice(text: string): bigint {
  return parseAmount(text, EXACT_DECIMALS);
}

export function formatPrice(priceExact: bigint): string {
  return formatAmount(priceExact, EXACT_DECIMALS);
}

function requireNotNegative(amount: bigint): bigint {
  if (amount < 0n) throw new UnitsError({ code: "UNITS_AMOUNT_NEGATIVE", amount });
  return amount;
}
