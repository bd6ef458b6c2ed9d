import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { assertPaidOnce, feedOffer, feedOne } from "../../support/faults/feeding.ts";
import type { PayeeHandle } from "../../support/faults/payee-handle.ts";
import { PayeeWorld, type TestPayee, type TestPayer } from "../../support/faults/payee-world.ts";

/** The kernel refuses every write beyond so many bytes of a file, as a full disk refuses every write. */
const limitBytes = 96 * 1024;
const run = promisify(execFile);

describe("a payee whose disk is full", function () {
  this.timeout(120_000);
  let world: PayeeWorld;
  let process: PayeeHandle | undefined;

  before(async () => {
    world = await PayeeWorld.open(1, 1);
  });
  after(async () => {
    await process?.stop();
    await world?.close();
  });

  it("refuses with its code, loses nothing that it acknowledged, and goes on when there is room", async () => {
    const [payee] = world.payees as [TestPayee];
    const [payer] = payee.payers as [TestPayer];
    process = world.spawn();
    await process.start(payee.start);
    await feedOne(process, payer, 1n);
    // The soft limit alone, so that it can be lifted again without any right.
    await run("prlimit", ["--pid", String(process.pid), `--fsize=${limitBytes}:`]);
    let code: string | undefined;
    for (let vouchers = 0; code === undefined; vouchers += 1) {
      assert.ok(vouchers < 10_000, "the disk never refused");
      const offer = await payer.next(3n);
      const reply = await process.offer(offer);
      if (reply?.of === "code") code = reply.code;
      else if (reply?.of === "answer") payer.acknowledged = offer.voucher.value;
    }
    assert.equal(code, "STORE_WRITE_FAILED");
    // Refused as long as there is no room, and nothing of what was refused is told to be there.
    const again = await process.offer(payer.offered!);
    assert.equal(again?.of === "code" && again.code, "STORE_WRITE_FAILED");
    const held = await process.held();
    assert.equal(held?.[0]?.value.seq, payer.acknowledged!.seq);

    await run("prlimit", ["--pid", String(process.pid), "--fsize=unlimited:"]);
    // The same process goes on, and takes what it refused.
    await feedOffer(process, payer, payer.offered!);
    await feedOne(process, payer, 3n);
    process.kill();
    await process.exited;
    process = world.spawn();
    const kept = await process.start(payee.start);
    assert.equal(kept?.[0]?.value.seq, payer.acknowledged!.seq);
    await feedOne(process, payer, 3n);
    await assertPaidOnce(world, payee);
  });
});
