import assert from "node:assert/strict";
import { numberToHex, publicActions } from "viem";
import { connectChain } from "../../../node/chain/clients.ts";
import type { ChainError } from "../../../node/chain/errors.ts";
import { EventReader, type ReaderPosition } from "../../../node/chain/event-reader.ts";
import { RegistryView } from "../../../node/chain/registry-view.ts";
import { systemClock } from "../../../node/kernel/clock.ts";
import { silentLogger } from "../../../sdk/base/logger.ts";
import { silentMetrics } from "../../../sdk/base/metrics.ts";
import {
  deposit,
  getBalances,
  getCollectStatus,
  reserve,
  thaw,
  withdraw,
} from "../../../sdk/client/actions/account.ts";
import { createCluster } from "../../../sdk/client/actions/cluster.ts";
import { acceptCluster, acceptMember } from "../../../sdk/client/actions/memberships.ts";
import { addNode } from "../../../sdk/client/actions/node-keys.ts";
import { getOperatorStatus, joinOperator } from "../../../sdk/client/actions/operator.ts";
import { paymentEscrowAbi } from "../../../sdk/protocol/abi/payment-escrow.ts";
import { channelId, hubChannel } from "../../../sdk/protocol/channel.ts";
import { type AnvilChain, openAnvil } from "../../support/anvil-chain.ts";
import { openRpcProxy } from "../../support/rpc-proxy.ts";

const quiet = { clock: systemClock, logger: silentLogger, metrics: silentMetrics };
const lpt = 10n ** 18n;

describe("chain", () => {
  let anvil: AnvilChain;
  const parts: { stop(): Promise<void> }[] = [];
  before(async function () {
    this.timeout(60_000);
    anvil = await openAnvil({ thawSeconds: 3_600n });
  });
  after(() => anvil?.close());
  afterEach(async () => {
    for (const part of parts.splice(0)) await part.stop();
  });

  const optionsOf = (rpcUrls: string[], confirmedDepth = 2) => ({
    rpcUrls,
    confirmedDepth,
    pollMs: 30,
    callTimeoutMs: 2_000,
  });
  const openView = async (confirmedDepth = 2) => {
    const options = optionsOf([anvil.rpcUrl], confirmedDepth);
    const { publicClient } = await connectChain(options, anvil.deployment.chainId);
    const view = new RegistryView({ publicClient, deployment: anvil.deployment, ...quiet }, options);
    parts.push(view);
    await view.start();
    return view;
  };
  const openReader = async (pageBlocks: bigint, rpcUrl = anvil.rpcUrl) => {
    const { publicClient } = await connectChain(optionsOf([rpcUrl]), anvil.deployment.chainId);
    return new EventReader(
      { publicClient },
      {
        addresses: [anvil.deployment.escrow],
        events: paymentEscrowAbi.filter((item) => item.type === "event"),
        fromBlock: anvil.deployment.deployedAtBlock,
        confirmedDepth: 2,
        pageBlocks,
      },
    );
  };
  const depositUsdc = async (index: number, amount: bigint) => {
    const key = await anvil.key(index);
    await anvil.mint(anvil.deployment.tokens.USDC, key.address, amount);
    return deposit(anvil.client(key), { token: anvil.deployment.tokens.USDC, amount });
  };

  it("asks the next endpoint when one is down, and refuses the wrong chain", async () => {
    const { publicClient } = await connectChain(
      optionsOf(["http://127.0.0.1:9", anvil.rpcUrl]),
      anvil.deployment.chainId,
    );
    assert.ok((await publicClient.getBlockNumber()) > 0n);
    await assert.rejects(connectChain(optionsOf([anvil.rpcUrl]), 5), { code: "CHAIN_WRONG" });
    await assert.rejects(connectChain(optionsOf(["http://127.0.0.1:9"]), 5), { code: "CHAIN_UNREACHABLE" });
  });

  it("hands on every confirmed event once, in order, page by page, from any position", async function () {
    this.timeout(20_000);
    for (const [at, amount] of [1n, 2n, 3n, 4n].entries()) await depositUsdc(30 + at, amount);
    await anvil.mine(2);
    const reader = await openReader(3n);
    const read = async (position?: ReaderPosition) => {
      const amounts: bigint[] = [];
      const positions: ReaderPosition[] = [];
      for (;;) {
        const page = await reader.next(position);
        if (page === undefined) return { amounts, positions };
        for (const log of page.logs) if (log.eventName === "Deposited") amounts.push(log.args.amount as bigint);
        position = page.position;
        positions.push(position);
      }
    };
    const all = await read();
    assert.deepEqual(all.amounts, [1n, 2n, 3n, 4n]);
    for (const [at, position] of all.positions.entries()) {
      const rest = await read(position);
      assert.ok(all.positions.length - at - 1 === rest.positions.length);
      assert.deepEqual(rest.amounts, all.amounts.slice(all.amounts.length - rest.amounts.length));
    }
  });

  it("sees nothing that is not confirmed, and nothing of a reorganisation above that depth", async function () {
    this.timeout(20_000);
    const view = await openView();
    const key = await anvil.key(40);
    const { blockNumber } = await depositUsdc(40, 7n);
    assert.ok(view.confirmedBlock < blockNumber);
    const heard: bigint[] = [];
    view.onEvent((log) => {
      if (log.eventName === "Deposited") heard.push(log.args.amount as bigint);
    });
    // The deposit's block is replaced by an empty one before it is confirmed.
    await anvil.reorg(1);
    const second = await deposit(anvil.client(key), { token: anvil.deployment.tokens.USDC, amount: 6n }).catch(
      () => undefined,
    );
    await anvil.mine(4);
    await view.whenConfirmed(blockNumber + 2n);
    assert.deepEqual(heard, second === undefined ? [] : [6n]);
  });

  it("says that the chain was replaced when a position is on it no more", async () => {
    await anvil.mine(5);
    const reader = await openReader(1_000n);
    const page = await reader.next(undefined);
    await anvil.reorg(5);
    // The same height, other blocks.
    await anvil.testClient.mine({ blocks: 1 });
    await assert.rejects(reader.next(page!.position), { code: "CHAIN_REPLACED" });
  });

  it("waits for an endpoint that lags, and says so of one that lacks a block for good", async () => {
    await anvil.mine(3);
    const proxy = await openRpcProxy(anvil.rpcUrl);
    try {
      const reader = await openReader(1_000n, proxy.url);
      const { position } = (await reader.next(undefined))!;
      const lacking = numberToHex(position.blockNumber);
      proxy.fault("eth_getBlockByNumber", {
        kind: "rewrite",
        result: (truth) => ((truth as { number: string } | null)?.number === lacking ? null : truth),
      });
      await anvil.mine(100);
      assert.equal(await reader.next(position), undefined);
      await anvil.mine(100);
      const { number: head } = await anvil.testClient.extend(publicActions).getBlock();
      const reason = `block ${position.blockNumber} is not there, though the head is ${head}`;
      await assert.rejects(reader.next(position), ({ detail }: ChainError) => {
        assert.deepEqual(detail, { code: "CHAIN_UNREACHABLE", method: "eth_getBlockByNumber", reason });
        return true;
      });
    } finally {
      await proxy.close();
    }
  });

  it("knows operators, nodes, stakes, clusters, members, reserves and thaws", async function () {
    this.timeout(30_000);
    const [owner, balancer, operator, node, second] = await Promise.all(
      [50, 51, 52, 53, 54].map((at) => anvil.key(at)),
    );
    const client = anvil.client(operator!);
    const made = await createCluster(anvil.client(owner!), {
      terms: "https://terms.example",
      balancers: [balancer!.signer],
      approval: true,
    });
    await anvil.mint(anvil.deployment.tokens.LPT, operator!.address, 300n * lpt);
    const join = { stake: 120n * lpt, node: node!.signer, endpoint: "http://127.0.0.1/offer" };
    await assert.rejects(joinOperator(client, { ...join, stake: 301n * lpt }), { code: "CLIENT_BALANCE_SHORT" });
    await assert.rejects(joinOperator(client, { ...join, stake: 1n }), { code: "CLIENT_JOIN_SHORT" });
    await joinOperator(client, { ...join, pushPayouts: true });
    await acceptMember(anvil.client(owner!), { cluster: made.cluster, operator: operator!.address });
    await acceptCluster(client, { cluster: made.cluster, maximumSharePpm: 100_000 });
    await addNode(client, { node: second!.signer, endpoint: "http://127.0.0.1/second" });
    const token = anvil.deployment.tokens.USDC;
    await anvil.mint(token, owner!.address, 100n);
    await deposit(anvil.client(owner!), { token, amount: 100n, account: made.account });
    const promise = { payee: node!.address, token, asCluster: made.cluster };
    await reserve(anvil.client(balancer!), { ...promise, amount: 80n });
    const last = await thaw(anvil.client(balancer!), { ...promise, amount: 30n });
    await withdraw(anvil.client(owner!), { token, amount: 5n, asCluster: made.cluster });
    await anvil.mine(4);

    const view = await openView();
    await view.whenConfirmed(last.blockNumber);
    assert.equal(view.operatorOf(second!.address), operator!.address);
    assert.equal(view.operator(operator!.address)?.stake, 120n * lpt);
    assert.deepEqual([...view.operator(operator!.address)!.nodes.keys()], [node!.address, second!.address]);
    const cluster = view.cluster(made.cluster)!;
    assert.deepEqual([cluster.owner, cluster.account], [owner!.address, made.account]);
    assert.deepEqual([...cluster.members], [[operator!.address, 100_000]]);
    assert.equal(view.clusterOfAccount(made.account), made.cluster);
    assert.equal(await view.maySign(made.account, balancer!.address), true);
    assert.equal(await view.maySign(made.account, node!.address), false);
    const channel = hubChannel(made.account, node!.address, token);
    const { thawEndsAt } = await getCollectStatus(client, channel);
    const expected = { collected: 0n, reserve: 50n, thawing: 30n, thawEndsAt, collectTransaction: undefined };
    assert.deepEqual(await view.channelState(channel), expected);
    assert.equal(await view.channelState(channel), await view.channelState(channel, channelId(channel)));
    assert.equal(await view.decimalsOf(token), 6);

    const status = await getOperatorStatus(client, node!.address);
    assert.deepEqual([status?.operator, status?.stake, status?.pushPayouts], [operator!.address, 120n * lpt, true]);
    assert.equal(await getOperatorStatus(client, owner!.address), undefined);
    assert.deepEqual(
      [(await getBalances(client, token, made.account)).pool, (await getCollectStatus(client, channel)).thawing],
      [15n, 30n],
    );
  });
});
