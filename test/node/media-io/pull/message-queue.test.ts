import assert from "node:assert/strict";
import { Socket } from "node:net";
import { type Clock, systemClock } from "@leat/node/kernel/clock.ts";
import { PullError } from "@leat/node/media-io/pull/errors.ts";
import { MessageQueue } from "@leat/node/media-io/pull/message-queue.ts";
import { Throttle } from "@leat/node/media-io/pull/pacing.ts";

const throttle = new Throttle(systemClock, 1e9);

describe("message queue of a pulled source", () => {
  it("reads its socket no further while half a megabyte waits, and on when it was used", async () => {
    const socket = new Socket();
    const queue = new MessageQueue<number>(socket, { idleMs: 10_000, throttle, signal: new AbortController().signal });
    socket.resume();
    for (const message of [1, 2, 3]) queue.push(message, 200_000);
    assert.equal(socket.isPaused(), true);
    const reader = queue.read();
    assert.deepEqual([(await reader.next()).value, socket.isPaused()], [1, false]);
    await reader.return();
    assert.equal(socket.destroyed, true);
  });

  it("counts messages that hold nothing, where they wait and in the pace of the source", async () => {
    const socket = new Socket();
    const pauses: number[] = [];
    // Each second is over as soon as it is waited for.
    let nowMs = 1e6;
    const sleep = async (timeMs: number) => {
      pauses.push(timeMs);
      nowMs += timeMs;
    };
    const clock: Clock = { nowMs: () => nowMs, sleep };
    const slow = new Throttle(clock, 262_144);
    const signal = new AbortController().signal;
    const queue = new MessageQueue<number>(socket, { idleMs: 10_000, throttle: slow, signal });
    socket.resume();
    for (let message = 0; message < 2_048; message += 1) queue.push(message, 0);
    assert.equal(socket.isPaused(), false);
    queue.push(2_048, 0);
    assert.equal(socket.isPaused(), true);
    const reader = queue.read();
    for (let message = 0; message < 2_048; message += 1) await reader.next();
    await reader.return();
    // Half a megabyte at a quarter of one a second, the first second's worth at once.
    assert.equal(
      pauses.reduce((sum, timeMs) => sum + timeMs, 0),
      1_000,
    );
  });

  it("gives what came before it failed, and then says why", async () => {
    const queue = new MessageQueue<string>(new Socket(), {
      idleMs: 10_000,
      throttle,
      signal: new AbortController().signal,
    });
    queue.push("first", 1);
    queue.fail(new PullError({ code: "PULL_SOURCE_LOST" }));
    queue.fail(new PullError({ code: "PULL_URL_INVALID" }));
    const reader = queue.read();
    assert.equal((await reader.next()).value, "first");
    await assert.rejects(reader.next(), { code: "PULL_SOURCE_LOST" });
  });

  it("counts as silence only the time in which it is waited for", async () => {
    const socket = new Socket();
    const queue = new MessageQueue<string>(socket, { idleMs: 20, throttle, signal: new AbortController().signal });
    queue.push("first", 1);
    const reader = queue.read();
    await reader.next();
    await systemClock.sleep(60, new AbortController().signal);
    queue.push("second", 1);
    assert.equal((await reader.next()).value, "second");
    await assert.rejects(reader.next(), { code: "PULL_IDLE" });
    assert.equal(socket.destroyed, true);
  });

  it("is left at once by whoever is told to stop", async () => {
    const stopping = new AbortController();
    const reader = new MessageQueue(new Socket(), { idleMs: 10_000, throttle, signal: stopping.signal }).read();
    const next = reader.next();
    stopping.abort();
    await assert.rejects(next, { name: "AbortError" });
  });
});
