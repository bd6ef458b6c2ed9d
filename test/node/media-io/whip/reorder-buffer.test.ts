import assert from "node:assert/strict";
import type { RtpPacket } from "@leat/node/media-io/webrtc/rtp.ts";
import { ReorderBuffer } from "@leat/node/media-io/whip/reorder-buffer.ts";
import fc from "fast-check";

const limits = { maxPackets: 64, waitMs: 100 };

describe("reorder buffer", () => {
  it("lets packets in order through at once, over the wrap of their numbers", () => {
    const buffer = new ReorderBuffer(limits);
    const out = [65_534, 65_535, 0, 1].flatMap((sequence) => numbers(buffer.push(packet(sequence), 0)));
    assert.deepEqual(out, [65_534, 65_535, 0, 1]);
    assert.deepEqual(buffer.counts, { received: 4, expected: 4, highest: 65_537 });
  });

  it("puts any order within its reach right, whatever comes twice", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 65_535 }),
        fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 200 }),
        (start, delays) => {
          const buffer = new ReorderBuffer(limits);
          // The first one begins the count; each other is overtaken by up to 20.
          const order = delays
            .map((delay, index) => ({ index: index + 1, at: index + delay }))
            .sort((a, b) => a.at - b.at);
          const sent = [0, ...order.flatMap(({ index }) => [index, index])].map((index) => packet(start + index));
          const out = sent.flatMap((one) => numbers(buffer.push(one, 0)));
          assert.deepEqual(
            out,
            [0, ...delays.map((_, index) => index + 1)].map((index) => (start + index) & 0xffff),
          );
          assert.equal(buffer.heldPackets, 0);
        },
      ),
    );
  });

  it("asks for what is missing after a moment, again while it waits, and never for what came", () => {
    const buffer = new ReorderBuffer(limits);
    buffer.push(packet(10), 0);
    buffer.push(packet(13), 0);
    assert.deepEqual(buffer.asks(5), []);
    assert.deepEqual(buffer.asks(10), [11, 12]);
    assert.deepEqual(buffer.asks(20), []);
    buffer.push(packet(12), 25);
    assert.deepEqual(buffer.asks(50), [11]);
    assert.deepEqual(numbers(buffer.push(packet(11), 60)), [11, 12, 13]);
    assert.deepEqual(buffer.asks(200), []);
  });

  it("gives a packet up after its time, once, and takes no note of it when it comes after all", () => {
    const buffer = new ReorderBuffer(limits);
    buffer.push(packet(0), 0);
    assert.deepEqual(numbers(buffer.push(packet(2), 10)), []);
    assert.deepEqual(numbers(buffer.release(109)), []);
    assert.deepEqual(numbers(buffer.release(110)), ["lost", 2]);
    assert.deepEqual(numbers(buffer.push(packet(1), 120)), []);
    assert.deepEqual(numbers(buffer.push(packet(3), 120)), [3]);
  });

  it("holds a bounded number of packets, however long it would wait", () => {
    const buffer = new ReorderBuffer({ maxPackets: 64, waitMs: 1e9 });
    buffer.push(packet(0), 0);
    for (let sequence = 2; sequence < 5_000; sequence += 2) {
      buffer.push(packet(sequence), 0);
      assert.ok(buffer.heldPackets <= 64 && buffer.asks(0).length <= 128);
    }
  });

  it("goes on with a sender that counts anew, and not for one stray packet", () => {
    const buffer = new ReorderBuffer(limits);
    for (const sequence of [30_000, 30_001]) buffer.push(packet(sequence), 0);
    assert.deepEqual(numbers(buffer.push(packet(5), 0)), []);
    assert.deepEqual(numbers(buffer.push(packet(30_002), 0)), [30_002]);
    assert.deepEqual(numbers(buffer.push(packet(900), 0)), []);
    assert.deepEqual(numbers(buffer.push(packet(901), 0)), ["lost", 901]);
    assert.deepEqual(numbers(buffer.push(packet(902), 0)), [902]);
  });
});

function packet(sequence: number): RtpPacket {
  const payload = Uint8Array.of(1);
  return { payloadType: 96, sequence: sequence & 0xffff, timestamp: 0, ssrc: 1, marker: false, payload };
}

function numbers(packets: readonly (RtpPacket | "lost")[]): (number | "lost")[] {
  return packets.map((one) => (one === "lost" ? one : one.sequence));
}
