import { exactPerBaseUnit, toBaseUnits, toExact } from "@leat/sdk/protocol/units.ts";
import { MeteringError } from "./errors.ts";

/**
 * The money of one channel as one side sees it: work booked (exact) against the total that vouchers cover (base units).
 * A prepayment is a total ahead of the work; what the work has not used up stays in the channel as credit.
 *
 * Example, USDC: 3 base units prepaid, work of 2.4 booked: unpaid 0. Work of 1.2 more: unpaid 0.6; a voucher over all
 * of it still says 3, since 3.6 rounds down, and 0.6 is carried.
 */
export class Ledger {
  readonly #decimals: number;
  #bookedExact: bigint;
  #vouchered: bigint;
  #largestUnpaidExact: bigint;

  constructor(state: { readonly decimals: number; readonly bookedExact: bigint; readonly vouchered: bigint }) {
    exactPerBaseUnit(state.decimals);
    this.#decimals = state.decimals;
    this.#bookedExact = state.bookedExact;
    this.#vouchered = state.vouchered;
    this.#largestUnpaidExact = this.unpaidExact;
  }

  get bookedExact(): bigint {
    return this.#bookedExact;
  }

  /** Base units. */
  get vouchered(): bigint {
    return this.#vouchered;
  }

  get unpaidExact(): bigint {
    const open = this.#bookedExact - toExact(this.#vouchered, this.#decimals);
    return open > 0n ? open : 0n;
  }

  /** Paid ahead and not used up. */
  get creditExact(): bigint {
    const ahead = toExact(this.#vouchered, this.#decimals) - this.#bookedExact;
    return ahead > 0n ? ahead : 0n;
  }

  get largestUnpaidExact(): bigint {
    return this.#largestUnpaidExact;
  }

  book(exact: bigint): void {
    this.#bookedExact += exact;
    if (this.unpaidExact > this.#largestUnpaidExact) this.#largestUnpaidExact = this.unpaidExact;
  }

  /** Work that will never be paid. */
  forfeit(exact: bigint): void {
    if (exact > this.#bookedExact) {
      throw new MeteringError({
        code: "METERING_FORFEIT_TOO_LARGE",
        booked: this.#bookedExact,
        forfeited: exact,
      });
    }
    this.#bookedExact -= exact;
  }

  /** Totals only grow. */
  cover(vouchered: bigint): void {
    if (vouchered < this.#vouchered) {
      throw new MeteringError({ code: "METERING_VOUCHERED_FELL", held: this.#vouchered, next: vouchered });
    }
    this.#vouchered = vouchered;
  }
}

/**
 * The total that the next voucher carries: all that is payable since the channel began, rounded down. Since the whole
 * exact sum is rounded each time, and not each voucher's own part, what is lost to rounding never adds up: it is always
 * less than one base unit. Never below the last total, which a prepayment may have put ahead of the work.
 */
export function nextCumulative(payableExact: bigint, previous: bigint, decimals: number): bigint {
  const total = toBaseUnits(payableExact, decimals);
  return total > previous ? total : previous;
}

/**
 * Of work that is payable, in its order, all that a voucher of at most `most` base units has room for beside what vouchers
 * cover. Work of 3, 9 and 4 on a channel that has covered 90 of 100: the first and the last fit.
 */
export function fitEntries<E extends { readonly exact: bigint }>(
  entries: readonly E[],
  room: { readonly settledExact: bigint; readonly most: bigint; readonly decimals: number },
): E[] {
  let totalExact = room.settledExact;
  return entries.filter(({ exact }) => {
    const fits = toBaseUnits(totalExact + exact, room.decimals) <= room.most;
    if (fits) totalExact += exact;
    return fits;
  });
}

/**
 * Most that the payer can lose now: what it paid ahead and has not been worked off, and one hold-back window of work,
 * which is all that can turn out bad after it was paid for.
 */
export function payerCanLoseExact(state: { readonly creditExact: bigint; readonly holdBackExact: bigint }): bigint {
  return state.creditExact + state.holdBackExact;
}

/** Most that the payee can lose now: what it may still do on credit, and vouchers that the reserve does not cover. */
export function canLoseExact(state: {
  readonly decimals: number;
  readonly creditLimitExact: bigint;
  readonly unpaidExact: bigint;
  readonly vouchered: bigint;
  readonly collected: bigint;
  readonly reserve: bigint;
}): bigint {
  const bare = state.vouchered - state.collected - state.reserve;
  const overLimit = state.unpaidExact - state.creditLimitExact;
  const onCredit = state.creditLimitExact + (overLimit > 0n ? overLimit : 0n);
  return onCredit + (bare > 0n ? toExact(bare, state.decimals) : 0n);
}
