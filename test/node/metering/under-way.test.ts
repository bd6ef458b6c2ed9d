import assert from "node:assert/strict";
import { UnderWay } from "../../../node/metering/under-way.ts";
import { randomHash } from "../../support/fake-market.ts";

describe("work under way", () => {
  const job = randomHash(1);

  it("is what was begun and not booked, whatever comes twice, late or out of order", () => {
    const work = new UnderWay();
    assert.equal(work.segments(job), 0n);
    work.begun(job, 5n, 5n);
    assert.equal(work.segments(job), 1n);
    work.begun(job, 5n, 9n);
    work.begun(job, 5n, 7n);
    assert.equal(work.segments(job), 5n);
    work.booked(job, 6n);
    work.booked(job, 5n);
    assert.equal(work.segments(job), 3n);
    work.booked(job, 12n);
    assert.equal(work.segments(job), 0n);
    work.begun(job, 5n, 13n);
    assert.equal(work.segments(job), 1n);
    work.forget(job);
    assert.equal(work.segments(job), 0n);
  });

  it("is as before where a beginning is taken back", () => {
    const work = new UnderWay();
    work.begun(job, 5n, 1_000n)();
    assert.equal(work.segments(job), 0n);
    work.begun(job, 5n, 6n);
    work.begun(job, 5n, 1_000n)();
    assert.equal(work.segments(job), 2n);
  });

  it("begins anew where a job was moved, and says nothing of a job that nobody told of", () => {
    const work = new UnderWay();
    work.booked(job, 3n);
    assert.equal(work.segments(job), 0n);
    work.begun(job, 0n, 3n);
    work.begun(job, 8n, 8n);
    assert.equal(work.segments(job), 1n);
  });
});
