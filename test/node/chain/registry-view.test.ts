import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { publicActions } from "viem";
import { connectChain } from "../../../node/chain/clients.ts";
import type { DecodedLog } from "../../../node/chain/event-reader.ts";
import { RegistryView } from "../../../node/chain/registry-view.ts";
import { systemClock } from "../../../node/kernel/clock.ts";
import type { DurableFacts } from "../../../node/kernel/durable-facts.ts";
import { LevelCheckpointStore } from "../../../node/store/checkpoints.ts";
import { Database } from "../../../node/store/database.ts";
import { joinMany, STAKE } from "../../../scripts/benchmarks/support/join-many.ts";
import { silentLogger } from "../../../sdk/base/logger.ts";
import { silentMetrics } from "../../../sdk/base/metrics.ts";
import { deposit } from "../../../sdk/client/actions/account.ts";
import { joinOperator } from "../../../sdk/client/actions/operator.ts";
import { write } from "../../../sdk/client/transaction.ts";
import { operatorRegistryAbi } from "../../../sdk/protocol/abi/operator-registry.ts";
import { type AnvilChain, openAnvil } from "../../support/anvil-chain.ts";
import { openRpcProxy, type RpcProxy } from "../../support/rpc-proxy.ts";

const quiet = { clock: systemClock, logger: silentLogger, metrics: silentMetrics };
const lpt = 10n ** 18n;

describe("registry view", function () {
  this.timeout(60_000);
  let anvil: AnvilChain;
  let proxy: RpcProxy;
  let folder: string;
  const parts: { stop(): Promise<void> }[] = [];
  before(async () => {
    anvil = await openAnvil({ thawSeconds: 3_600n });
    folder = await mkdtemp(join(tmpdir(), "leat-view-"));
  });
  beforeEach(async () => {
    proxy = await openRpcProxy(anvil.rpcUrl);
  });
  afterEach(async () => {
    for (const part of parts.splice(0).reverse()) await part.stop();
    await proxy.close();
  });
  after(async () => {
    await anvil?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const open = async (facts?: DurableFacts) => {
    const options = { rpcUrls: [proxy.url], confirmedDepth: 2, pollMs: 30, callTimeoutMs: 2_000 };
    const { publicClient } = await connectChain(options, anvil.deployment.chainId);
    const more = facts === undefined ? {} : { facts };
    const view = new RegistryView({ publicClient, deployment: anvil.deployment, ...more, ...quiet }, options);
    parts.push(view);
    const heard: string[] = [];
    const nameOf = ({ eventName, args }: DecodedLog) => `${eventName} ${String(args.amount ?? args.operator ?? "")}`;
    view.onEvent((log) => heard.push(nameOf(log)));
    view.onRollback((blockNumber) => heard.push(`rollback ${blockNumber}`));
    await view.start();
    return { view, heard };
  };
  const openFacts = async (name: string) => {
    const database = await Database.open(join(folder, name));
    parts.push({ stop: () => database.close() });
    return { facts: new LevelCheckpointStore(database), close: () => database.close() };
  };
  const depositUsdc = async (index: number, amount: bigint) => {
    const key = await anvil.key(index);
    await anvil.mint(anvil.deployment.tokens.USDC, key.address, amount);
    return deposit(anvil.client(key), { token: anvil.deployment.tokens.USDC, amount });
  };
  const join_ = async (index: number, stake: bigint) => {
    const [operator, node] = [await anvil.key(index), await anvil.key(index + 1)];
    await anvil.mint(anvil.deployment.tokens.LPT, operator.address, stake);
    await joinOperator(anvil.client(operator), { stake, node: node.signer, endpoint: `http://127.0.0.1/${index}` });
    return { operator, node };
  };
  const headNumber = async () => await anvil.testClient.extend(publicActions).getBlockNumber({ cacheTime: 0 });
  const facts = (view: RegistryView) =>
    view
      .operators()
      .map(({ operator, stake, thawing, nodes }) => ({ operator, stake, thawing, nodes: [...nodes] }))
      .toSorted((left, right) => (left.operator < right.operator ? -1 : 1));

  it("goes back below the confirmed depth to exactly what stood there, and says so", async () => {
    const { operator } = await join_(100, 120n * lpt);
    await anvil.mine(4);
    const { view, heard } = await open();
    const gone = await join_(110, 150n * lpt);
    await write(anvil.client(operator), {
      address: anvil.deployment.operatorRegistry,
      abi: operatorRegistryAbi,
      functionName: "thaw",
      args: [20n * lpt],
    });
    const before = await headNumber();
    await anvil.mine(2);
    await view.whenConfirmed(before);
    assert.equal(view.operator(operator.address)?.thawing, 20n * lpt);
    assert.equal(view.operator(gone.operator.address)?.stake, 150n * lpt);
    // Joining and thawing and what is on top are replaced by as many empty blocks and one more.
    const told = new Promise<void>((resolve) => view.onRollback(() => resolve()));
    await anvil.reorg(5);
    await anvil.mine(1);
    await told;
    assert.equal(view.operator(operator.address)?.thawing, 0n);
    assert.equal(view.operator(operator.address)?.stake, 120n * lpt);
    assert.equal(view.operator(gone.operator.address), undefined);
    const last = heard.findLastIndex((line) => line.startsWith("rollback"));
    assert.deepEqual(heard.slice(last + 1), []);
    assert.ok(heard.slice(0, last).some((line) => line.startsWith("StakeThawStarted")));
    const fresh = await open();
    assert.deepEqual(facts(view), facts(fresh.view));
    // What comes next is heard once.
    const { blockNumber } = await depositUsdc(120, 9n);
    await anvil.mine(2);
    await view.whenConfirmed(blockNumber);
    assert.deepEqual(heard.filter((line) => line === "Deposited 9").length, 1);
  });

  it("takes a step whole or not at all: a failed read of stakes neither repeats nor loses an event", async () => {
    const { view, heard } = await open();
    heard.splice(0);
    const rule = proxy.fault("eth_call", { kind: "error", code: -32_603, message: "internal" });
    const { operator } = await join_(130, 130n * lpt);
    const { blockNumber } = await depositUsdc(132, 11n);
    await anvil.mine(3);
    await rule.whenHit(3);
    assert.equal(view.operator(operator.address), undefined);
    assert.equal(heard.includes("Deposited 11"), false);
    rule.remove();
    await view.whenConfirmed(blockNumber);
    assert.equal(view.operator(operator.address)?.stake, 130n * lpt);
    const names = heard.map((line) => line.split(" ")[0]);
    assert.equal(names.filter((name) => name === "OperatorJoined").length, 1);
    assert.equal(names.filter((name) => name === "Deposited").length, 1);
  });

  it("asks for less where an endpoint refuses the page, and misses nothing", async () => {
    await depositUsdc(140, 13n);
    await anvil.mine(40);
    const blocksOf = (params: readonly unknown[]) => {
      const { fromBlock, toBlock } = params[0] as { fromBlock: string; toBlock: string };
      return Number(BigInt(toBlock) - BigInt(fromBlock)) + 1;
    };
    const refusal = { kind: "error", code: -32_005, message: "query returned more than 10000 results" } as const;
    const rule = proxy.fault("eth_getLogs", refusal, { when: ({ params }) => blocksOf(params) > 7 });
    const { view, heard } = await open();
    assert.ok(rule.hits > 0);
    assert.equal(heard.filter((line) => line === "Deposited 13").length, 1);
    assert.ok(view.confirmedBlock >= (await headNumber()) - 2n);
  });

  it("takes a head that goes backwards for an endpoint that lags, not for another chain", async () => {
    const { view, heard } = await open();
    const { blockNumber } = await depositUsdc(150, 15n);
    await anvil.mine(3);
    await view.whenConfirmed(blockNumber);
    const at = view.confirmedBlock;
    const lags = proxy.fault("eth_blockNumber", { kind: "answer", result: () => `0x${(at - 1n).toString(16)}` });
    const lacks = proxy.fault(
      "eth_getBlockByNumber",
      { kind: "answer", result: () => null },
      { when: ({ params }) => BigInt(params[0] as string) >= at - 1n },
    );
    await lags.whenHit(5);
    assert.equal(view.confirmedBlock, at);
    // The head of one machine and the blocks of another, behind one address.
    lags.remove();
    await lacks.whenHit(3);
    assert.equal(view.confirmedBlock, at);
    proxy.heal();
    const next = await depositUsdc(151, 16n);
    await anvil.mine(3);
    await view.whenConfirmed(next.blockNumber);
    assert.deepEqual(
      heard.filter((line) => /^(rollback|Deposited 1[56])/.test(line)),
      ["Deposited 15", "Deposited 16"],
    );
  });

  it("asks for one block where one is new, and waits where that is not of the branch that it read", async () => {
    const { view, heard } = await open();
    const at = view.confirmedBlock;
    const before = proxy.calls.length;
    await anvil.mine(1);
    await view.whenConfirmed(at + 1n);
    const asked = proxy.calls.slice(before).map(({ method, params }) => `${method} ${String(params[0] ?? "")}`);
    const first = asked.findIndex((line) => line.startsWith("eth_getLogs"));
    assert.equal(asked[first - 1], `eth_getBlockByNumber 0x${(at + 1n).toString(16)}`);
    assert.equal(asked[first - 2], "eth_blockNumber ");
    const foreign = proxy.fault(
      "eth_getBlockByNumber",
      { kind: "rewrite", result: (block) => ({ ...(block as object), parentHash: `0x${"77".repeat(32)}` }) },
      { when: ({ params }) => BigInt(params[0] as string) === at + 2n },
    );
    await anvil.mine(1);
    await foreign.whenHit(3);
    assert.equal(view.confirmedBlock, at + 1n);
    foreign.remove();
    await view.whenConfirmed(at + 2n);
    assert.deepEqual(
      heard.filter((line) => line.startsWith("rollback")),
      [],
    );
  });

  it("starts where it stopped, and from the beginning when that is not on the chain", async () => {
    const { operator } = await join_(160, 160n * lpt);
    await anvil.mine(300);
    const kept = await openFacts("kept");
    const first = await open(kept.facts);
    await first.view.stop();
    const asked = () =>
      proxy.calls
        .filter(({ method }) => method === "eth_getLogs")
        .map(({ params }) => BigInt((params[0] as { fromBlock: string }).fromBlock));
    const before = asked().length;
    const second = await open(kept.facts);
    assert.ok(
      asked()
        .slice(before)
        .every((block) => block > anvil.deployment.deployedAtBlock + 1n),
    );
    assert.equal(second.heard.length, 0);
    assert.deepEqual(facts(second.view), facts(first.view));
    assert.equal(second.view.operator(operator.address)?.stake, 160n * lpt);
    assert.ok(second.view.operatorOf((await anvil.key(161)).address));
    await second.view.stop();
    // Another hash at that height: what was kept says nothing about this chain.
    proxy.fault("eth_getBlockByNumber", {
      kind: "rewrite",
      result: (block) => ({ ...(block as object), hash: `0x${"77".repeat(32)}` }),
    });
    const third = await open(kept.facts);
    assert.ok(third.heard.length > 0);
    assert.deepEqual(facts(third.view), facts(first.view));
  });

  it("folds the stakes of many operators with few calls, and as the contract has them", async () => {
    // More than fit into one call, so that the limits of one are met too.
    await joinMany(anvil, 100, new AbortController().signal);
    await join_(200, 123n * lpt);
    await anvil.mine(3);
    const before = proxy.count("eth_call");
    const { view } = await open();
    assert.equal(proxy.count("eth_call") - before, 2);
    const shown = view.operators();
    for (const { operator, stake, thawing } of [...shown.slice(0, 3), ...shown.slice(-3)]) {
      const found = await anvil.client(await anvil.key(1)).publicClient.readContract({
        address: anvil.deployment.operatorRegistry,
        abi: operatorRegistryAbi,
        functionName: "stakeOf",
        args: [operator],
      });
      assert.deepEqual({ stake, thawing }, { stake: found.stake, thawing: found.thawing });
    }
    assert.equal(shown.filter(({ stake, nodes }) => stake === STAKE && nodes.size === 1).length, 100);
  });
});
