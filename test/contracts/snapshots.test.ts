import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { buildContracts } from "../../scripts/deployment/local-chain.ts";
import type { GasFigures } from "../../scripts/gas.ts";
import { generateAbi } from "../../scripts/generate-abi.ts";
import { generateSnapshots } from "../../scripts/generate-snapshots.ts";
import { generateVectors } from "../../scripts/generate-vectors.ts";

const root = new URL("../../", import.meta.url);

/** Gas per voucher, and of joining, that payers and payees were promised. */
const limits: GasFigures = {
  collect: {
    credited: { "1": 60_000, "10": 18_000, "50": 14_000 },
    // One more slot is read for each: no more than that may be added.
    creditedByAllottedSigner: { "1": 63_000, "10": 21_000, "50": 17_000 },
    pushed: { "1": 85_000, "10": 25_000, "50": 20_000 },
  },
  collectFor: { "40": 25_000 },
  join: 240_000,
};

describe("committed files that are generated", function () {
  this.timeout(180_000);
  before(async () => await buildContracts());

  for (const [name, generate, script] of [
    ["interfaces for pages and nodes", generateAbi, "scripts/generate-abi.ts"],
    ["gas and storage layout", generateSnapshots, "scripts/generate-snapshots.ts"],
    ["vectors", generateVectors, "scripts/generate-vectors.ts"],
  ] as const) {
    it(`hold exactly what the sources give: ${name}`, async () => {
      for (const [path, text] of await generate()) {
        const committed = await readFile(new URL(path, root), "utf8");
        // The formatter may break a JSON line elsewhere; what it says must be the same.
        const read = path.endsWith(".json") ? (item: string) => JSON.parse(item) : (item: string) => item;
        assert.deepEqual(read(committed), read(text), `${path} is old: run node ${script}`);
      }
    });
  }

  it("stay within the gas that was promised", async () => {
    const gas = JSON.parse(await readFile(new URL("contracts/snapshots/gas.json", root), "utf8")) as GasFigures;
    assert.ok(gas.join <= limits.join);
    assert.ok(gas.collectFor["40"] <= limits.collectFor["40"]);
    for (const way of ["credited", "creditedByAllottedSigner", "pushed"] as const) {
      for (const size of ["1", "10", "50"] as const) {
        assert.ok(gas.collect[way][size] <= limits.collect[way][size], `${way} ${size}`);
      }
    }
  });
});
