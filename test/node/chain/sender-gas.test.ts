import assert from "node:assert/strict";
import { keccak256, parseEther, parseGwei, parseTransaction, type TransactionReceipt } from "viem";
import { connectChain, createWallet } from "../../../node/chain/clients.ts";
import { firstFees } from "../../../node/chain/fees.ts";
import { GasPurse } from "../../../node/chain/gas-purse.ts";
import { ChainSender, defaultSenderOptions } from "../../../node/chain/sender.ts";
import { TransactionBook } from "../../../node/chain/transaction-book.ts";
import { readFees } from "../../../node/chain/transaction-driver.ts";
import { systemClock } from "../../../node/kernel/clock.ts";
import { silentLogger } from "../../../sdk/base/logger.ts";
import { silentMetrics } from "../../../sdk/base/metrics.ts";
import { DEPTH, quiet, useSenders } from "../../support/sender-scene.ts";

describe("chain sender, gas", function () {
  this.timeout(60_000);
  const scene = useSenders(400);
  const { startMining, stopMining, setAutomine, chain, open, limits, mint, held, nonce, raws, closing } = scene;

  it("replaces what is stuck under the same nonce with fees that nodes accept", async () => {
    await stopMining();
    await setAutomine(false);
    const sender = await open(limits({ stuckAfterMs: 200 }));
    const sending = sender.send(mint());
    await scene.proxy.whenCalled("eth_sendRawTransaction", 3);
    const forms = [...new Set(raws())].map((raw) => parseTransaction(raw));
    assert.ok(forms.length > 1);
    for (const [at, form] of forms.entries()) {
      assert.equal(form.nonce, 0);
      const before = forms[at - 1];
      if (before === undefined) continue;
      for (const name of ["maxFeePerGas", "maxPriorityFeePerGas"] as const) {
        assert.ok(form[name]! * 8n >= before[name]! * 9n);
      }
    }
    startMining();
    await sending;
    assert.deepEqual([await held(), await nonce()], [1n, 1]);
  });

  it("waits at the ceiling of fees, and pays when the price is back", async () => {
    await stopMining();
    await setAutomine(false);
    const maxFee = parseGwei("3");
    const sender = await open(limits({ stuckAfterMs: 50, maxFee }));
    const sending = sender.send(mint());
    await scene.proxy.whenCalled("eth_sendRawTransaction", 1);
    await scene.anvil.testClient.setNextBlockBaseFeePerGas({ baseFeePerGas: parseGwei("500") });
    await scene.anvil.mine(1);
    const asked = scene.proxy.fault("eth_getTransactionReceipt", { kind: "rewrite", result: (truth) => truth });
    await asked.whenHit(60);
    for (const raw of raws()) assert.ok(parseTransaction(raw).maxFeePerGas! <= maxFee);
    assert.equal(await held(), 0n);
    await scene.anvil.testClient.setNextBlockBaseFeePerGas({ baseFeePerGas: parseGwei("1") });
    startMining();
    await sending;
    assert.deepEqual([await held(), await nonce()], [1n, 1]);
  });

  it("signs nothing while the price is above the ceiling", async () => {
    const sender = await open(limits({ maxFee: 1n }));
    await assert.rejects(sender.send(mint()), { code: "CHAIN_FEES_HIGH" });
    assert.equal(scene.proxy.count("eth_sendRawTransaction"), 0);
  });

  it("spends no more for gas in a day than it was given, over restarts too", async () => {
    const { receipt } = await (await open()).send(mint());
    const spent = receipt.gasUsed * receipt.effectiveGasPrice;
    const again = await open(limits({ dailyBudget: spent + 1n }));
    await assert.rejects(again.send(mint()), { code: "CHAIN_GAS_BUDGET" });
    assert.equal(await nonce(), 1);
    const tomorrow = { ...systemClock, nowMs: () => Date.now() + 86_400_001 };
    const settings = { rpcUrls: [scene.proxy.url], confirmedDepth: DEPTH, pollMs: 30, callTimeoutMs: 1_000 };
    const clients = await connectChain(settings, scene.anvil.deployment.chainId);
    const later = new ChainSender(
      {
        ...quiet,
        publicClient: clients.publicClient,
        wallet: createWallet(clients, scene.key.secret),
        facts: scene.facts,
        clock: tomorrow,
      },
      { ...defaultSenderOptions, lookEveryMs: 20, ...limits({ dailyBudget: 4n * spent }) },
    );
    closing.push(() => later.stop());
    await later.send(mint());
    assert.equal(await held(), 2n);
  });

  it("says when its key holds more ether than it was meant to, once, and how much", async () => {
    const warnings: string[] = [];
    const gauges = new Map<string, () => number>();
    const settings = { rpcUrls: [scene.proxy.url], confirmedDepth: DEPTH, pollMs: 30, callTimeoutMs: 1_000 };
    const { publicClient } = await connectChain(settings, scene.anvil.deployment.chainId);
    const purse = new GasPurse(
      {
        publicClient,
        clock: systemClock,
        logger: { ...silentLogger, warn: (message) => warnings.push(message) },
        metrics: {
          ...silentMetrics,
          gauge(options) {
            gauges.set(options.name, options.collect!);
            return silentMetrics.gauge(options);
          },
        },
      },
      scene.key.address,
      limits({ highBalance: parseEther("0.5") }).limits,
    );
    const hold = async (ether: string) => {
      await scene.anvil.testClient.setBalance({ address: scene.key.address, value: parseEther(ether) });
      await purse.watch();
      return gauges.get("leat_chain_gas_excess_ether")!();
    };
    assert.deepEqual([await hold("0.5"), warnings.length], [0, 0]);
    assert.deepEqual([await hold("0.75"), await hold("0.75"), warnings.length], [0.25, 0.25, 1]);
    assert.deepEqual([await hold("0.5"), await hold("2"), warnings.length], [0, 1.5, 2]);
  });

  it("keeps gas that is set apart from the gas of its own work, over restarts too", async () => {
    const apart = { name: "apart", daily: parseEther("1") };
    const sender = await open();
    const { receipt } = await sender.send(mint());
    const spent = receipt.gasUsed * receipt.effectiveGasPrice;
    for (let count = 0; count < 5; count += 1) await sender.send(mint(), undefined, apart);
    await sender.sendIf(mint(), () => true, undefined, apart);
    const own = await open(limits({ dailyBudget: 4n * spent }));
    await own.send(mint());
    const used = await open(limits({ dailyBudget: 0n }));
    await assert.rejects(used.send(mint()), { code: "CHAIN_GAS_BUDGET" });
    await used.send(mint(), undefined, apart);
    await assert.rejects(used.send(mint(), undefined, { ...apart, daily: 4n * spent }), { code: "CHAIN_GAS_BUDGET" });
    await used.send(mint(), undefined, { name: "another", daily: parseEther("1") });
    assert.equal(await held(), 10n);
  });

  /** What `price` a unit of gas has, in every block from now on. */
  const mineAt = async (price: bigint) => {
    await stopMining();
    await setAutomine(false);
    await scene.anvil.testClient.setNextBlockBaseFeePerGas({ baseFeePerGas: price });
    await scene.anvil.mine(1);
    const next = () =>
      scene.anvil.testClient.setNextBlockBaseFeePerGas({ baseFeePerGas: price }).then(() => scene.anvil.mine(1));
    return () => startMining(next);
  };
  /** A budget that pays for one call at the price of now, and for nothing dearer. */
  const justEnough = async () => {
    const { baseFee, tip } = await readFees(chain() as never);
    const gas = await chain().estimateContractGas({ account: scene.key.address, ...mint() });
    const { maxFeePerGas } = firstFees(baseFee, tip, defaultSenderOptions.limits)!;
    return { name: "apart", daily: ((gas * 6n) / 5n) * maxFeePerGas };
  };

  it("clears out of the way what its budget cannot raise, once something else waits behind it", async () => {
    await mineAt(parseGwei("1"));
    const apart = await justEnough();
    const sender = await open(limits({ stuckAfterMs: 50 }));
    const stuck = assert.rejects(
      sender.send(mint(), undefined, apart),
      ({ code, cause }: { code: string; cause: { code: string } }) =>
        code === "CHAIN_DISPLACED" && cause.code === "CHAIN_GAS_BUDGET",
    );
    await scene.proxy.whenCalled("eth_sendRawTransaction", 1);
    (await mineAt(parseGwei("20")))();
    const own = await sender.send(mint(100n));
    await stuck;
    assert.deepEqual([await held(), await nonce()], [100n, 2]);
    const forms = raws().filter((raw) => parseTransaction(raw).data === undefined);
    // Any of them, whatever the fees it was sent with, may be the one that was mined.
    const mined = await Promise.allSettled(forms.map((raw) => chain().getTransactionReceipt({ hash: keccak256(raw) })));
    const at = mined.findIndex(({ status }) => status === "fulfilled");
    const emptied = forms[at]!;
    const { value: receipt } = mined[at] as PromiseFulfilledResult<TransactionReceipt>;
    const cleared = parseTransaction(emptied);
    assert.deepEqual([cleared.to, cleared.nonce, cleared.value ?? 0n], [scene.key.address, 0, 0n]);
    // The emptied nonce is paid for like the node's own work, and nothing of it by what is set apart.
    const book = await TransactionBook.open(scene.facts, scene.anvil.deployment.chainId, scene.key.address);
    const spent = own.receipt.gasUsed * own.receipt.effectiveGasPrice;
    assert.equal(book.committed(Date.now(), apart), 0n);
    assert.equal(book.committed(Date.now()), spent + receipt.gasUsed * receipt.effectiveGasPrice);
  });

  it("leaves it where it is while only more of the same waits, and while the node's own gas is used up", async () => {
    await mineAt(parseGwei("1"));
    const apart = await justEnough();
    const sender = await open({ waitMs: 1_000, ...limits({ stuckAfterMs: 50 }) });
    const first = assert.rejects(sender.send(mint(), undefined, apart), { code: "CHAIN_NOT_CONFIRMED" });
    const second = assert.rejects(sender.send(mint(10n), undefined, apart), { code: "CHAIN_NOT_CONFIRMED" });
    await scene.proxy.whenCalled("eth_sendRawTransaction", 1);
    const mine = await mineAt(parseGwei("20"));
    mine();
    await Promise.all([first, second]);
    assert.equal(new Set(raws()).size, 1);
    await sender.stop();
    const poor = await open({ waitMs: 1_000, ...limits({ stuckAfterMs: 50, dailyBudget: 1n }) });
    await assert.rejects(poor.send(mint(100n)), { code: "CHAIN_NOT_CONFIRMED" });
    assert.equal(new Set(raws()).size, 1);
    await stopMining();
    (await mineAt(parseGwei("1")))();
    await poor.send(mint(1_000n), undefined, { name: "another", daily: parseEther("1") });
    assert.equal(await held(), 1_001n);
  });
});
