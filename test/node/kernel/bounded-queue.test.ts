import assert from "node:assert/strict";
import { BoundedQueue } from "@leat/node/kernel/bounded-queue.ts";
import fc from "fast-check";

const sized = (overflow: "refuse" | "drop-oldest", onDrop?: (item: number) => void) =>
  new BoundedQueue<number>({ maxItems: 4, maxBytes: 100, sizeOf: (item) => item, overflow, onDrop });

describe("kernel/bounded-queue", () => {
  it("refuses what does not fit by count or by bytes", () => {
    const queue = sized("refuse");
    assert.deepEqual(
      [60, 50, 40, 0, 0, 0].map((item) => queue.offer(item)),
      [true, false, true, true, true, false],
    );
    assert.equal(queue.size, 4);
    assert.equal(queue.sizeBytes, 100);
  });

  it("drops the oldest for the newest and tells which", async () => {
    const dropped: number[] = [];
    const queue = sized("drop-oldest", (item) => dropped.push(item));
    for (const item of [60, 30, 80]) assert.equal(queue.offer(item), true);
    assert.deepEqual(dropped, [60, 30]);
    assert.equal(await queue.take(), 80);
    assert.equal(queue.sizeBytes, 0);
  });

  it("throws for an item that could never fit", async () => {
    const queue = sized("drop-oldest");
    assert.throws(() => queue.offer(101), { code: "KERNEL_QUEUE_ITEM_TOO_LARGE" });
    await assert.rejects(queue.push(101), { code: "KERNEL_QUEUE_ITEM_TOO_LARGE" });
  });

  it("makes a pusher wait for a reader, in order", async () => {
    const queue = new BoundedQueue<number>({ maxItems: 1, overflow: "refuse" });
    const pushes = [1, 2, 3].map((item) => queue.push(item));
    void Promise.all(pushes).then(() => queue.close());
    const seen: number[] = [];
    for await (const item of queue) seen.push(item);
    assert.deepEqual(seen, [1, 2, 3]);
  });

  it("lets a pusher leave by its signal and gives its turn to the next", async () => {
    const queue = new BoundedQueue<number>({ maxItems: 1, overflow: "refuse" });
    await queue.push(1);
    const controller = new AbortController();
    const leaving = assert.rejects(queue.push(2, controller.signal), { name: "AbortError" });
    const staying = queue.push(3);
    controller.abort();
    await leaving;
    assert.equal(await queue.take(), 1);
    await staying;
    assert.equal(await queue.take(), 3);
  });

  it("gives what is inside after close, then ends; a pusher that waits is refused", async () => {
    const queue = new BoundedQueue<number>({ maxItems: 1, overflow: "refuse" });
    await queue.push(1);
    const waiting = assert.rejects(queue.push(2), { code: "KERNEL_QUEUE_CLOSED" });
    queue.close();
    await waiting;
    assert.equal(await queue.take(), 1);
    assert.equal(await queue.take(), undefined);
    assert.equal(queue.offer(3), false);
  });

  it("hands a failure to its reader", async () => {
    const queue = new BoundedQueue<number>({ maxItems: 2, overflow: "refuse" });
    const reading = assert.rejects(queue.take(), /lost/);
    queue.fail(new Error("lost"));
    await reading;
    await assert.rejects(queue.take(), /lost/);
  });

  it("frees pushers when the reader leaves its loop", async () => {
    const queue = new BoundedQueue<number>({ maxItems: 1, overflow: "refuse" });
    await queue.push(1);
    // The first of them may get the place that the reader freed; nobody waits on.
    const waiting = Promise.allSettled([queue.push(2), queue.push(3)]);
    for await (const _ of queue) break;
    assert.equal((await waiting)[1].status, "rejected");
    assert.equal(queue.size, 0);
  });

  it("holds its bounds and its order under any mix of offers and takes", () => {
    return fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(fc.nat(120), fc.constant("take" as const)), { maxLength: 200 }),
        fc.constantFrom("refuse" as const, "drop-oldest" as const),
        async (steps, overflow) => {
          const model: number[] = [];
          const sum = () => model.reduce((total, item) => total + item, 0);
          const queue = sized(overflow, (item) => assert.equal(item, model.shift()));
          for (const step of steps) {
            if (step === "take") {
              if (model.length > 0) assert.equal(await queue.take(), model.shift());
            } else if (step <= 100) {
              if (queue.offer(step)) model.push(step);
              else assert.ok(overflow === "refuse" && (model.length === 4 || sum() + step > 100));
            }
            assert.ok(queue.size <= 4 && queue.sizeBytes <= 100);
            assert.deepEqual([queue.size, queue.sizeBytes], [model.length, sum()]);
          }
        },
      ),
    );
  });
});
