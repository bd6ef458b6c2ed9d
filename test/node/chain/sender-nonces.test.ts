import assert from "node:assert/strict";
import { DEPTH, useSenders } from "../../support/sender-scene.ts";

describe("chain sender, nonces", function () {
  this.timeout(60_000);
  const scene = useSenders(500);
  const { startMining, stopMining, setAutomine, ask, chain, open, mint, held, nonce, raws, byHand } = scene;

  it("makes a call again whose nonce somebody else used, and only if it still is wanted", async () => {
    for (const stillWanted of [true, false]) {
      const sender = await open();
      const before = await nonce();
      const had = await held();
      const cut = scene.proxy.fault("eth_sendRawTransaction", { kind: "error", code: -32_000, message: "busy" });
      let judged = 0;
      const sending = sender.sendIf(mint(), () => {
        judged += 1;
        return judged === 1 || stillWanted;
      });
      await cut.whenHit();
      await byHand(before);
      cut.remove();
      const sent = await sending;
      assert.equal(judged, 2);
      assert.equal(sent === undefined, !stillWanted);
      assert.equal(await held(), had + (stillWanted ? 1n : 0n));
      assert.equal(await nonce(), before + (stillWanted ? 2 : 1));
    }
  });

  it("goes on after nonces that somebody used while it did not look", async () => {
    const sender = await open();
    await sender.send(mint());
    for (const at of [1, 2, 3]) await byHand(at);
    const until = (await chain().getBlockNumber({ cacheTime: 0 })) + BigInt(DEPTH) + 1n;
    await scene.proxy.whenCalled("eth_blockNumber");
    while ((await chain().getBlockNumber({ cacheTime: 0 })) < until) await scene.anvil.mine(1);
    await sender.send(mint());
    assert.deepEqual([await held(), await nonce()], [2n, 5]);
  });

  for (const [what, lie] of [
    ["too high", (truth: number) => truth + 5],
    ["too low", () => 0],
  ] as const) {
    it(`makes neither hole nor double from counts that are ${what}`, async () => {
      const sender = await open();
      await sender.send(mint());
      await sender.send(mint());
      scene.proxy.fault("eth_getTransactionCount", {
        kind: "rewrite",
        result: (truth) => `0x${lie(Number(truth)).toString(16)}`,
      });
      await sender.send(mint());
      await sender.send(mint());
      assert.deepEqual([await held(), await nonce()], [4n, 4]);
    });
  }

  it("does not give up what is pending because a count says that its nonce is used", async () => {
    await stopMining();
    await setAutomine(false);
    const sender = await open();
    const sending = sender.send(mint());
    // The second look comes after the first one's broadcast was answered: before that there is nothing to drop.
    await scene.proxy.whenCalled("eth_getTransactionReceipt", 2);
    const lie = scene.proxy.fault("eth_getTransactionCount", {
      kind: "rewrite",
      result: (truth) => `0x${(Number(truth) + 5).toString(16)}`,
    });
    // Empty blocks on top, so that the lie is at confirmed depth too.
    const [pending] = raws();
    await ask("anvil_dropAllTransactions", []);
    await scene.anvil.mine(4);
    await lie.whenHit(30);
    scene.proxy.heal();
    startMining();
    await sending;
    assert.deepEqual([await held(), await nonce()], [1n, 1]);
    assert.deepEqual([...new Set(raws())], [pending]);
  });

  it("fills the hole that a first lie made, and pays once", async () => {
    const lie = scene.proxy.fault("eth_getTransactionCount", {
      kind: "rewrite",
      result: (truth) => `0x${(Number(truth) + 3).toString(16)}`,
    });
    const sender = await open();
    const sending = sender.send(mint());
    await scene.proxy.whenCalled("eth_sendRawTransaction", 1);
    lie.remove();
    await sending;
    assert.deepEqual([await held(), await nonce()], [1n, 4]);
    await sender.send(mint());
    assert.deepEqual([await held(), await nonce()], [2n, 5]);
  });

  it("sends again what a reorganisation took out of its block", async () => {
    await stopMining();
    const sender = await open();
    const sending = sender.send(mint());
    const seen = scene.proxy.fault("eth_getTransactionReceipt", { kind: "rewrite", result: (truth) => truth });
    await seen.whenHit(4);
    assert.equal(await held(), 1n);
    await setAutomine(false);
    await scene.anvil.reorg(1);
    await ask("anvil_dropAllTransactions", []);
    assert.equal(await held(), 0n);
    const before = raws().length;
    await scene.proxy.whenCalled("eth_sendRawTransaction", before + 1);
    startMining();
    await sending;
    assert.deepEqual([await held(), await nonce(), new Set(raws()).size], [1n, 1, 1]);
  });

  it("brings back in order what a reorganisation below the confirmed depth took away", async () => {
    const sender = await open();
    await sender.send(mint(1n));
    const { blockNumber } = await sender.send(mint(10n));
    const lost = raws().at(-1);
    const before = raws().length;
    await stopMining();
    await setAutomine(false);
    const depth = Number((await chain().getBlockNumber({ cacheTime: 0 })) - blockNumber) + 1;
    await scene.anvil.reorg(depth);
    await ask("anvil_dropAllTransactions", []);
    assert.equal(await held(), 1n);
    startMining();
    await sender.send(mint(100n));
    assert.deepEqual([await held(), await nonce()], [111n, 3]);
    assert.equal(raws()[before], lost);
  });
});
