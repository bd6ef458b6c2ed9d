import assert from "node:assert/strict";
import { CandidateBook } from "@leat/node/services/balancer/candidates.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import { defaultParameters } from "@leat/sdk/selection/parameters.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { ladderPixels, measuredSpeeds } from "../../../support/measured-speeds.ts";
import { heartbeat, offerBody } from "../../../support/session-fixtures.ts";

const node: Address = `0x${"0a".repeat(20)}`;
const jobOf = (digit: number): Hex => `0x${`${digit}`.repeat(64)}`;

describe("candidates", () => {
  let clock: ManualClock;
  let book: CandidateBook;

  beforeEach(() => {
    clock = new ManualClock();
    const codecs = [...measuredSpeeds.filter(({ codec }) => codec !== "hevc"), { codec: "hevc", pixelsPerSecond: 0 }];
    const hello = { roles: ["transcode"], region: "local", offer: { body: offerBody({ codecs } as never) } };
    const presence = { node, hello, heartbeat: { ...heartbeat, rttMs: 1 }, heartbeatAtMs: clock.nowMs() };
    const operator = { stake: 10n ** 24n, nodes: new Map() };
    book = new CandidateBook(
      {
        clock,
        hub: { nodes: new Map([[node, presence]]) },
        chain: { operatorOf: () => node, operator: () => operator },
        evidence: { isGuilty: () => false },
      } as never,
      defaultParameters,
    );
  });

  it("stand in the table with the speed of each codec that works", () => {
    const [row] = book.table().rows;
    assert.deepEqual(row!.codecs, ["h264", "vp9", "av1"]);
    assert.deepEqual(
      row!.speeds,
      measuredSpeeds.filter(({ codec }) => codec !== "hevc"),
    );
  });

  it("have given away what a job takes of them until their own figures say so: by its codec", () => {
    book.reserve(node, jobOf(1), "transcode", ladderPixels, "av1");
    book.reserve(node, jobOf(2), "transcode", ladderPixels, "h264");
    book.reserve(node, jobOf(3), "delivery", 1_000);
    assert.deepEqual(book.reserved("transcode"), [
      { node, units: 27_249_361 },
      { node, units: 9_979_200 },
    ]);
    assert.deepEqual(book.reserved("delivery"), [{ node, units: 1_000 }]);
    // Another part of the stream in the place of what was reserved for the job.
    book.reserve(node, jobOf(1), "transcode", ladderPixels, "vp9");
    assert.deepEqual(
      book.reserved("transcode").map(({ units }) => units),
      [9_979_200, 14_134_077],
    );
  });
});
