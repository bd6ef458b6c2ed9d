import assert from "node:assert/strict";
import { type EdgeDemand, type EdgeUse, nextEdgeDemand, useOf } from "@leat/sdk/selection/edge-demand.ts";
import fc from "fast-check";

const rules = { fewest: 2, most: 5, viewerBytesPerSecond: 100, calmMs: 60_000, settleMs: 10_000 };
/** Each serves 1,000 viewers of 100 bytes a second at most. */
const edge = (viewers: number, loadPermille = 0): EdgeUse => ({ viewers, loadPermille, bytesPerSecond: 100_000 });
const edges = (count: number, viewers: number) => Array.from({ length: count }, () => edge(viewers / count));

describe("how many edges a stream has", () => {
  it("is counted in what each of them can do, by its line or its machine, and nothing where nobody watches", () => {
    assert.equal(useOf(edge(300), 100), 300);
    assert.equal(useOf(edge(300, 650), 100), 650);
    assert.equal(useOf(edge(0, 990), 100), 0);
  });

  it("is not for one edge to say, whatever it claims", () => {
    const claims = edge(Number.MAX_SAFE_INTEGER, 1_000_000);
    assert.equal(nextEdgeDemand({ edges: 3 }, [claims, edge(500), edge(500)], rules, 0).edges, 3);
    assert.equal(nextEdgeDemand({ edges: 3 }, [claims, edge(550), edge(550)], rules, 0).edges, 4);
  });

  it("grows by one where all are busy, and by the next once that one had time to help", () => {
    let demand: EdgeDemand = { edges: 2 };
    demand = nextEdgeDemand(demand, [edge(700), edge(699)], rules, 0);
    assert.deepEqual(demand, { edges: 2 });
    demand = nextEdgeDemand(demand, [edge(800), edge(600)], rules, 1_000);
    assert.deepEqual(demand, { edges: 3, changedAtMs: 1_000, reason: "BUSY" });
    // It is not there yet, and then it has just come.
    demand = nextEdgeDemand(demand, edges(2, 1_800), rules, 20_000);
    assert.equal(demand.edges, 3);
    demand = nextEdgeDemand({ ...demand, changedAtMs: 15_000 }, edges(3, 2_700), rules, 20_000);
    assert.equal(demand.edges, 3);
    demand = nextEdgeDemand(demand, edges(3, 2_700), rules, 25_000);
    assert.deepEqual([demand.edges, demand.reason], [4, "BUSY"]);
    assert.equal(nextEdgeDemand({ edges: 5 }, edges(5, 5_000), rules, 0).edges, 5);
  });

  it("shrinks by one where the others would be calm without it, for long, and not below the fewest", () => {
    let demand: EdgeDemand = { edges: 3 };
    demand = nextEdgeDemand(demand, edges(3, 800), rules, 1_000);
    assert.deepEqual(demand, { edges: 3, calmSinceMs: 1_000 });
    assert.deepEqual(nextEdgeDemand(demand, edges(3, 801), rules, 2_000), { edges: 3 });
    assert.equal(nextEdgeDemand(demand, edges(3, 800), rules, 60_999).edges, 3);
    demand = nextEdgeDemand(demand, edges(3, 800), rules, 61_000);
    assert.deepEqual([demand.edges, demand.reason], [2, "CALM"]);
    assert.deepEqual(nextEdgeDemand(demand, edges(2, 0), rules, 999_000).edges, 2);
  });

  it("does not flap: with viewers as they are it comes to rest and stays", () => {
    const viewers = fc.integer({ min: 0, max: 6_000 });
    fc.assert(
      fc.property(viewers, fc.integer({ min: 2, max: 5 }), (watching, from) => {
        let demand: EdgeDemand = { edges: from };
        const seen: number[] = [];
        for (let nowMs = 0; nowMs <= 600_000; nowMs += 1_000) {
          demand = nextEdgeDemand(demand, edges(demand.edges, watching), rules, nowMs);
          if (seen.at(-1) !== demand.edges) seen.push(demand.edges);
        }
        const isRising = seen.every((count, at) => at === 0 || count > seen[at - 1]!);
        const isFalling = seen.every((count, at) => at === 0 || count < seen[at - 1]!);
        assert.ok(isRising || isFalling, `${seen}`);
      }),
    );
  });
});
