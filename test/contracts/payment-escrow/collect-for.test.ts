import assert from "node:assert/strict";
import type { Address } from "../../../sdk/protocol/hex.ts";
import { type Actor, useWorld } from "../support/world.ts";

const reasons = { payeeUnknown: 0, nothingNew: 3, signatureWrong: 4, outOfOrder: 5 } as const;

describe("PaymentEscrow.collectFor", () => {
  const world = useWorld();
  let buyer: Actor;
  let balancer: Actor;
  let submitter: Actor;
  let cluster: bigint;
  let account: Address;
  /** In rising order of node address, as claims must be. */
  let members: { operator: Actor; node: Actor }[];

  beforeEach(async () => {
    [buyer, submitter, balancer] = [await world().actor(20), await world().actor(90), await world().actor(2)];
    ({ cluster, account } = await world().createCluster(await world().actor(1), balancer));
    members = [await world().join(3), await world().join(4), await world().join(5)];
    members.sort((left, right) => (left.node.address < right.node.address ? -1 : 1));
  });

  const member = (at: number, cumulative: bigint) => {
    const payee = members[at]!.node.address;
    return world().claim(balancer.signer, world().key(account, payee), cumulative);
  };
  const buyerClaim = (cumulative: bigint) =>
    world().claim(buyer.signer, world().key(buyer.address, account), cumulative);
  const collectFor = (buyers: unknown[], claims: unknown[]) =>
    world().write(submitter.wallet, "escrow", "collectFor", [cluster, world().usdc, buyers, claims]);
  const earned = () => Promise.all(members.map(({ operator }) => world().pool(operator.address)));

  it("pays members with what the buyers' vouchers just brought", async () => {
    await world().deposit(buyer, 1_000n);
    const receipt = await collectFor([await buyerClaim(500n)], [await member(0, 100n), await member(1, 200n)]);
    assert.deepEqual(await earned(), [100n, 200n, 0n]);
    assert.equal(await world().pool(account), 200n);
    assert.equal(world().events(receipt, "Collected").length, 3);
  });

  it("names the parties of a channel that never had a reserve before its first payment, and not again", async () => {
    await world().deposit(buyer, 1_000n);
    const first = await collectFor([await buyerClaim(500n)], [await member(0, 100n)]);
    const channelsOf = (name: string, receipt = first) =>
      world()
        .events(receipt, name)
        .map(({ channel }) => channel);
    assert.equal(channelsOf("Collected").length, 2);
    assert.deepEqual(channelsOf("Reserved"), channelsOf("Collected"));
    const named = world()
      .events(first, "Reserved")
      .map(({ payer, payee }) => [payer, payee].map(String));
    assert.deepEqual(
      named.map(([payer, payee]) => [payer!.toLowerCase(), payee!.toLowerCase()]),
      [
        [buyer.address, account],
        [account, members[0]!.node.address],
      ],
    );
    const second = await collectFor([await buyerClaim(600n)], [await member(0, 150n)]);
    assert.deepEqual([channelsOf("Reserved", second).length, channelsOf("Collected", second).length], [0, 2]);
    // What is owed only is no payment: the pool gives all that it has to one, and the next one is told nothing of.
    const last = await collectFor([], [await member(1, 10_000n)]);
    assert.deepEqual(channelsOf("Reserved", last), channelsOf("Collected", last));
    const none = await collectFor([], [await member(2, 10n)]);
    assert.deepEqual([channelsOf("Reserved", none), channelsOf("Collected", none)], [[], []]);
    assert.equal(channelsOf("Bounced", none).length, 1);
  });

  it("draws each member's reserve, then shares a short pool in proportion to what is left", async () => {
    await world().deposit(buyer, 200n, account);
    await world().reserve(balancer, members[0]!.node.address, 100n, { asCluster: cluster });
    await world().deposit(buyer, 60n);
    // Owed 150, 100, 150; the first has 100 in reserve. Left: 50, 100, 150 of 300, with 160 in the pool.
    const claims = [await member(0, 150n), await member(1, 100n), await member(2, 150n)];
    const receipt = await collectFor([await buyerClaim(90n)], claims);
    assert.deepEqual(await earned(), [126n, 53n, 80n]);
    assert.equal(await world().pool(account), 1n);
    const bounced = world().events(receipt, "Bounced");
    assert.deepEqual(
      bounced.map((event) => event.missing),
      [30n, 24n, 47n, 70n],
    );
    await world().deposit(buyer, 500n, account);
    await collectFor([], claims);
    assert.deepEqual(await earned(), [150n, 100n, 150n]);
  });

  it("takes what thaws last, and from the member's own channel alone", async () => {
    await world().deposit(buyer, 100n, account);
    const payee = members[0]!.node.address;
    await world().reserve(balancer, payee, 80n, { asCluster: cluster });
    await world().write(balancer.wallet, "escrow", "thaw", [cluster, payee, world().usdc, 0n, 0, 80n]);
    await collectFor([], [await member(0, 50n), await member(1, 50n)]);
    assert.deepEqual(await earned(), [50n, 10n, 0n]);
    assert.equal((await world().channel(world().key(account, payee))).thawing, 40n);
  });

  it("passes over bad claims and pays the others", async () => {
    await world().deposit(buyer, 1_000n, account);
    const stranger = await world().actor(77);
    const unknown = await world().claim(balancer.signer, world().key(account, stranger.address), 5n);
    const claims = [
      await member(0, 10n),
      { ...(await member(1, 20n)), total: (20n << 64n) | 9n },
      await member(2, 30n),
      unknown,
    ];
    claims.sort((left, right) => (left.payee < right.payee ? -1 : 1));
    const receipt = await collectFor([{ ...(await buyerClaim(5n)), total: (5n << 64n) | 9n }], claims);
    assert.deepEqual(await earned(), [10n, 0n, 30n]);
    const found = world()
      .events(receipt, "ClaimSkipped")
      .map((event) => event.reason);
    assert.deepEqual(found.toSorted(), [reasons.payeeUnknown, reasons.signatureWrong, reasons.signatureWrong]);
    const again = await collectFor([], [await member(0, 10n)]);
    assert.equal(world().events(again, "ClaimSkipped")[0]?.reason, reasons.nothingNew);
  });

  it("counts nobody twice: payees come in rising order", async () => {
    await world().deposit(buyer, 100n, account);
    const receipt = await collectFor([], [await member(1, 100n), await member(1, 100n), await member(0, 100n)]);
    assert.deepEqual(await earned(), [0n, 100n, 0n]);
    const found = world()
      .events(receipt, "ClaimSkipped")
      .map((event) => event.reason);
    assert.deepEqual(found, [reasons.outOfOrder, reasons.outOfOrder]);
  });

  it("pays nothing for a cluster that does not exist", async () => {
    await world().deposit(buyer, 100n);
    const args = [9n, world().usdc, [await buyerClaim(5n)], [await member(0, 5n)]];
    const receipt = await world().write(submitter.wallet, "escrow", "collectFor", args);
    assert.equal(world().events(receipt, "Collected").length, 0);
    assert.equal(world().events(receipt, "ClaimSkipped").length, 2);
  });
});
