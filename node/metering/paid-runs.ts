/** Segments `first` to `last` of a job, all paid for one attempt. */
export interface PaidRun {
  readonly first: bigint;
  readonly last: bigint;
  readonly attempt: number;
}

/** The attempt of a run whose segments are paid, or too old to be paid any more, whoever did them. */
export const CLOSED = -1;

/** The attempt that is paid for a segment. */
export function paidAttempt(runs: readonly PaidRun[], seq: bigint): number | undefined {
  // What is asked for is mostly new.
  return runs.findLast(({ first, last }) => first <= seq && seq <= last)?.attempt;
}

/**
 * The runs of a job, ascending, with one segment more that is paid. Beyond `most` runs the oldest two become one, with
 * the gap between them: a payee that leaves gaps loses what it left, and a payer need not remember any number of them.
 *
 *     [1-4 of attempt 1] and 5 of attempt 1 are [1-5 of attempt 1]
 *     [1-4 of attempt 1] and 6 of attempt 2 are [1-4 of attempt 1, 6-6 of attempt 2]
 */
export function addPaid(runs: readonly PaidRun[], seq: bigint, attempt: number, most: number): PaidRun[] {
  if (paidAttempt(runs, seq) !== undefined) return [...runs];
  const at = runs.findLastIndex(({ first }) => first < seq) + 1;
  const [before, after] = [runs[at - 1], runs[at]];
  const isNext = before?.attempt === attempt && before.last + 1n === seq;
  const isBefore = after?.attempt === attempt && seq + 1n === after.first;
  const run = { first: isNext ? before.first : seq, last: isBefore ? after.last : seq, attempt };
  const next = [...runs.slice(0, isNext ? at - 1 : at), run, ...runs.slice(isBefore ? at + 1 : at)];
  while (next.length > most) {
    const [oldest, second] = next.splice(0, 2) as [PaidRun, PaidRun];
    next.unshift({ first: oldest.first, last: second.last, attempt: CLOSED });
  }
  return next;
}
