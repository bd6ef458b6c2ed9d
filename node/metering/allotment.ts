/** What a payer lets another key sign on one channel. */
export interface Allotment {
  /** The channel's total that the key's vouchers may reach, base units. */
  readonly cap: bigint;
  /** Seconds since 1970. What was signed stays collectable for one thaw longer: that time is the payee's, to collect in. */
  readonly validUntil: bigint;
}

export type AllotmentFault = "VOUCHER_SIGNER_CAP" | "VOUCHER_SIGNER_EXPIRED";

/**
 * Why a payee must not take a voucher of this total. The escrow would still pay an ended key's voucher for a while; a
 * payee takes none, so that what it holds can be collected for a whole thaw, whatever the clocks differ by.
 */
export function findAllotmentFault(
  allotment: Allotment,
  cumulative: bigint,
  nowSeconds: bigint,
): AllotmentFault | undefined {
  if (nowSeconds >= allotment.validUntil) return "VOUCHER_SIGNER_EXPIRED";
  return cumulative > allotment.cap ? "VOUCHER_SIGNER_CAP" : undefined;
}

/**
 * What of a channel's reserve stands behind a key's signature. Reserve 500, collected 150: a key with a cap of 200 promises
 * 50, one with a cap of 900 all 500, one that has ended nothing. Without an allotment the payer itself signs.
 */
export function promisedReserve(
  state: { readonly collected: bigint; readonly reserve: bigint },
  allotment: Allotment | undefined,
  nowSeconds: bigint,
): bigint {
  if (allotment === undefined) return state.reserve;
  if (nowSeconds >= allotment.validUntil) return 0n;
  const left = allotment.cap > state.collected ? allotment.cap - state.collected : 0n;
  return left < state.reserve ? left : state.reserve;
}
