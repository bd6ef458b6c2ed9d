import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { HonestNode, settle } from "../../../support/honest-node.ts";
import { searchSlashable } from "../../../support/honest-property.ts";

const seed = Number(process.env.LEAT_TEST_SEED ?? randomInt(2 ** 31));

describe("an honest node", () => {
  let node: HonestNode;

  beforeEach(async () => {
    node = new HonestNode();
    await node.start();
  });

  async function assign(job: number, attempt: number, balancer = 0): Promise<void> {
    await node.assign(job, attempt, balancer);
    await node.drain();
  }

  async function work(sequence: number, variant: number): Promise<void> {
    node.work(0, sequence, variant);
    await settle();
    node.sync();
    await settle();
  }

  function assertRefused(code: string): void {
    assert.deepEqual([...node.refusals.keys()], [code]);
  }

  for (const [job, kind] of [
    [0, "ingest"],
    [1, "delivery"],
  ] as const) {
    it(`shows a receipt of ${kind} only when it is on disk, so that a crash before leaves none`, async () => {
      await assign(job, 1);
      node.work(0, 0, 0);
      await settle();
      await node.tick();
      assert.equal(node.seen.length, 0);
      await node.crash();
      await node.drain();
      assert.equal(node.seen.length, 0);
    });

    it(`sends a receipt of ${kind} after a crash word for word, and no other for the segment`, async () => {
      await assign(job, 1);
      node.setAway(true);
      await work(0, 0);
      await node.crash();
      await node.drain();
      // Shown, sent in vain, sent again after the crash.
      assert.ok(node.seen.length >= 3);
      assert.equal(new Set(node.seen.map(({ signature }) => signature)).size, 1);
    });
  }

  it("signs no second receipt for a segment that it made otherwise", async () => {
    await assign(1, 1);
    await work(0, 0);
    await work(0, 1);
    assertRefused("STORE_RECEIPT_DIFFERENT");
    assert.equal(node.findSlashable(), undefined);
  });

  it("takes an attempt once: not again after a restart, with whatever quote, from whichever balancer", async () => {
    await assign(1, 1);
    await work(0, 0);
    await node.crash();
    await node.replay(0);
    await node.drain();
    assertRefused("JOB_QUOTE_UNKNOWN");
    node.refusals.clear();
    await assign(1, 1, 1);
    assertRefused("JOB_ASSIGNMENT_STALE");
    // The next attempt is another matter.
    await assign(1, 2, 1);
    await work(0, 1);
    assert.equal(new Set(node.seen.map(({ value }) => value.attempt)).size, 2);
    assert.equal(node.findSlashable(), undefined);
  });

  it("forgets the receipts of an attempt that ended, and signs nothing more for it", async () => {
    await assign(1, 1);
    await work(0, 0);
    await node.drain();
    const prints = () => node.storedKeys.filter((key) => key.startsWith("receipts/"));
    assert.equal(prints().length, 1);
    node.end(0);
    await node.drain();
    assert.deepEqual(prints(), []);
    await work(0, 1);
    assertRefused("JOB_ATTEMPT_OVER");
    node.refusals.clear();
    await assign(1, 1, 1);
    assertRefused("JOB_ASSIGNMENT_STALE");
    assert.equal(node.findSlashable(), undefined);
  });

  it("keeps a receipt that nobody acknowledged beyond the end of its attempt, and forgets it at a later start", async () => {
    await assign(1, 1);
    node.setAway(true);
    await work(0, 0);
    node.end(0);
    node.sync();
    await settle();
    await node.crash();
    assert.equal(node.storedKeys.filter((key) => key.startsWith("receipts/")).length, 2);
    await node.drain();
    await node.crash();
    assert.deepEqual(
      node.storedKeys.filter((key) => key.startsWith("receipts/")),
      [],
    );
  });

  it("does not sign with its key again once its store is lost", async () => {
    await assign(1, 1);
    await work(0, 0);
    await node.loseStore();
    assertRefused("STORE_NOT_OF_KEY");
    assert.equal(node.keys, 2);
    await assign(1, 1);
    await work(0, 1);
    assert.equal(node.findSlashable(), undefined);
  });

  it("does not sign with its key again on a store from before its newest attempt; a newer one will do", async () => {
    await assign(1, 1);
    node.takeBackup();
    await work(0, 0);
    await node.restoreBackup();
    assert.equal(node.keys, 1);
    await assign(3, 1);
    await work(0, 0);
    await node.restoreBackup();
    assertRefused("STORE_NOT_OF_KEY");
    assert.equal(node.keys, 2);
  });

  it(`gives no slashable pair in random sequences of work, crashes, takeovers and lies (seed ${seed})`, async function () {
    this.timeout(120_000);
    const { receipts } = await searchSlashable(150, 60, seed);
    assert.ok(receipts > 100);
  });
});
