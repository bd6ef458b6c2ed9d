import assert from "node:assert/strict";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import { PeerScores } from "../../../node/wire/peer-scores.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const peerOf = (index: number): Address => `0x${index.toString(16).padStart(40, "0")}`;

describe("peer scores", () => {
  it("ban a peer at ten points, tell once, and forgive with time", async () => {
    const clock = new ManualClock();
    const banned: Address[] = [];
    const scores = new PeerScores(clock, (peer) => banned.push(peer));
    for (let count = 0; count < 9; count += 1) scores.add(peerOf(1), 1);
    assert.equal(scores.isBanned(peerOf(1)), false);
    scores.add(peerOf(1), 1);
    scores.add(peerOf(1), 1);
    assert.deepEqual(banned, [peerOf(1)]);
    assert.equal(scores.isBanned(peerOf(1)), true);
    assert.equal(scores.isBanned(peerOf(2)), false);
    await clock.advance(600_000);
    assert.equal(scores.isBanned(peerOf(1)), false);
    assert.equal(scores.scoreOf(peerOf(1)), 5.5);
  });

  it("stay bounded", () => {
    const scores = new PeerScores(new ManualClock());
    for (let index = 0; index < 10_050; index += 1) scores.add(peerOf(index), 1);
    assert.equal(scores.size, 10_000);
    assert.equal(scores.scoreOf(peerOf(0)), 0);
    assert.equal(scores.scoreOf(peerOf(10_049)), 1);
  });
});
