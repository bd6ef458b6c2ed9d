import assert from "node:assert/strict";
import type { BenchCase, BenchResult } from "../../../scripts/benchmarks/case.ts";
import { runCases } from "../../../scripts/benchmarks/support/run-cases.ts";
import type { NodeSample } from "../../../scripts/benchmarks/support/soak/node-samples.ts";
import { reportSoak } from "../../../scripts/benchmarks/support/soak/report.ts";
import { soakSamples } from "../../support/soak-samples.ts";

const caseOf =
  (result: BenchResult): BenchCase =>
  async () =>
    result;
const soaked = (figuresAt: (atS: number) => Partial<NodeSample>) =>
  reportSoak(
    { nodes: new Map([["node-a", soakSamples(figuresAt)]]), visits: { hls: 1, whep: 1, inVain: 0 }, streams: 10 },
    10,
  );

/** What was printed, in its order, and the exit code. */
async function run(cases: Record<string, BenchResult>, json?: "one" | "named") {
  const printed: string[] = [];
  const code = await runCases(
    new Map(Object.entries(cases).map(([name, result]) => [name, caseOf(result)])),
    { signal: new AbortController().signal, json },
    { result: (text) => printed.push(`out ${text}`), notes: (text) => printed.push(`note ${text}`) },
  );
  return { code, printed };
}

describe("scripts/bench", () => {
  it("ends with 0 after its tables and one object", async () => {
    const { code, printed } = await run({ a: { rows: [{ n: 1, of: "x" }], json: { n: 1 } } }, "one");
    assert.deepEqual([code, printed], [0, ["out \na\nn  of\n1   x\n", 'out {"n":1}\n']]);
  });

  it("ends with 1 and the code after all that it found, where a soak rises", async () => {
    const rising = soaked((atS) => ({ processes: 1 + Math.floor(atS / 5), descriptors: atS }));
    const { code, printed } = await run({ soak: rising, other: { rows: [], json: 2 } }, "named");
    assert.equal(code, 1);
    assert.match(printed[0]!, /^out \nsoak\n(.*\n)*.*processes.*rises\n/);
    const { soak, other } = JSON.parse(printed[2]!.slice(4)) as { soak: { leaks: string[] }; other: number };
    assert.deepEqual([soak.leaks, other], [["node-a descriptors", "node-a processes"], 2]);
    assert.match(printed[3]!, /^note BENCH_SOAK_ROSE: node-a descriptors, node-a processes /);
    assert.equal(printed.length, 4);
  });

  it("ends with 0 where a soak stays level", async () => {
    const { code, printed } = await run({ soak: soaked((atS) => ({ heldMb: 100 + Math.sin(atS) })) });
    assert.deepEqual([code, printed.length], [0, 1]);
  });
});
