import assert from "node:assert/strict";
import { figures } from "../../scripts/benchmarks/support/soak/node-samples.ts";
import { type SoakRun, soak } from "../../scripts/benchmarks/support/soak/soak.ts";
import { judgeNodes, listRising } from "../../scripts/benchmarks/support/soak/verdicts.ts";

const DURATION_MS = 600_000;
/** Of ten streams one is replaced every 20 s. */
const LEAST_STREAMS = 30;
/** A viewer stays for 20 s at most, and there are 24 and 6 of them at any time. */
const LEAST_VISITS = { hls: 500, whep: 100 };

describe("ten streams with viewers who come and go, for ten minutes", function () {
  this.timeout(2 * DURATION_MS);
  const log = (line: string) => process.stdout.write(`      ${line}\n`);
  const report = ({ nodes }: SoakRun): string[] => {
    const verdicts = judgeNodes(nodes);
    for (const { node, figure, growth, noise } of verdicts) {
      log(`${node} ${figure}: ${growth.toFixed(1)} more, give or take ${noise.toFixed(1)}`);
    }
    return listRising(verdicts);
  };

  it("leave no node with more memory, descriptors or processes than it had", async () => {
    const run = await soak({ durationMs: DURATION_MS, log });
    assert.deepEqual(report(run), []);
    const { streams, visits } = run;
    assert.ok(streams >= LEAST_STREAMS, `${streams} streams`);
    assert.ok(visits.hls >= LEAST_VISITS.hls && visits.whep >= LEAST_VISITS.whep, JSON.stringify(visits));
  });

  it("find all that a node lets go of no more, by its name", async () => {
    const leak = new URL("../support/leaks.ts", import.meta.url).href;
    const flagsOf = (name: string) => (name === "node-c" ? ["--import", leak] : []);
    const found = report(await soak({ durationMs: DURATION_MS, log, flagsOf }));
    const seeded = figures.map((figure) => `node-c ${figure}`);
    assert.deepEqual(
      seeded.filter((one) => !found.includes(one)),
      [],
      `${found}`,
    );
  });
});
