import assert from "node:assert/strict";
import { setImmediate as immediate } from "node:timers/promises";
import { Turns } from "../../../node/kernel/turns.ts";

/** Longer than any test. */
const NEVER_MS = 86_400_000;

describe("turns", () => {
  /** Whether it resolved by the time that whatever was due at once has happened. */
  const isOver = async (turn: Promise<void>) => {
    let over = false;
    void turn.then(() => {
      over = true;
    });
    for (let at = 0; at < 5; at += 1) await immediate();
    return over;
  };

  it("gives all that come in one moment one turn, and the next one later", async () => {
    const turns = new Turns({ everyMs: NEVER_MS, atOnce: 2, most: 100 });
    await Promise.all([turns.next(), turns.next(), turns.next()]);
    await turns.next();
    const late = turns.next();
    assert.equal(await isOver(late), false);
    // Lets go of the timer.
    for (let at = 1; at < 100; at += 1) void turns.next();
    assert.equal(await isOver(late), true);
  });

  it("keeps no more waiting than it was told, however many come", async () => {
    const turns = new Turns({ everyMs: NEVER_MS, atOnce: 1, most: 3 });
    await turns.next();
    for (let round = 0; round < 20; round += 1) await Promise.all([turns.next(), turns.next(), turns.next()]);
  });

  it("lets many share the next turn after one that many shared, and no longer", async () => {
    const turns = new Turns({ everyMs: 1, atOnce: 1, most: 100, crowd: { least: 3, everyMs: NEVER_MS } });
    await turns.next();
    await Promise.all([turns.next(), turns.next(), turns.next()]);
    const late = turns.next();
    assert.equal(await isOver(late), false);
    for (let at = 1; at < 99; at += 1) void turns.next();
    assert.equal(await isOver(late), false);
    await turns.next();
    assert.equal(await isOver(late), true);
    const sparse = new Turns({ everyMs: 1, atOnce: 1, most: 100, crowd: { least: 3, everyMs: NEVER_MS } });
    for (let round = 0; round < 5; round += 1) await Promise.all([sparse.next(), sparse.next()]);
  });

  it("earns a turn after a while", async () => {
    const turns = new Turns({ everyMs: 2, atOnce: 1, most: 100 });
    for (let round = 0; round < 5; round += 1) await turns.next();
  });
});
