import assert from "node:assert/strict";
import { Ear } from "./ear.ts";

const PER_MS = 48;
const PIECE_MS = 20;
const BEEP_MS = 100;
const EVERY_MS = 2_000;

/** Whether a beep is there, one every two seconds. */
const isLoud = (atMs: number) => ((atMs % EVERY_MS) + EVERY_MS) % EVERY_MS < BEEP_MS;

/** What an ear hears of it in pieces, but for those that begin where something is missing. */
function hear(fromMs: number, toMs: number, isMissing: (atMs: number) => boolean = () => false): number[] {
  const ear = new Ear(PER_MS);
  const heard: number[] = [];
  for (let atMs = fromMs; atMs < toMs; atMs += PIECE_MS) {
    const level = (index: number) => (isLoud(atMs + index / PER_MS) ? 0.4 * (-1) ** index : 0.01);
    const piece = Float32Array.from({ length: PIECE_MS * PER_MS }, (_, index) => level(index));
    if (!isMissing(atMs)) heard.push(...ear.hear(piece, atMs));
  }
  return heard;
}

describe("ear", () => {
  it("hears when each beep begins, to the sample", () => {
    const found = hear(1_007, 6_500);
    assert.deepEqual(found.map(Math.round), [2_000, 4_000, 6_000]);
    for (const [index, atMs] of found.entries()) assert.ok(Math.abs(atMs - EVERY_MS * (index + 1)) < 1 / PER_MS + 1e-6);
  });

  it("cannot tell when a beep began that was there before it listened", () => {
    for (const joinedMs of [2_000, 2_005, 2_095]) assert.deepEqual(hear(joinedMs, 4_500).map(Math.round), [4_000]);
  });

  it("cannot tell when a beep began of which the beginning is missing", () => {
    for (const [fromMs, toMs] of [
      [2_000, 2_020],
      [3_980, 4_040],
      [2_100, 4_040],
    ] as const) {
      const found = hear(1_000, 6_500, (atMs) => atMs >= fromMs && atMs < toMs).map(Math.round);
      const began = [2_000, 4_000, 6_000].filter((atMs) => atMs < fromMs || atMs >= toMs);
      assert.deepEqual(found, began);
    }
  });

  it("minds no times that are rounded", () => {
    const ear = new Ear(PER_MS);
    const heard: number[] = [];
    for (let atMs = 0; atMs < 2_100; atMs += 64 / 3) {
      const piece = Float32Array.from({ length: 1_024 }, (_, index) => (isLoud(atMs + index / PER_MS) ? 0.4 : 0));
      heard.push(...ear.hear(piece, Math.round(atMs)));
    }
    assert.equal(heard.length, 1);
    assert.ok(Math.abs(heard[0]! - EVERY_MS) <= 0.5);
  });
});
