import assert from "node:assert/strict";
import { describeFeed, describeTree } from "@leat/node/cli/feed-report.ts";
import type { FeedInfo } from "@leat/sdk/client/actions/streams.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";

const address = (digit: string): Address => `0x${digit.repeat(40)}`;
const origin = address("0");
const [a, b, c] = [address("a"), address("b"), address("c")];
const chosenAtMs = 1_700_000_000_000;
const time = "2023-11-14 22:13:20 UTC";
const feedOf = (holder: Address, changes: Partial<FeedInfo> = {}): FeedInfo => ({
  ...{ origin, holder, isConfirmed: true, parents: holder === origin ? [] : [holder], depth: 1, refused: [] },
  choice: { reason: "NEAREST", weighed: [], more: 0, chosenAtMs },
  ...changes,
});
const jobOf = (part: string, node: Address, feed: FeedInfo | null) => ({
  part,
  attempts: [
    { node: address("9"), state: "ended" },
    { node, state: "running" },
  ],
  feed,
});

describe("report of who feeds edges", () => {
  it("shows the tree from the origin outwards, each edge once, with why", () => {
    const refused = [{ node: a, code: "DELIVERY_PARENT_LATE", untilMs: chosenAtMs }];
    const jobs = [
      jobOf("fallback", b, feedOf(a, { depth: 2 })),
      jobOf("h264", address("7"), null),
      jobOf("extra-1", c, feedOf(b, { choice: null, isConfirmed: false, depth: 3 })),
      jobOf("primary", a, feedOf(origin)),
      jobOf(
        "extra-2",
        address("d"),
        feedOf(origin, { refused, choice: { ...feedOf(origin).choice!, reason: "LAST_RESORT" } }),
      ),
    ];
    assert.deepEqual(describeTree(jobs), [
      `who feeds whom, with why; ${origin} is the origin`,
      `  primary ${a} from the origin: the nearest that had room`,
      `    fallback ${b} from ${a}: the nearest that had room`,
      `      extra-1 ${c} from ${b}, as it was told: chosen before the balancer started`,
      `  extra-2 ${address("d")} from the origin: nobody had room: the origin feeds it until somebody does; not ${a}, DELIVERY_PARENT_LATE: what it brought fell behind the stream`,
    ]);
    assert.deepEqual(describeTree([jobOf("h264", a, null)]), []);
  });

  it("shows each edge once where two say that they have it from one another, or from one that is gone", () => {
    const jobs = [
      jobOf("primary", a, feedOf(b)),
      jobOf("fallback", b, feedOf(a)),
      jobOf("extra-1", c, feedOf(address("8"))),
      jobOf("extra-2", origin, feedOf(origin)),
    ];
    const named = describeTree(jobs).map((line) => line.trim().split(" ")[0]);
    assert.deepEqual(named, ["who", "extra-1", "extra-2", "primary", "fallback"]);
  });

  it("tells what one was chosen by, in points, and who is not named to it", () => {
    const terms = { rtt: 100, distance: 0, steps: 500 };
    const feed = feedOf(a, {
      parents: [a, b],
      depth: 2,
      choice: {
        reason: "KEPT",
        weighed: [
          { node: c, terms: { rtt: 0, distance: 0, steps: 0 }, cost: 0, fault: "FULL" },
          { node: a, terms, cost: 600 },
          { node: origin, terms: { rtt: 10, distance: 1_000, steps: 0 }, cost: 1_010 },
        ],
        more: 4,
        chosenAtMs,
      },
      refused: [
        { node: address("8"), code: "DELIVERY_PART_ALTERED", untilMs: null },
        { node: address("7"), code: "OF_ANOTHER_VERSION", untilMs: chosenAtMs },
      ],
    });
    assert.deepEqual(describeFeed(feed), [
      `this edge serves now: it has the stream from ${a}, by 2 steps`,
      `  in its place it may ask ${b}, and the origin`,
      `  chosen at ${time}: it had it from there, and nothing spoke against that`,
      "  of those that had the stream, the cheapest first:",
      `    ${c} costs 0 points: feeds as many as it may`,
      `    ${a} costs 600 points, round trips apart 100, steps to the origin 500`,
      `    ${origin}, the origin, costs 1010 points, round trips apart 10, distance 1000`,
      "    and 4 more",
      `  ${address("8")} is not named to it ever again: DELIVERY_PART_ALTERED: it sent what the origin did not publish`,
      `  ${address("7")} is not named to it before ${time}: OF_ANOTHER_VERSION`,
    ]);
    assert.deepEqual(describeFeed(feedOf(origin, { choice: null, isConfirmed: false })), [
      `this edge serves now: it is to have the stream from ${origin}, the origin, by 1 step`,
      "  it was chosen before the balancer started",
    ]);
  });
});
