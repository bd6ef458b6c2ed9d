import assert from "node:assert/strict";
import { connectChain } from "../../../node/chain/clients.ts";
import { RegistryState } from "../../../node/chain/registry-state.ts";
import { RegistryView } from "../../../node/chain/registry-view.ts";
import { findSignerEnd } from "../../../node/chain/signer-end.ts";
import { systemClock } from "../../../node/kernel/clock.ts";
import type { NodeKey } from "../../../node/kernel/keys.ts";
import { silentLogger } from "../../../sdk/base/logger.ts";
import { silentMetrics } from "../../../sdk/base/metrics.ts";
import { deposit } from "../../../sdk/client/actions/account.ts";
import { createCluster } from "../../../sdk/client/actions/cluster.ts";
import { acceptCluster, acceptMember, leaveCluster, refuseMember } from "../../../sdk/client/actions/memberships.ts";
import { revokeNode, rotateNode } from "../../../sdk/client/actions/node-keys.ts";
import { joinOperator } from "../../../sdk/client/actions/operator.ts";
import { sponsorOperator, thawSponsored, thawStake } from "../../../sdk/client/actions/stake.ts";
import { write } from "../../../sdk/client/transaction.ts";
import { clusterRegistryAbi } from "../../../sdk/protocol/abi/cluster-registry.ts";
import { hubChannel } from "../../../sdk/protocol/channel.ts";
import { type AnvilChain, openAnvil } from "../../support/anvil-chain.ts";

const quiet = { clock: systemClock, logger: silentLogger, metrics: silentMetrics };
const lpt = 10n ** 18n;
const thawSeconds = 3_600n;

/** What a real chain says, folded. */
describe("registry state", function () {
  this.timeout(60_000);
  let anvil: AnvilChain;
  let view: RegistryView;
  let [owner, balancer, operator, node, fresh, sponsor, heir] = [] as unknown as NodeKey[];
  let cluster: bigint;

  before(async () => {
    anvil = await openAnvil({ thawSeconds });
    [owner, balancer, operator, node, fresh, sponsor, heir] = await Promise.all(
      [1, 2, 3, 4, 5, 6, 7].map((index) => anvil.key(index)),
    );
    for (const key of [operator!, sponsor!, heir!])
      await anvil.mint(anvil.deployment.tokens.LPT, key.address, 500n * lpt);
    ({ cluster } = await createCluster(anvil.client(owner!), { terms: "", balancers: [balancer!.signer] }));
    const options = { rpcUrls: [anvil.rpcUrl], confirmedDepth: 2, pollMs: 20, callTimeoutMs: 2_000 };
    const { publicClient } = await connectChain(options, anvil.deployment.chainId);
    view = new RegistryView({ publicClient, deployment: anvil.deployment, ...quiet }, options);
    await view.start();
  });
  after(async () => {
    await view?.stop();
    await anvil?.close();
  });

  /** Waits until the view has what these transactions did. */
  const settled = async (...calls: Promise<{ blockNumber: bigint }>[]) => {
    let last = 0n;
    for (const call of calls) last = (await call).blockNumber;
    await anvil.mine(3);
    await view.whenConfirmed(last);
  };
  const members = () => [...view.cluster(cluster)!.members];

  it("counts a sponsor's stake as its operator's, and takes out what thaws", async () => {
    const client = anvil.client(operator!);
    await settled(
      joinOperator(client, { stake: 120n * lpt, node: node!.signer, endpoint: "https://n.example", cluster }),
    );
    const behind = { operator: operator!.address };
    await settled(sponsorOperator(anvil.client(sponsor!), { ...behind, amount: 80n * lpt }));
    assert.equal(view.operator(operator!.address)?.stake, 200n * lpt);
    await settled(thawStake(client, 20n * lpt));
    await settled(thawSponsored(anvil.client(sponsor!), { ...behind, amount: 30n * lpt }));
    const { stake, thawing } = view.operator(operator!.address)!;
    assert.deepEqual([stake, thawing], [150n * lpt, 50n * lpt]);
  });

  it("knows a rotated key as revoked and the new one as the operator's", async () => {
    const input = { lost: node!.address, node: fresh!.signer, endpoint: "https://new.example" };
    await settled(rotateNode(anvil.client(operator!), input));
    assert.deepEqual(
      [...view.operator(operator!.address)!.nodes],
      [
        [node!.address, { endpoint: "https://n.example", revoked: true }],
        [fresh!.address, { endpoint: "https://new.example", revoked: false }],
      ],
    );
    assert.equal(view.operatorOf(node!.address), operator!.address);
    await settled(revokeNode(anvil.client(operator!), fresh!.address));
    assert.equal(view.operator(operator!.address)!.nodes.get(fresh!.address)?.revoked, true);
  });

  it("has as members those that accepted and are not kept out", async () => {
    const [owning, selling] = [anvil.client(owner!), anvil.client(operator!)];
    const who = { cluster, operator: operator!.address };
    assert.deepEqual(members(), [[operator!.address, 0]]);
    await settled(refuseMember(owning, who));
    assert.deepEqual(members(), []);
    await settled(acceptMember(owning, who));
    assert.deepEqual(members(), [[operator!.address, 0]]);
    await settled(leaveCluster(selling, cluster));
    assert.deepEqual(members(), []);
    await settled(acceptMember(owning, who));
    assert.deepEqual(members(), []);
    await settled(acceptCluster(selling, { cluster, maximumSharePpm: 70_000 }));
    assert.deepEqual(members(), [[operator!.address, 70_000]]);
    const access = { address: anvil.deployment.clusterRegistry, abi: clusterRegistryAbi } as const;
    await settled(write(owning, { ...access, functionName: "setAccess", args: [cluster, 0, 1] }));
    await settled(leaveCluster(selling, cluster));
    await settled(acceptCluster(selling, { cluster, maximumSharePpm: 60_000 }));
    assert.deepEqual(members(), []);
    assert.deepEqual([...view.cluster(cluster)!.waiting], [[operator!.address, 60_000]]);
    const state = RegistryState.restore([[`cluster/${cluster}`, view.cluster(cluster)!]]).copy();
    assert.deepEqual(state.clusters.get(cluster), view.cluster(cluster));
  });

  it("has no balancer key of the old owner after a transfer", async () => {
    const access = { address: anvil.deployment.clusterRegistry, abi: clusterRegistryAbi } as const;
    const args = [cluster, heir!.address] as const;
    await write(anvil.client(owner!), { ...access, functionName: "startTransfer", args });
    await anvil.testClient.increaseTime({ seconds: Number(thawSeconds) + 86_400 });
    await anvil.mine(1);
    assert.deepEqual([...view.cluster(cluster)!.balancers], [balancer!.address]);
    await settled(write(anvil.client(heir!), { ...access, functionName: "acceptTransfer", args: [cluster] }));
    const { owner: newOwner, balancers } = view.cluster(cluster)!;
    assert.deepEqual([newOwner, [...balancers]], [heir!.address, []]);
  });

  it("knows until when vouchers of an ended balancer count", async () => {
    const { account, ended } = view.cluster(cluster)!;
    const end = await findSignerEnd(view, hubChannel(account, node!.address, account), () => balancer!.address);
    assert.deepEqual([...ended], [[balancer!.address, end!.countsUntil]]);
    assert.equal(end!.countsUntil - end!.endsAt, thawSeconds);
    const last = end!.countsUntil - (await view.nowSeconds());
    assert.ok(last > 0n && last <= thawSeconds);
    const channel = hubChannel(account, node!.address, account);
    assert.equal(await view.maySign(account, balancer!.address), true);
    const { cap, validUntil } = (await view.allotment(channel, balancer!.address))!;
    assert.deepEqual([cap, validUntil - end!.endsAt], [2n ** 128n - 1n, thawSeconds / 4n]);
    await anvil.testClient.increaseTime({ seconds: Number(thawSeconds / 4n) });
    await settled(deposit(anvil.client(heir!), { token: anvil.deployment.tokens.LPT, amount: 1n, account }));
    assert.equal(await view.maySign(account, balancer!.address), false);
  });

  it("asks nobody whether a stranger signs for a cluster", async () => {
    await anvil.close();
    const { account } = view.cluster(cluster)!;
    await assert.rejects(view.channelState(hubChannel(account, node!.address, account)), { code: "CHAIN_UNREACHABLE" });
    assert.equal(await view.maySign(account, node!.address), false);
  });
});
