import { measureGas } from "../gas.ts";
import type { BenchCase } from "./case.ts";

/** Gas per voucher of collecting batches, and of joining; the limits are those of the contracts' own snapshot test. */
export const run: BenchCase = async ({ log }) => {
  log("collecting from 50 payers on an in-process chain");
  const figures = await measureGas();
  const { credited, pushed } = figures.collect;
  const rows = (["1", "10", "50"] as const).map((vouchers) => ({
    vouchers,
    credited: credited[vouchers],
    pushed: pushed[vouchers],
  }));
  return { rows: [...rows, { vouchers: "join", credited: figures.join, pushed: figures.join }], json: figures };
};
