import assert from "node:assert/strict";
import fc from "fast-check";
import { speedOf } from "../../../sdk/protocol/encoding-load.ts";
import type { Hex } from "../../../sdk/protocol/hex.ts";
import type { Candidate } from "../../../sdk/selection/candidate.ts";
import { type FilterName, filterNames, listFiltered } from "../../../sdk/selection/filters.ts";
import { defaultParameters, nextOverloaded } from "../../../sdk/selection/parameters.ts";
import { select } from "../../../sdk/selection/selection.ts";
import { createTable } from "../../../sdk/selection/table.ts";
import { addressOf, lpt, makeCandidate, makeRequest, usdc } from "../../support/candidates.ts";
import { measuredSpeeds as speeds } from "../../support/measured-speeds.ts";

const seedOf = (number: number): Hex => `0x${number.toString(16).padStart(64, "0")}`;

function choose(rows: readonly Candidate[], changes = {}, seed = seedOf(1), parameters = defaultParameters) {
  return select({ table: createTable(rows, parameters), request: makeRequest(changes), seed, parameters });
}

/** Of VP9, in a capacity for 100,000,000 of H.264. */
const fittingVp9 = Math.floor((100_000_000 * speedOf(speeds, "vp9")!) / speedOf(speeds, "h264")!);

describe("selection", () => {
  const cases: readonly [FilterName, Partial<Candidate>, object?][] = [
    ["primitive", { primitives: ["ingest"] }],
    ["codec", { codecs: ["h264"] }, { codecs: ["vp9"] }],
    ["region", { region: "us" }, { region: "local" }],
    ["excluded", {}, { excluded: [{ node: addressOf(1), reason: "ingest" }] }],
    ["token", { prices: [{ token: lpt, prices: { pixelH264: 1n } }] }],
    ["price", {}, { priceCeiling: 2n * 10n ** 18n - 1n }],
    ["stake", { stake: 10n ** 18n - 1n }],
    ["draining", { draining: true }],
    ["load", { overloaded: true }],
    ["capacity", { free: { ingest: 0, transcode: 999_999, storage: 0, delivery: 0 } }],
    ["capacity", {}, { reserved: [{ node: addressOf(1), units: 99_000_001 }] }],
    ["capacity", { speeds }, { codecs: ["vp9"], units: fittingVp9 + 1 }],
  ];
  for (const [name, row, request] of cases) {
    it(`counts a node with ${describeCase(row, request)} under "${name}" and gives it nothing`, () => {
      const found = choose([makeCandidate(1, row)], request);
      assert.equal(found.winner, undefined);
      const wanted = Object.fromEntries(filterNames.map((other) => [other, other === name ? 1 : 0]));
      assert.deepEqual(found.filterCounts, wanted);
    });
  }

  it("takes a ladder of VP9 where one of so many pixels of H.264 that take as long fits, and no more", () => {
    const found = choose([makeCandidate(1, { speeds })], { codecs: ["vp9"], units: fittingVp9 });
    assert.equal(found.winner, addressOf(1));
    assert.equal(choose([makeCandidate(1, { speeds })], { units: 100_000_000 }).winner, addressOf(1));
    // Of the same pixels of both codecs those of VP9 count.
    const both = choose([makeCandidate(1, { speeds })], { codecs: ["h264", "vp9"], units: fittingVp9 + 1 });
    assert.equal(both.filterCounts.capacity, 1);
  });

  function describeCase(row: object, request: object = {}): string {
    return Object.keys({ ...row, ...request }).join(", ");
  }

  it("lets the price at the ceiling through", () => {
    assert.equal(choose([makeCandidate(1)], { priceCeiling: 2n * 10n ** 18n }).winner, addressOf(1));
  });

  it("takes the dearest codec of a job for its price", () => {
    const request = { codecs: ["h264", "vp9"], priceCeiling: 3n * 10n ** 18n };
    assert.equal(choose([makeCandidate(1)], request).filterCounts.price, 1);
  });

  it("counts every candidate exactly once", () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 30 }), fc.nat(), (flags, seed) => {
        const rows = flags.map((draining, index) =>
          makeCandidate(index + 1, { draining, vetting: index % 2 === 0 ? "new" : "standing" }),
        );
        const found = choose(rows, {}, seedOf(seed));
        const failed = Object.values(found.filterCounts).reduce((sum, count) => sum + count, 0);
        assert.equal(failed + found.passed, rows.length);
      }),
    );
  });

  it("names whom each filter left out, as many as were counted", () => {
    const changes = fc.record({
      draining: fc.boolean(),
      overloaded: fc.boolean(),
      vetting: fc.constantFrom("new" as const, "probation" as const, "standing" as const),
    });
    fc.assert(
      fc.property(fc.array(changes, { maxLength: 30 }), fc.nat(), (all, number) => {
        const table = createTable(
          all.map((change, index) => makeCandidate(index + 1, change)),
          defaultParameters,
        );
        const request = makeRequest({ excluded: [{ node: addressOf(1), reason: "ORIGIN" }] });
        const found = select({ table, request, seed: seedOf(number), parameters: defaultParameters });
        const named = listFiltered(table, request, defaultParameters, found.lane);
        for (const name of filterNames) {
          assert.equal([...named.values()].filter((filter) => filter === name).length, found.filterCounts[name], name);
        }
        for (const { node } of found.ranked) assert.ok(!named.has(node));
      }),
    );
  });

  it("lets all pass where no vetted node does, and says so", () => {
    const found = choose([makeCandidate(1, { vetting: "new" }), makeCandidate(2, { vetting: "probation" })]);
    assert.equal(found.lane, "all");
    assert.equal(found.passed, 2);
  });

  it("gives new nodes 5 % and those on probation 20 % of the decisions", () => {
    const stages = ["new", "probation", "standing"] as const;
    const table = createTable(
      stages.map((vetting, index) => makeCandidate(index + 1, { vetting })),
      defaultParameters,
    );
    const wins = { new: 0, probation: 0, standing: 0 };
    for (let seed = 0; seed < 4000; seed += 1) {
      const found = select({ table, request: makeRequest(), seed: seedOf(seed), parameters: defaultParameters });
      wins[table.rows.find((row) => row.node === found.winner)!.vetting] += 1;
    }
    // Five standard deviations of a binomial: 69 of 200 and 126 of 800.
    assert.ok(Math.abs(wins.new - 200) < 70, `new won ${wins.new}`);
    assert.ok(Math.abs(wins.probation - 800) < 127, `probation won ${wins.probation}`);
  });

  it("draws in proportion to capacity", () => {
    const weights = [10, 20, 30, 40];
    const table = createTable(
      weights.map((weight, index) =>
        makeCandidate(index + 1, { free: { ingest: 0, transcode: weight * 1_000_000, storage: 0, delivery: 0 } }),
      ),
      defaultParameters,
    );
    const parameters = { ...defaultParameters, draw: 1 };
    const wins = weights.map(() => 0);
    for (let seed = 0; seed < 4000; seed += 1) {
      const found = select({ table, request: makeRequest(), seed: seedOf(seed), parameters });
      wins[table.indexOf.get(found.winner!)!]! += 1;
    }
    weights.forEach((weight, index) => {
      const wanted = 40 * weight;
      assert.ok(Math.abs(wins[index]! - wanted) < 160, `${weight} % won ${wins[index]} of 4000`);
    });
  });

  it("gives an operator that splits its capacity and stake in two the same share", () => {
    const free = (transcode: number) => ({ ingest: 0, transcode, storage: 0, delivery: 0 });
    const others = [2, 3, 4].map((number) => makeCandidate(number * 10, { free: free(50_000_000) }));
    const whole = [makeCandidate(50, { free: free(40_000_000), stake: 4n * 10n ** 18n }), ...others];
    const halves = [
      makeCandidate(1, { free: free(20_000_000), stake: 2n * 10n ** 18n }),
      makeCandidate(99, { free: free(20_000_000), stake: 2n * 10n ** 18n }),
      ...others,
    ];
    const shareOf = (rows: readonly Candidate[], own: readonly number[]) => {
      const table = createTable(rows, defaultParameters);
      let drawn = 0;
      for (let seed = 0; seed < 3000; seed += 1) {
        const found = select({ table, request: makeRequest(), seed: seedOf(seed), parameters: defaultParameters });
        if (found.ranked.some((entry) => own.map((number) => addressOf(number)).includes(entry.node))) drawn += 1;
      }
      return drawn;
    };
    // 1 - (1 - 40/190)^3 of 3000 is 1524; five standard deviations of a binomial are 137.
    for (const share of [shareOf(whole, [50]), shareOf(halves, [1, 99])]) {
      assert.ok(Math.abs(share - 1524) < 137, `drawn ${share} of 3000`);
    }
  });

  it("backs all nodes of an operator with one stake", () => {
    const operator = addressOf(7, 1);
    const free = { ingest: 0, transcode: 8_000_000, storage: 0, delivery: 0 };
    const stake = 10n ** 18n;
    const table = createTable(
      [1, 2, 3].map((number) => makeCandidate(number, { operator, stake, free })),
      defaultParameters,
    );
    assert.deepEqual([...table.backed.transcode], [8_000_000, 2_000_000, 0]);
  });

  it("prefers the cheaper of the drawn, then the nearer, then who holds the stream", () => {
    const dear = makeCandidate(1, {
      prices: [{ token: usdc, prices: { pixelH264: 10n ** 19n } }],
    });
    const far = makeCandidate(2, { region: "elsewhere" });
    const near = makeCandidate(3);
    const holder = makeCandidate(4);
    const parameters = { ...defaultParameters, draw: 64 };
    const found = choose(
      [dear, far, near, holder],
      { nearRegion: "local", holders: [holder.node] },
      seedOf(5),
      parameters,
    );
    assert.deepEqual(
      found.ranked.map((entry) => entry.node),
      [holder.node, near.node, far.node, dear.node],
    );
    for (const entry of found.ranked) {
      assert.equal(
        entry.cost,
        Object.values(entry.terms).reduce((sum, term) => sum + term, 0),
      );
    }
  });

  it("shuts a node out at 0.80 and lets it in again at 0.70", () => {
    const loads = [790, 800, 750, 701, 700, 790];
    let overloaded = false;
    const seen = loads.map((load) => {
      overloaded = nextOverloaded(overloaded, load);
      return overloaded;
    });
    assert.deepEqual(seen, [false, true, true, true, false, false]);
  });
});
