import assert from "node:assert/strict";
import { TokenBucket } from "@leat/node/kernel/token-bucket.ts";
import { ManualClock } from "../../support/manual-clock.ts";

describe("kernel/token-bucket", () => {
  it("gives a burst, then what time brings back, and never more than a burst", async () => {
    const clock = new ManualClock();
    const bucket = new TokenBucket(clock, { burst: 2, refillMs: 1_000 });
    assert.deepEqual([bucket.take(), bucket.take(), bucket.take(), bucket.waitMs], [true, true, false, 500]);
    await clock.advance(499);
    assert.equal(bucket.take(), false);
    await clock.advance(1);
    assert.deepEqual([bucket.take(), bucket.take()], [true, false]);
    await clock.advance(60_000);
    assert.deepEqual([bucket.left, bucket.waitMs], [2, 0]);
  });

  it("lets more be charged than there is, which has to be waited for", async () => {
    const clock = new ManualClock();
    const bucket = new TokenBucket(clock, { burst: 1, refillMs: 100 });
    for (let at = 0; at < 3; at += 1) bucket.charge();
    assert.deepEqual([bucket.left, bucket.waitMs], [-2, 300]);
    await clock.advance(300);
    assert.equal(bucket.take(), true);
  });

  it("gives nothing for a clock that is set back", () => {
    let nowMs = 1_000;
    const bucket = new TokenBucket({ nowMs: () => nowMs }, { burst: 1, refillMs: 100 });
    assert.equal(bucket.take(), true);
    nowMs = 0;
    assert.equal(bucket.take(), false);
    nowMs = 100;
    assert.equal(bucket.take(), true);
  });
});
