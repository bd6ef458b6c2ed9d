import assert from "node:assert/strict";
import { parseTransaction } from "viem";
import type { DurableFacts } from "../../../node/kernel/durable-facts.ts";
import { paymentEscrowAbi } from "../../../sdk/protocol/abi/payment-escrow.ts";
import { DEPTH, useSenders } from "../../support/sender-scene.ts";

describe("chain sender", function () {
  this.timeout(60_000);
  const scene = useSenders(300);
  const { startMining, stopMining, setAutomine, chain, open, mint, held, nonce, raws } = scene;

  it("sends one after the other, each once, and names why one failed", async () => {
    const sender = await open();
    const sent = await Promise.all([1n, 10n, 100n, 1_000n].map((amount) => sender.send(mint(amount))));
    assert.equal(new Set(sent.map(({ transaction }) => transaction)).size, 4);
    assert.equal(await held(), 1_111n);
    assert.deepEqual(
      sent.map(({ receipt }) => receipt.status),
      ["success", "success", "success", "success"],
    );
    const { escrow, tokens } = scene.anvil.deployment;
    const call = { address: escrow, abi: paymentEscrowAbi } as const;
    await assert.rejects(
      sender.send({ ...call, functionName: "withdraw", args: [0n, tokens.USDC, 5n, scene.key.address] }),
      (error: { code: string; detail: { reason: string } }) =>
        error.code === "CHAIN_REVERTED" && error.detail.reason === "PaymentEscrowPoolShort",
    );
    assert.equal(await sender.sendIf({ ...call, functionName: "collect", args: [[]] }, () => false), undefined);
    await scene.anvil.testClient.setBalance({ address: scene.key.address, value: 0n });
    await assert.rejects(sender.send(mint()), { code: "CHAIN_GAS_MISSING" });
    assert.equal(await nonce(), 4);
  });

  it("brings what gas is spare where that can be paid for, and goes without where it cannot", async () => {
    const spareGas = 1_000_000n;
    const gasOfNewest = () => parseTransaction(raws().at(-1)!).gas!;
    const sender = await open();
    await sender.send({ ...mint(), spareGas });
    assert.ok(gasOfNewest() > spareGas);
    const enough = 500_000n * parseTransaction(raws().at(-1)!).maxFeePerGas!;
    await sender.stop();
    // What the first one took counts as well.
    const frugal = await open(scene.limits({ dailyBudget: enough }));
    await frugal.send({ ...mint(), spareGas });
    assert.ok(gasOfNewest() < 500_000n, "beyond the day's budget");
    await frugal.stop();
    await scene.anvil.testClient.setBalance({ address: scene.key.address, value: enough });
    await (await open()).send({ ...mint(), spareGas });
    assert.ok(gasOfNewest() < 500_000n, "beyond the balance");
    assert.equal(await held(), 3n);
  });

  it("answers only when the block stands at confirmed depth", async () => {
    await stopMining();
    const sender = await open();
    let done = false;
    const sending = sender.send(mint()).then((sent) => {
      done = true;
      return sent;
    });
    const seen = scene.proxy.fault("eth_getTransactionReceipt", { kind: "rewrite", result: (truth) => truth });
    await seen.whenHit(5);
    assert.deepEqual([await held(), done], [1n, false]);
    await scene.anvil.mine(1);
    await seen.whenHit(seen.hits + 3);
    assert.equal(done, false);
    await scene.anvil.mine(1);
    const { blockNumber } = await sending;
    assert.ok((await chain().getBlockNumber({ cacheTime: 0 })) >= blockNumber + BigInt(DEPTH));
  });

  for (const kind of ["dropAnswer", "drop"] as const) {
    it(`pays once when the endpoint does ${kind === "drop" ? "not take" : "take, and not answer"} the bytes`, async () => {
      scene.proxy.fault("eth_sendRawTransaction", { kind }, { times: 3 });
      const sender = await open();
      await sender.send(mint());
      assert.deepEqual([await held(), await nonce()], [1n, 1]);
      assert.equal(new Set(raws()).size, 1);
    });
  }

  for (const message of ["already known", "nonce too low", "replacement transaction underpriced", "busy"]) {
    it(`looks at the chain when the endpoint says: ${message}`, async () => {
      scene.proxy.fault("eth_sendRawTransaction", { kind: "error", code: -32_000, message }, { times: 2 });
      await (await open()).send(mint());
      assert.deepEqual([await held(), await nonce(), new Set(raws()).size], [1n, 1, 1]);
    });
  }

  for (const kind of ["dropAnswer", "drop"] as const) {
    it(`sends the same bytes after a restart (${kind})`, async () => {
      await stopMining();
      await setAutomine(false);
      const cut = scene.proxy.fault("eth_sendRawTransaction", { kind });
      const first = await open();
      const sending = first.send(mint());
      sending.catch(() => {});
      await cut.whenHit();
      await first.stop();
      await assert.rejects(sending);
      scene.proxy.heal();
      const [bytes] = raws();
      const before = raws().length;
      const second = await open();
      await scene.proxy.whenCalled("eth_sendRawTransaction", before + 1);
      startMining();
      // What was pending comes first: the second of the same kind is judged after it.
      await second.send(mint(10n));
      assert.deepEqual([await held(), await nonce()], [11n, 2]);
      assert.deepEqual(
        [...new Set(raws())].map((raw) => parseTransaction(raw).nonce),
        [0, 1],
      );
      assert.equal(raws()[before], bytes);
    });
  }

  it("sends nothing that is not on disk", async () => {
    const broken: DurableFacts = {
      get: (kind, id) => scene.facts.get(kind, id),
      list: (kind) => scene.facts.list(kind),
      put: () => Promise.reject(new Error("disk full")),
      delete: () => Promise.reject(new Error("disk full")),
      change: () => Promise.reject(new Error("disk full")),
    };
    const sender = await open({}, broken);
    await assert.rejects(sender.send(mint()));
    assert.equal(scene.proxy.count("eth_sendRawTransaction"), 0);
  });

  it("lets whoever waits for its turn leave, and signs nothing for it", async () => {
    const sender = await open();
    await stopMining();
    await setAutomine(false);
    const first = sender.send(mint());
    const waiting = new AbortController();
    const second = sender.send(mint(), waiting.signal);
    waiting.abort();
    await assert.rejects(second, { name: "AbortError" });
    startMining();
    await first;
    await sender.send(mint());
    assert.equal(await held(), 2n);
  });

  it("tells whoever waited too long, keeps its place, and lets nothing past it", async () => {
    await stopMining();
    await setAutomine(false);
    const sender = await open({ waitMs: 300 });
    await assert.rejects(sender.send(mint()), { code: "CHAIN_NOT_CONFIRMED" });
    await assert.rejects(sender.send(mint(10n)), { code: "CHAIN_NOT_CONFIRMED" });
    assert.equal(new Set(raws()).size, 1);
    startMining();
    const patient = await open({ waitMs: 20_000 });
    await patient.send(mint(100n));
    assert.deepEqual([await held(), await nonce()], [101n, 2]);
  });
});
