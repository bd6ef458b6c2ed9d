import assert from "node:assert/strict";
import { runwaySeconds, SpendingRate } from "../../../node/metering/runway.ts";

describe("runway", () => {
  it("measures what was booked a second, once half a minute was seen, and forgets after five minutes", () => {
    const rate = new SpendingRate();
    assert.equal(rate.perSecond(0), undefined);
    for (let second = 0; second <= 40; second += 2) rate.book(200n, second * 1_000);
    assert.equal(rate.perSecond(29_000), undefined);
    assert.equal(rate.perSecond(42_000), 100n);
    assert.equal(rate.perSecond(84_000), 50n);
    assert.equal(rate.perSecond(310_000), 10n);
    assert.equal(rate.perSecond(341_000), undefined);
    rate.book(200n, 400_000);
    assert.equal(rate.perSecond(440_000), 5n);
  });

  it("is near from the first seconds on where there is no price to go by, and nothing once nothing is booked", () => {
    const rate = new SpendingRate();
    assert.equal(rate.recentPerSecond(0), 0n);
    for (let second = 0; second <= 8; second += 4) rate.book(400n, second * 1_000);
    assert.equal(rate.recentPerSecond(9_000), 120n);
    for (let second = 12; second <= 60; second += 4) rate.book(400n, second * 1_000);
    assert.equal(rate.recentPerSecond(64_000), 100n);
    assert.equal(rate.recentPerSecond(79_999), 80n);
    assert.equal(rate.recentPerSecond(80_000), 0n);
  });

  it("measures anew after a pause", () => {
    const rate = new SpendingRate();
    for (let second = 0; second <= 40; second += 2) rate.book(200n, second * 1_000);
    for (let second = 200; second <= 240; second += 2) rate.book(600n, second * 1_000);
    assert.equal(rate.perSecond(242_000), 300n);
    assert.equal(rate.recentPerSecond(242_000), 300n);
  });

  it("lasts for what is free at the rate, rounded down, and for ever while nothing is spent", () => {
    assert.equal(runwaySeconds(250n, 100n), 2n);
    assert.equal(runwaySeconds(-1n, 100n), 0n);
    assert.equal(runwaySeconds(250n, 0n), undefined);
  });
});
