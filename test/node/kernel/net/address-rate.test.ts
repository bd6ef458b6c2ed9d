import assert from "node:assert/strict";
import { AddressRate, networkOf } from "@leat/node/kernel/net/address-rate.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

describe("address rate", () => {
  it("gives a burst, and then what time brings back", async () => {
    const clock = new ManualClock();
    const rate = new AddressRate(clock, { burst: 2, refillMs: 10_000, maxAddresses: 10 });
    assert.deepEqual(
      [1, 2, 3].map(() => rate.take("192.0.2.1")),
      [true, true, false],
    );
    assert.equal(rate.take("192.0.2.2"), true);
    assert.equal(rate.isLeft("192.0.2.1"), false);
    await clock.advance(5_000);
    assert.deepEqual([rate.isLeft("192.0.2.1"), rate.take("192.0.2.1"), rate.take("192.0.2.1")], [true, true, false]);
  });

  it("counts a /64 as one, whatever its spelling, and remembers no more addresses than it may", () => {
    const rate = new AddressRate(new ManualClock(), { burst: 1, refillMs: 1_000, maxAddresses: 3 });
    assert.equal(rate.take("2001:db8::1"), true);
    assert.equal(rate.take("2001:0DB8:0:0:ffff::2"), false);
    assert.equal(rate.take("2001:db8:0:1::1"), true);
    for (let at = 0; at < 100; at += 1) rate.take(`192.0.2.${at}`);
    assert.equal(rate.size, 3);
    assert.equal(networkOf("::ffff:192.0.2.1"), "192.0.2.1");
  });
});
