import assert from "node:assert/strict";
import { Pacer } from "@leat/node/media-io/whep/pacer.ts";

const packetBytes = 1_200;

describe("pacer", () => {
  it("lets a small frame out at once, and spreads a large one over the time that it takes", () => {
    const sent: number[] = [];
    const pacer = new Pacer(({ timestamp }) => sent.push(timestamp) > 0, 0);
    pacer.push(packets(10, 1), 0);
    assert.equal(sent.length, 10);
    pacer.push(packets(100, 2), 33);
    assert.ok(sent.length < 110 && sent.length >= 20);
    let nowMs = 33;
    while (pacer.queuedBytes > 0) {
      nowMs += 5;
      const before = sent.length;
      pacer.drain(nowMs);
      assert.ok(sent.length - before <= 24_000 / packetBytes + 1, "no more than a burst at once");
    }
    assert.equal(sent.length, 110);
    // 120 KB at 10 Mb/s, less what may leave in one go.
    assert.ok(nowMs - 33 >= 70 && nowMs - 33 <= 100, `${nowMs - 33} ms`);
  });

  it("keeps the order, and tells each when it went", () => {
    const told: number[] = [];
    const pacer = new Pacer(() => true, 0);
    pacer.push(
      packets(50, 7).map((one, index) => ({ ...one, onSent: () => told.push(index) })),
      0,
    );
    for (let nowMs = 5; pacer.queuedBytes > 0; nowMs += 5) pacer.drain(nowMs);
    assert.deepEqual(
      told,
      Array.from({ length: 50 }, (_, index) => index),
    );
  });

  it("says that a viewer is behind by its bytes and by its time, and is not any more once cleared", () => {
    const pacer = new Pacer(() => true, 0);
    pacer.push(packets(2_000, 1), 0);
    assert.equal(pacer.isBehind(0), true);
    pacer.clear();
    assert.deepEqual([pacer.isBehind(10_000), pacer.queuedBytes], [false, 0]);
    pacer.push(packets(100, 1), 0);
    assert.deepEqual([pacer.isBehind(700), pacer.isBehind(701)], [false, true]);
  });

  it("goes as fast as five times what the media has", () => {
    const pacer = new Pacer(() => true, 0);
    // 24 Mb/s for four seconds: slower than that nothing would be left in time.
    let longest = 0;
    for (let nowMs = 0; nowMs < 4_000; nowMs += 5) {
      if (nowMs % 40 === 0)
        pacer.push(
          packets(100, nowMs).map((one) => ({ ...one, queuedMs: nowMs })),
          nowMs,
        );
      pacer.drain(nowMs);
      if (nowMs > 2_000) longest = Math.max(longest, pacer.queuedBytes);
      if (pacer.isBehind(nowMs)) pacer.clear();
    }
    assert.ok(longest < 120_000, `${longest} bytes wait`);
  });
});

function packets(count: number, timestamp: number) {
  return Array.from({ length: count }, () => ({
    packet: new Uint8Array(packetBytes),
    timestamp,
    marker: false,
    queuedMs: 0,
  }));
}
