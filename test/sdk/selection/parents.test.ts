import assert from "node:assert/strict";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import { defaultParameters } from "@leat/sdk/selection/parameters.ts";
import { chooseParents, type ParentRequest, type StreamHolder, summarizeParents } from "@leat/sdk/selection/parents.ts";
import fc from "fast-check";

const nodeOf = (number: number): Address => `0x${`${number}`.padStart(40, "0")}`;
const origin: StreamHolder = { node: nodeOf(0), region: "eu", rttMs: 10, depth: 0, feeds: 0, parents: [] };
const holder = (number: number, changes: Partial<StreamHolder> = {}): StreamHolder => ({
  ...{ node: nodeOf(number), region: "eu", rttMs: 10, depth: 1, feeds: 0, parents: [] },
  ...changes,
});
const request = (changes: Partial<ParentRequest> = {}): ParentRequest => ({
  ...{ node: nodeOf(9), region: "eu", rttMs: 10, fanOut: 2, refused: new Set() },
  ...changes,
});
const choose = (changes: Partial<ParentRequest>, edges: readonly StreamHolder[], from = origin) =>
  chooseParents(request(changes), from, edges, defaultParameters);

describe("parents of an edge", () => {
  it("are the nearest holder that has room, and those that stand in are no further from the origin", () => {
    const near = holder(1, { region: "ap" });
    const other = holder(2, { rttMs: 20 });
    const deep = holder(3, { region: "ap", depth: 2 });
    const full = holder(4, { region: "ap", feeds: 2 });
    const choice = choose({ region: "ap" }, [other, near, deep, full]);
    assert.deepEqual([choice.parents, choice.depth], [[near.node, other.node], 2]);
    assert.deepEqual(
      choice.weighed.map(({ node, cost, fault }) => [node, cost, fault]),
      [
        [near.node, 500, undefined],
        [full.node, 500, "FULL"],
        [origin.node, 1_000, undefined],
        [deep.node, 1_000, undefined],
        [other.node, 1_600, undefined],
      ],
    );
    assert.equal(choice.reason, "NEAREST");
    // The origin is asked last by everybody and stands in no list.
    assert.deepEqual(choose({}, [near]).parents, []);
  });

  it("are near to the edge, not to the balancer, also where no region says so", () => {
    const [here, there] = [holder(1, { rttMs: 245 }), holder(2, { rttMs: 15 })];
    const far = choose({ rttMs: 250 }, [here, there]);
    assert.deepEqual(
      far.weighed.map(({ node, cost }) => [node, cost]),
      [
        [here.node, 50 + 500],
        [origin.node, 2_400],
        [there.node, 2_350 + 500],
      ],
    );
    assert.equal(far.parents[0], here.node);
    assert.deepEqual(choose({ rttMs: 12 }, [here, there]).parents, []);
    // Who was not measured is neither near nor far.
    const unknown = [holder(1, { rttMs: undefined }), there];
    const termsOf = (choice: ReturnType<typeof choose>) => choice.weighed.map(({ terms }) => terms.rtt);
    assert.deepEqual(termsOf(choose({ rttMs: 250 }, unknown)), [0, 2_400, 2_350]);
    assert.deepEqual(termsOf(choose({ rttMs: undefined }, [here, there])), [0, 0, 0]);
  });

  it("are none at the origin itself, and the origin where nobody else has room or is believed", () => {
    assert.deepEqual(choose({ node: origin.node }, [holder(1)]), {
      ...{ parents: [], depth: 1, isLastResort: false, reason: "OWN", weighed: [] },
    });
    const crowded = { ...origin, feeds: 7 };
    const last = choose({}, [holder(1, { feeds: 2 })], crowded);
    assert.deepEqual([last.parents, last.isLastResort, last.reason], [[], true, "LAST_RESORT"]);
    assert.equal(choose({}, [holder(1, { feeds: 2 })]).isLastResort, false);
    const refused = new Set([nodeOf(1), origin.node]);
    assert.deepEqual(choose({ refused }, [holder(1)], crowded).parents, []);
    assert.deepEqual(choose({}, [holder(1)], crowded).parents, [nodeOf(1)]);
  });

  it("stay as they are while nothing speaks against it, and are nearer to the origin than the edge", () => {
    const edges = [holder(1, { region: "ap" }), holder(2), holder(3, { depth: 2 })];
    const reasonFor = (held: number) => choose({ depth: 2, held: nodeOf(held) }, edges, { ...origin, feeds: 2 }).reason;
    assert.deepEqual([reasonFor(1), reasonFor(2)], ["KEPT", "NEAREST"]);
    assert.equal(choose({ depth: 2, held: nodeOf(2) }, edges, { ...origin, feeds: 2 }).parents[0], nodeOf(2));
    const below = choose({ depth: 2, held: nodeOf(3) }, edges, { ...origin, feeds: 2 });
    assert.deepEqual(below.parents, [nodeOf(2), nodeOf(1)]);
    assert.deepEqual(below.weighed.find(({ node }) => node === nodeOf(3))!.fault, "BELOW");
  });

  it("are never an edge that may ask it, when it comes back further from the origin than it was", () => {
    const crowded = { ...origin, feeds: 2 };
    const child = holder(1, { region: "ap", depth: 2, parents: [nodeOf(9)] });
    const grandchild = holder(2, { region: "ap", depth: 3, parents: [nodeOf(5), nodeOf(1)] });
    const other = holder(3, { depth: 3 });
    const choice = choose({ region: "ap" }, [child, grandchild, other], crowded);
    assert.deepEqual([choice.parents, choice.depth], [[other.node], 4]);
    assert.deepEqual(
      [child, grandchild].map(({ node }) => choice.weighed.find((one) => one.node === node)!.fault),
      ["BELOW", "BELOW"],
    );
  });

  it("are shown with the cheapest of those that were weighed, and those that were chosen", () => {
    const edges = Array.from({ length: 9 }, (_, at) =>
      holder(at + 1, { node: nodeOf(at + 10), rttMs: 20 + at, feeds: 2 }),
    );
    const held = holder(8, { rttMs: 500 });
    const choice = choose({ held: held.node }, [...edges, held], { ...origin, feeds: 2 });
    const { reason, weighed, more } = summarizeParents(choice, 3);
    assert.deepEqual(
      [reason, weighed.map(({ node }) => node), more],
      ["NEAREST", [origin.node, nodeOf(10), nodeOf(11), held.node], 7],
    );
  });

  /** Edges as a balancer keeps them: what each was told last, and its depth. */
  interface Edge {
    parents: readonly Address[];
    depth: number;
  }

  it("hold the bound and make no circle, whoever comes, goes and stands in", () => {
    const step = fc.record({ what: fc.constantFrom("come", "go", "told"), who: fc.nat(11) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 4 }), (steps, fanOut) => {
        const edges = new Map<Address, Edge>();
        const holders = (without: Address) =>
          [...edges]
            .filter(([node]) => node !== without)
            .map(([node, { parents, depth }]) => ({
              ...holder(0),
              ...{ node, depth, parents, feeds: feedsOf(node, without) },
            }));
        const feedsOf = (node: Address, without: Address) =>
          [...edges].filter(([child, { parents }]) => child !== without && (parents[0] ?? origin.node) === node).length;
        const choice = (node: Address, depth?: number) => {
          const from = { ...origin, feeds: feedsOf(origin.node, node) };
          const place = depth === undefined ? {} : { depth, held: edges.get(node)!.parents[0] ?? origin.node };
          return chooseParents(request({ node, fanOut, ...place }), from, holders(node), defaultParameters);
        };
        for (const { what, who } of steps) {
          const node = nodeOf(who + 1);
          const edge = edges.get(node);
          if (what === "come" && edge === undefined) {
            const { parents, depth } = choice(node);
            edges.set(node, { parents, depth });
            assert.ok(feedsOf(parents[0] ?? origin.node, nodeOf(99)) <= fanOut, "bound");
          }
          if (what === "go") edges.delete(node);
          if (what === "told" && edge !== undefined) {
            const { parents, depth } = choice(node, edge.depth);
            if (depth <= edge.depth) edges.set(node, { parents, depth });
          }
          // Whoever of its list an edge asks: the way leads to the origin.
          for (const [from] of edges) assert.ok(!reaches(edges, from, from), "circle");
        }
      }),
    );
  });
});

function reaches(edges: ReadonlyMap<Address, { readonly parents: readonly Address[] }>, from: Address, to: Address) {
  const seen = new Set<Address>();
  const open = [...(edges.get(from)?.parents ?? [])];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (next === to) return true;
    if (seen.has(next)) continue;
    seen.add(next);
    open.push(...(edges.get(next)?.parents ?? []));
  }
  return false;
}
