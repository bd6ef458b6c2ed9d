import assert from "node:assert/strict";
import { RefusedHolders } from "@leat/node/services/balancer/refused-holders.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";

const jobOf = (number: number): Hex => `0x${`${number}`.padStart(64, "0")}`;
const nodeOf = (number: number): Address => `0x${`${number}`.padStart(40, "0")}`;
const [liar, other] = [nodeOf(1), nodeOf(2)];

describe("holders that edges refuse", () => {
  let refused: RefusedHolders;

  beforeEach(() => {
    refused = new RefusedHolders();
  });

  it("are condemned by edges of two known operators alone, and for altering the stream alone", () => {
    for (const job of [1, 2, 3, 4]) {
      refused.note(jobOf(job), liar, "DELIVERY_PART_ALTERED", 0);
      refused.note(jobOf(job), other, "DELIVERY_PARENT_SILENT", 0);
    }
    const edge = (job: number, operator?: number) => ({
      job: jobOf(job),
      operator: operator === undefined ? undefined : nodeOf(operator),
    });
    assert.deepEqual(refused.condemned([edge(1, 8), edge(2), edge(3), edge(4, 8)]), []);
    assert.deepEqual(refused.condemned([edge(1, 8), edge(2, 9)]), [liar]);
  });

  it("are named again after a while that goes by what they did, and never if they altered the stream", () => {
    const codes = ["DELIVERY_PARENT_SILENT", "DELIVERY_PARENT_BEHIND", "DELIVERY_MESSAGE_UNEXPECTED"];
    for (const [at, code] of codes.entries()) refused.note(jobOf(1), nodeOf(at), code, 1_000);
    refused.note(jobOf(1), nodeOf(1), "DELIVERY_FEEDS_FULL", 1_001);
    refused.note(jobOf(3), liar, "DELIVERY_RUNG_WITHHELD", 1_000);
    refused.note(jobOf(3), other, "DELIVERY_SEGMENTS_CUT", 1_000);
    assert.deepEqual(
      [600_999, 601_000].map((nowMs) => refused.of(jobOf(3), nowMs)),
      [[liar, other], []],
    );
    const nodes = (count: number) => [0, 1, 2].slice(count).map(nodeOf);
    assert.deepEqual(
      [60_999, 61_000, 600_999, 601_000].map((nowMs) => refused.of(jobOf(1), nowMs)),
      [...[nodes(0), nodes(1), nodes(1), nodes(2)]],
    );
    const next = (nowMs: number) => refused.nextMs([jobOf(1), jobOf(2)], nowMs);
    assert.deepEqual([1_000, 61_000, 601_000].map(next), [61_000, 601_000, undefined]);
    refused.keepOnly((job) => job !== jobOf(1));
    assert.deepEqual(refused.of(jobOf(1), 1_000), []);
  });

  it("are told of as new once for the same thing", () => {
    const note = (code: string, nowMs: number) => refused.note(jobOf(1), liar, code, nowMs);
    assert.deepEqual([note("DELIVERY_FEEDS_FULL", 0), note("DELIVERY_FEEDS_FULL", 1)], [true, false]);
    assert.deepEqual([note("DELIVERY_FEEDS_FULL", 70_000), note("DELIVERY_PARENT_SILENT", 70_001)], [true, true]);
  });
});
