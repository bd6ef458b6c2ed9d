import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  erc20Abi,
  type Hex,
  keccak256,
  parseEther,
  parseGwei,
  parseTransaction,
  publicActions,
  walletActions,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { connectChain, createWallet } from "../../../node/chain/clients.ts";
import { firstFees } from "../../../node/chain/fees.ts";
import { GasPurse } from "../../../node/chain/gas-purse.ts";
import { ChainSender, defaultSenderOptions, type SenderOptions } from "../../../node/chain/sender.ts";
import { TransactionBook } from "../../../node/chain/transaction-book.ts";
import { readFees } from "../../../node/chain/transaction-driver.ts";
import { systemClock } from "../../../node/kernel/clock.ts";
import type { DurableFacts } from "../../../node/kernel/durable-facts.ts";
import type { NodeKey } from "../../../node/kernel/keys.ts";
import { LevelCheckpointStore } from "../../../node/store/checkpoints.ts";
import { Database } from "../../../node/store/database.ts";
import { silentLogger } from "../../../sdk/base/logger.ts";
import { silentMetrics } from "../../../sdk/base/metrics.ts";
import { developmentTokenAbi } from "../../../sdk/protocol/abi/development-token.ts";
import { paymentEscrowAbi } from "../../../sdk/protocol/abi/payment-escrow.ts";
import { bytesToHex } from "../../../sdk/protocol/hex.ts";
import { type AnvilChain, openAnvil } from "../../support/anvil-chain.ts";
import { openRpcProxy, type RpcProxy } from "../../support/rpc-proxy.ts";

const quiet = { clock: systemClock, logger: silentLogger, metrics: silentMetrics };
const DEPTH = 2;

describe("chain sender", function () {
  this.timeout(60_000);
  let anvil: AnvilChain;
  let proxy: RpcProxy;
  let facts: DurableFacts;
  let key: NodeKey;
  let mining: NodeJS.Timeout | undefined;
  let folder: string;
  let keys = 300;
  const closing: (() => Promise<void>)[] = [];
  before(async () => {
    anvil = await openAnvil({ thawSeconds: 3_600n });
    folder = await mkdtemp(join(tmpdir(), "leat-sender-"));
  });
  beforeEach(async () => {
    keys += 1;
    key = await anvil.key(keys);
    proxy = await openRpcProxy(anvil.rpcUrl);
    const database = await Database.open(join(folder, String(keys)));
    facts = new LevelCheckpointStore(database);
    closing.push(
      () => database.close(),
      () => proxy.close(),
    );
    startMining();
  });
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
    stopMining();
    await setAutomine(true);
  });
  after(async () => {
    await anvil?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const startMining = () => {
    mining ??= setInterval(() => void anvil.testClient.mine({ blocks: 1 }).catch(() => {}), 30);
  };
  const stopMining = () => {
    clearInterval(mining);
    mining = undefined;
  };
  const setAutomine = (on: boolean) => anvil.testClient.setAutomine(on);
  const ask = <T>(method: string, params: unknown[]) =>
    anvil.testClient.request({ method: method as never, params: params as never }) as Promise<T>;
  const chain = () => anvil.testClient.extend(publicActions);
  const open = async (options: Partial<SenderOptions> = {}, by: DurableFacts = facts) => {
    const settings = { rpcUrls: [proxy.url], confirmedDepth: DEPTH, pollMs: 30, callTimeoutMs: 1_000 };
    const clients = await connectChain(settings, anvil.deployment.chainId);
    const wallet = createWallet(clients, key.secret);
    const sender = new ChainSender(
      { publicClient: clients.publicClient, wallet, facts: by, ...quiet },
      { ...defaultSenderOptions, confirmedDepth: DEPTH, lookEveryMs: 20, ...options },
    );
    closing.push(() => sender.stop());
    await sender.start();
    return sender;
  };
  const limits = (more: Partial<SenderOptions["limits"]>) => ({ limits: { ...defaultSenderOptions.limits, ...more } });
  /** Each run of it adds one to what the key holds: two are two payments. */
  const mint = (amount = 1n) =>
    ({
      address: anvil.deployment.tokens.USDC,
      abi: developmentTokenAbi,
      functionName: "mint",
      args: [key.address, amount],
    }) as const;
  const held = () =>
    chain().readContract({
      address: anvil.deployment.tokens.USDC,
      abi: erc20Abi,
      functionName: "balanceOf",
      args: [key.address],
    });
  const nonce = () => chain().getTransactionCount({ address: key.address });
  const raws = () =>
    proxy.calls.filter(({ method }) => method === "eth_sendRawTransaction").map(({ params }) => params[0] as Hex);
  const byHand = (nonce_: number) =>
    anvil.testClient.extend(walletActions).sendTransaction({
      account: privateKeyToAccount(bytesToHex(key.secret)),
      to: key.address,
      nonce: nonce_,
      chain: null,
    });

  it("sends one after the other, each once, and names why one failed", async () => {
    const sender = await open();
    const sent = await Promise.all([1n, 10n, 100n, 1_000n].map((amount) => sender.send(mint(amount))));
    assert.equal(new Set(sent.map(({ transaction }) => transaction)).size, 4);
    assert.equal(await held(), 1_111n);
    assert.deepEqual(
      sent.map(({ receipt }) => receipt.status),
      ["success", "success", "success", "success"],
    );
    const { escrow, tokens } = anvil.deployment;
    const call = { address: escrow, abi: paymentEscrowAbi } as const;
    await assert.rejects(
      sender.send({ ...call, functionName: "withdraw", args: [0n, tokens.USDC, 5n, key.address] }),
      (error: { code: string; detail: { reason: string } }) =>
        error.code === "CHAIN_REVERTED" && error.detail.reason === "PaymentEscrowPoolShort",
    );
    assert.equal(await sender.sendIf({ ...call, functionName: "collect", args: [[]] }, () => false), undefined);
    await anvil.testClient.setBalance({ address: key.address, value: 0n });
    await assert.rejects(sender.send(mint()), { code: "CHAIN_GAS_MISSING" });
    assert.equal(await nonce(), 4);
  });

  it("answers only when the block stands at confirmed depth", async () => {
    stopMining();
    const sender = await open();
    let done = false;
    const sending = sender.send(mint()).then((sent) => {
      done = true;
      return sent;
    });
    const seen = proxy.fault("eth_getTransactionReceipt", { kind: "rewrite", result: (truth) => truth });
    await seen.whenHit(5);
    assert.deepEqual([await held(), done], [1n, false]);
    await anvil.mine(1);
    await seen.whenHit(seen.hits + 3);
    assert.equal(done, false);
    await anvil.mine(1);
    const { blockNumber } = await sending;
    assert.ok((await chain().getBlockNumber({ cacheTime: 0 })) >= blockNumber + BigInt(DEPTH));
  });

  for (const kind of ["dropAnswer", "drop"] as const) {
    it(`pays once when the endpoint does ${kind === "drop" ? "not take" : "take, and not answer"} the bytes`, async () => {
      proxy.fault("eth_sendRawTransaction", { kind }, { times: 3 });
      const sender = await open();
      await sender.send(mint());
      assert.deepEqual([await held(), await nonce()], [1n, 1]);
      assert.equal(new Set(raws()).size, 1);
    });
  }

  for (const message of ["already known", "nonce too low", "replacement transaction underpriced", "busy"]) {
    it(`looks at the chain when the endpoint says: ${message}`, async () => {
      proxy.fault("eth_sendRawTransaction", { kind: "error", code: -32_000, message }, { times: 2 });
      await (await open()).send(mint());
      assert.deepEqual([await held(), await nonce(), new Set(raws()).size], [1n, 1, 1]);
    });
  }

  for (const kind of ["dropAnswer", "drop"] as const) {
    it(`sends the same bytes after a restart (${kind})`, async () => {
      stopMining();
      await setAutomine(false);
      const cut = proxy.fault("eth_sendRawTransaction", { kind });
      const first = await open();
      const sending = first.send(mint());
      sending.catch(() => {});
      await cut.whenHit();
      await first.stop();
      await assert.rejects(sending);
      proxy.heal();
      const [bytes] = raws();
      const before = raws().length;
      const second = await open();
      await proxy.whenCalled("eth_sendRawTransaction", before + 1);
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
      get: (kind, id) => facts.get(kind, id),
      list: (kind) => facts.list(kind),
      put: () => Promise.reject(new Error("disk full")),
      delete: () => Promise.reject(new Error("disk full")),
      change: () => Promise.reject(new Error("disk full")),
    };
    const sender = await open({}, broken);
    await assert.rejects(sender.send(mint()));
    assert.equal(proxy.count("eth_sendRawTransaction"), 0);
  });

  it("replaces what is stuck under the same nonce with fees that nodes accept", async () => {
    stopMining();
    await setAutomine(false);
    const sender = await open(limits({ stuckAfterMs: 200 }));
    const sending = sender.send(mint());
    await proxy.whenCalled("eth_sendRawTransaction", 3);
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
    stopMining();
    await setAutomine(false);
    const maxFee = parseGwei("3");
    const sender = await open(limits({ stuckAfterMs: 50, maxFee }));
    const sending = sender.send(mint());
    await proxy.whenCalled("eth_sendRawTransaction", 1);
    await anvil.testClient.setNextBlockBaseFeePerGas({ baseFeePerGas: parseGwei("500") });
    await anvil.mine(1);
    const asked = proxy.fault("eth_getTransactionReceipt", { kind: "rewrite", result: (truth) => truth });
    await asked.whenHit(60);
    for (const raw of raws()) assert.ok(parseTransaction(raw).maxFeePerGas! <= maxFee);
    assert.equal(await held(), 0n);
    await anvil.testClient.setNextBlockBaseFeePerGas({ baseFeePerGas: parseGwei("1") });
    startMining();
    await sending;
    assert.deepEqual([await held(), await nonce()], [1n, 1]);
  });

  it("signs nothing while the price is above the ceiling", async () => {
    const sender = await open(limits({ maxFee: 1n }));
    await assert.rejects(sender.send(mint()), { code: "CHAIN_FEES_HIGH" });
    assert.equal(proxy.count("eth_sendRawTransaction"), 0);
  });

  it("spends no more for gas in a day than it was given, over restarts too", async () => {
    const { receipt } = await (await open()).send(mint());
    const spent = receipt.gasUsed * receipt.effectiveGasPrice;
    const again = await open(limits({ dailyBudget: spent + 1n }));
    await assert.rejects(again.send(mint()), { code: "CHAIN_GAS_BUDGET" });
    assert.equal(await nonce(), 1);
    const tomorrow = { ...systemClock, nowMs: () => Date.now() + 86_400_001 };
    const settings = { rpcUrls: [proxy.url], confirmedDepth: DEPTH, pollMs: 30, callTimeoutMs: 1_000 };
    const clients = await connectChain(settings, anvil.deployment.chainId);
    const later = new ChainSender(
      {
        ...quiet,
        publicClient: clients.publicClient,
        wallet: createWallet(clients, key.secret),
        facts,
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
    const settings = { rpcUrls: [proxy.url], confirmedDepth: DEPTH, pollMs: 30, callTimeoutMs: 1_000 };
    const { publicClient } = await connectChain(settings, anvil.deployment.chainId);
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
      key.address,
      limits({ highBalance: parseEther("0.5") }).limits,
    );
    const hold = async (ether: string) => {
      await anvil.testClient.setBalance({ address: key.address, value: parseEther(ether) });
      await purse.watch();
      return gauges.get("leat_chain_gas_excess_ether")!();
    };
    assert.deepEqual([await hold("0.5"), warnings.length], [0, 0]);
    assert.deepEqual([await hold("0.75"), await hold("0.75"), warnings.length], [0.25, 0.25, 1]);
    assert.deepEqual([await hold("0.5"), await hold("2"), warnings.length], [0, 1.5, 2]);
  });

  it("lets whoever waits for its turn leave, and signs nothing for it", async () => {
    const sender = await open();
    stopMining();
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
    stopMining();
    await setAutomine(false);
    await anvil.testClient.setNextBlockBaseFeePerGas({ baseFeePerGas: price });
    await anvil.mine(1);
    const next = () => anvil.testClient.setNextBlockBaseFeePerGas({ baseFeePerGas: price }).then(() => anvil.mine(1));
    return () => {
      mining ??= setInterval(() => void next().catch(() => {}), 30);
    };
  };
  /** A budget that pays for one call at the price of now, and for nothing dearer. */
  const justEnough = async () => {
    const { baseFee, tip } = await readFees(chain() as never);
    const gas = await chain().estimateContractGas({ account: key.address, ...mint() });
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
    await proxy.whenCalled("eth_sendRawTransaction", 1);
    (await mineAt(parseGwei("20")))();
    const own = await sender.send(mint(100n));
    await stuck;
    assert.deepEqual([await held(), await nonce()], [100n, 2]);
    const emptied = raws().findLast((raw) => parseTransaction(raw).data === undefined)!;
    const cleared = parseTransaction(emptied);
    assert.deepEqual([cleared.to, cleared.nonce, cleared.value ?? 0n], [key.address, 0, 0n]);
    // The emptied nonce is paid for like the node's own work, and nothing of it by what is set apart.
    const book = await TransactionBook.open(facts, anvil.deployment.chainId, key.address);
    const spent = own.receipt.gasUsed * own.receipt.effectiveGasPrice;
    assert.equal(book.committed(Date.now(), apart), 0n);
    const receipt = await chain().getTransactionReceipt({ hash: keccak256(emptied) });
    assert.equal(book.committed(Date.now()), spent + receipt.gasUsed * receipt.effectiveGasPrice);
  });

  it("leaves it where it is while only more of the same waits, and while the node's own gas is used up", async () => {
    await mineAt(parseGwei("1"));
    const apart = await justEnough();
    const sender = await open({ waitMs: 1_000, ...limits({ stuckAfterMs: 50 }) });
    const first = assert.rejects(sender.send(mint(), undefined, apart), { code: "CHAIN_NOT_CONFIRMED" });
    const second = assert.rejects(sender.send(mint(10n), undefined, apart), { code: "CHAIN_NOT_CONFIRMED" });
    await proxy.whenCalled("eth_sendRawTransaction", 1);
    const mine = await mineAt(parseGwei("20"));
    mine();
    await Promise.all([first, second]);
    assert.equal(new Set(raws()).size, 1);
    await sender.stop();
    const poor = await open({ waitMs: 1_000, ...limits({ stuckAfterMs: 50, dailyBudget: 1n }) });
    await assert.rejects(poor.send(mint(100n)), { code: "CHAIN_NOT_CONFIRMED" });
    assert.equal(new Set(raws()).size, 1);
    stopMining();
    (await mineAt(parseGwei("1")))();
    await poor.send(mint(1_000n), undefined, { name: "another", daily: parseEther("1") });
    assert.equal(await held(), 1_001n);
  });

  it("makes a call again whose nonce somebody else used, and only if it still is wanted", async () => {
    for (const stillWanted of [true, false]) {
      const sender = await open();
      const before = await nonce();
      const had = await held();
      const cut = proxy.fault("eth_sendRawTransaction", { kind: "error", code: -32_000, message: "busy" });
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
    await proxy.whenCalled("eth_blockNumber");
    while ((await chain().getBlockNumber({ cacheTime: 0 })) < until) await anvil.mine(1);
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
      proxy.fault("eth_getTransactionCount", {
        kind: "rewrite",
        result: (truth) => `0x${lie(Number(truth)).toString(16)}`,
      });
      await sender.send(mint());
      await sender.send(mint());
      assert.deepEqual([await held(), await nonce()], [4n, 4]);
    });
  }

  it("does not give up what is pending because a count says that its nonce is used", async () => {
    stopMining();
    await setAutomine(false);
    const sender = await open();
    const sending = sender.send(mint());
    // The second look comes after the first one's broadcast was answered: before that there is nothing to drop.
    await proxy.whenCalled("eth_getTransactionReceipt", 2);
    const lie = proxy.fault("eth_getTransactionCount", {
      kind: "rewrite",
      result: (truth) => `0x${(Number(truth) + 5).toString(16)}`,
    });
    // Empty blocks on top, so that the lie is at confirmed depth too.
    const [pending] = raws();
    await ask("anvil_dropAllTransactions", []);
    await anvil.mine(4);
    await lie.whenHit(30);
    proxy.heal();
    startMining();
    await sending;
    assert.deepEqual([await held(), await nonce()], [1n, 1]);
    assert.deepEqual([...new Set(raws())], [pending]);
  });

  it("fills the hole that a first lie made, and pays once", async () => {
    const lie = proxy.fault("eth_getTransactionCount", {
      kind: "rewrite",
      result: (truth) => `0x${(Number(truth) + 3).toString(16)}`,
    });
    const sender = await open();
    const sending = sender.send(mint());
    await proxy.whenCalled("eth_sendRawTransaction", 1);
    lie.remove();
    await sending;
    assert.deepEqual([await held(), await nonce()], [1n, 4]);
    await sender.send(mint());
    assert.deepEqual([await held(), await nonce()], [2n, 5]);
  });

  it("sends again what a reorganisation took out of its block", async () => {
    stopMining();
    const sender = await open();
    const sending = sender.send(mint());
    const seen = proxy.fault("eth_getTransactionReceipt", { kind: "rewrite", result: (truth) => truth });
    await seen.whenHit(4);
    assert.equal(await held(), 1n);
    await setAutomine(false);
    await ask("anvil_reorg", [1, []]);
    await ask("anvil_dropAllTransactions", []);
    assert.equal(await held(), 0n);
    const before = raws().length;
    await proxy.whenCalled("eth_sendRawTransaction", before + 1);
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
    stopMining();
    await setAutomine(false);
    const depth = Number((await chain().getBlockNumber({ cacheTime: 0 })) - blockNumber) + 1;
    await ask("anvil_reorg", [depth, []]);
    await ask("anvil_dropAllTransactions", []);
    assert.equal(await held(), 1n);
    startMining();
    await sender.send(mint(100n));
    assert.deepEqual([await held(), await nonce()], [111n, 3]);
    assert.equal(raws()[before], lost);
  });

  it("tells whoever waited too long, keeps its place, and lets nothing past it", async () => {
    stopMining();
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
