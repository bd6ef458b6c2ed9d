import { measureGas } from "../gas.ts";
import type { BenchCase } from "./case.ts";

/** Receipt gasUsed of the peers' own transactions: redeeming tickets, collecting receipts, joining as orchestrator. */
const peers = {
  collect: {
    "1": { Livepeer: 182_735, Graph: 177_025 },
    "10": { Livepeer: 90_977, Graph: 95_221 },
    "50": { Livepeer: "", Graph: "" },
  },
  none: { Livepeer: "", Graph: "" },
  join: { Livepeer: "620,000+", Graph: "" },
} as const;

/** Gas per voucher of collecting batches, and of joining; the limits are those of the contracts' own snapshot test. */
export const run: BenchCase = async ({ log }) => {
  log("collecting from 50 payers on an in-process chain");
  const figures = await measureGas();
  const { credited, creditedByAllottedSigner, pushed } = figures.collect;
  const rows: Record<string, string | number>[] = (["1", "10", "50"] as const).map((batch) => ({
    what: `voucher, batch of ${batch}`,
    credited: credited[batch],
    "by allotted signer": creditedByAllottedSigner[batch],
    pushed: pushed[batch],
    ...peers.collect[batch],
  }));
  const none = { "by allotted signer": "", pushed: "" };
  rows.push({ what: "party, collectFor 40", credited: figures.collectFor["40"], ...none, ...peers.none });
  rows.push({ what: "join", credited: figures.join, ...none, ...peers.join });
  return { rows, json: figures };
};
