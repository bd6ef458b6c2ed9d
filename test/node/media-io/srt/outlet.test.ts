import assert from "node:assert/strict";
import { SrtOutlet } from "@leat/node/media-io/srt/outlet.ts";

/** libsrt's side of one connection, whose receiver acknowledges when a test says so. */
class Wire {
  readonly messages: number[] = [];
  held = 0;
  isFull = false;

  send = (_socket: number, _bytes: Uint8Array, size: number): number => {
    if (this.isFull) return -1;
    this.messages.push(size);
    this.held += size;
    return size;
  };

  latencyMs = 120;

  unacknowledged = (): number => this.held;
  latencyOf = (): number => this.latencyMs;
}

describe("srt outlet", () => {
  it("sends messages of seven packets, and the rest", () => {
    const wire = new Wire();
    const outlet = new SrtOutlet(wire, 1);
    outlet.push(new Uint8Array(188));
    outlet.push(new Uint8Array(188 * 8));
    assert.equal(outlet.drain(0), 188 * 9);
    assert.deepEqual(wire.messages, [1_316, 376]);
    assert.equal(outlet.isEmpty, false);
    wire.held = 0;
    assert.equal(outlet.isEmpty, true);
  });

  it("keeps what libsrt does not take, and goes on there", () => {
    const wire = new Wire();
    const outlet = new SrtOutlet(wire, 1);
    wire.isFull = true;
    outlet.push(new Uint8Array(1_316));
    assert.equal(outlet.drain(0), 0);
    wire.isFull = false;
    assert.equal(outlet.drain(10), 1_316);
  });

  it("hands over nothing to a viewer that has acknowledged nothing for long, until it does", () => {
    const wire = new Wire();
    const outlet = new SrtOutlet(wire, 1);
    const step = (atMs: number) => {
      outlet.push(new Uint8Array(1_316));
      return outlet.drain(atMs);
    };
    for (let atMs = 0; atMs <= 700; atMs += 50) assert.equal(step(atMs), 1_316);
    assert.equal(step(750), 0);
    // The first of all is acknowledged: the oldest is now from 50 ms.
    wire.held -= 1_316;
    assert.equal(outlet.drain(750), 1_316);
    assert.equal(step(800), 0);
    wire.held = 0;
    assert.equal(outlet.drain(2_000), 1_316);
  });

  it("goes on for longer to one that holds back for longer, as libsrt does", () => {
    const wire = new Wire();
    wire.latencyMs = 5_000;
    const outlet = new SrtOutlet(wire, 1);
    const handed = (atMs: number) => {
      outlet.push(new Uint8Array(1_316));
      return outlet.drain(atMs);
    };
    for (let atMs = 0; atMs <= 4_700; atMs += 50) assert.equal(handed(atMs), 1_316, `${atMs}`);
    assert.equal(handed(4_750), 0);
  });
});
