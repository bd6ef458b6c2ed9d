import assert from "node:assert/strict";
import { ViewerCount } from "@leat/node/services/balancer/viewer-count.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

const stream = { id: "0xid" } as never;

describe("viewers of a stream", () => {
  const edges = ["0x1", "0x2"].map((node) => ({
    row: { id: `job of ${node}`, primitive: "delivery", state: "running" },
    attempt: { node, state: "running" },
  }));
  let clock: ManualClock;
  let told: Record<string, number>;
  let looksAt: readonly object[];
  let viewers: ViewerCount;

  beforeEach(() => {
    clock = new ManualClock();
    told = { "0x1": 3, "0x2": 1 };
    looksAt = [];
    const beat = (node: string) => ({ heartbeat: { jobs: [{ job: `job of ${node}`, viewers: told[node] }] } });
    const hub = { nodes: { get: beat } };
    const others = [
      { row: { id: "job of 0x1", primitive: "delivery", state: "waiting" }, attempt: edges[0]!.attempt },
      { row: { id: "job of 0x1", primitive: "transcode", state: "running" }, attempt: edges[0]!.attempt },
    ];
    viewers = new ViewerCount({ hub, clock } as never, {
      jobs: { ofStream: () => [...edges, ...others] as never },
      isAgentAt: (_stream, live) => looksAt.includes(live),
    });
  });

  it("are those of the edges that run, without the buyer's agent at each that it looks at", () => {
    assert.equal(viewers.of(stream), 4);
    looksAt = [edges[0]!];
    assert.equal(viewers.of(stream), 3);
    looksAt = edges;
    assert.equal(viewers.of(stream), 2);
    assert.deepEqual(
      edges.map((edge) => viewers.at(stream, edge as never)),
      [2, 0],
    );
    told["0x2"] = 0;
    assert.equal(viewers.of(stream), 2);
  });

  it("are without the agent for as long as an edge counts who looks away", async () => {
    looksAt = edges;
    assert.equal(viewers.of(stream), 2);
    looksAt = [];
    await clock.advance(14_999);
    assert.equal(viewers.of(stream), 2);
    await clock.advance(1);
    assert.equal(viewers.of(stream), 4);
  });
});
