import assert from "node:assert/strict";
import { LoopShare } from "@leat/node/kernel/loop-share.ts";

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("share of the event loop", () => {
  it("runs so many tasks a turn, the first at once and all in order", async () => {
    const share = new LoopShare({ perTurn: 3, mostWaiting: 10 });
    const ran: number[] = [];
    for (let task = 0; task < 7; task += 1) share.run(() => ran.push(task));
    assert.deepEqual(ran, [0, 1, 2]);
    await turn();
    assert.deepEqual(ran, [0, 1, 2, 3, 4, 5]);
    share.run(() => ran.push(7));
    await turn();
    assert.deepEqual(ran, [0, 1, 2, 3, 4, 5, 6, 7]);
    await turn();
    for (let task = 8; task < 11; task += 1) share.run(() => ran.push(task));
    assert.equal(ran.at(-1), 10);
  });

  it("lets so many run at once again in each turn", async () => {
    const share = new LoopShare({ perTurn: 2, mostWaiting: 10 });
    let ran = 0;
    for (let count = 0; count < 4; count += 1) {
      share.run(() => (ran += 1));
      share.run(() => (ran += 1));
      assert.equal(ran, 2 * (count + 1));
      await turn();
    }
  });

  it("keeps no more than so many waiting, and runs the oldest for each that comes", async () => {
    const share = new LoopShare({ perTurn: 1, mostWaiting: 2 });
    const ran: number[] = [];
    for (let task = 0; task < 6; task += 1) share.run(() => ran.push(task));
    assert.deepEqual(ran, [0, 1, 2, 3]);
    await turn();
    await turn();
    assert.deepEqual(ran, [0, 1, 2, 3, 4, 5]);
  });

  it("gives what a task adds its place behind those that wait", async () => {
    const share = new LoopShare({ perTurn: 1, mostWaiting: 10 });
    const ran: string[] = [];
    share.run(() => {
      ran.push("first");
      share.run(() => ran.push("added"));
    });
    assert.deepEqual(ran, ["first"]);
    share.run(() => ran.push("last"));
    for (let count = 0; count < 3; count += 1) await turn();
    assert.deepEqual(ran, ["first", "added", "last"]);
  });
});
