import assert from "node:assert/strict";
import { getAddress } from "viem";
import { type Address, type Hex, toAddress } from "../../../sdk/protocol/hex.ts";
import { type Actor, type ChannelKey, day, thawSeconds, useWorld, zeroAddress } from "../support/world.ts";

/** IPaymentEscrow.SkipReason. */
const reasons = { payeeUnknown: 0, shareNotAccepted: 1, payerNotCluster: 2, nothingNew: 3, signatureWrong: 4 } as const;
const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

describe("PaymentEscrow.collect", () => {
  const world = useWorld();
  let buyer: Actor;
  let operator: Actor;
  let node: Actor;
  let submitter: Actor;
  let key: ChannelKey;

  beforeEach(async () => {
    [buyer, submitter] = [await world().actor(20), await world().actor(90)];
    ({ operator, node } = await world().join(3));
    key = world().key(buyer.address, node.address);
  });

  const collect = (...groups: unknown[]) => world().write(submitter.wallet, "escrow", "collect", [groups]);
  const govern = (name: string, args: readonly unknown[]) => world().write(world().governor, "escrow", name, args);

  async function assertSkipped(group: unknown, reason: number) {
    const receipt = await collect(group);
    const skipped = world().events(receipt, "ClaimSkipped");
    assert.deepEqual(
      skipped.map((event) => event.reason),
      [reason],
    );
    assert.equal(world().events(receipt, "Collected").length, 0);
  }

  it("pays the difference to what was collected, from the reserve, as credit", async () => {
    await world().deposit(buyer, 1_000n);
    await world().reserve(buyer, node.address, 600n);
    const first = await collect(world().group(key, [await world().claim(buyer.signer, key, 200n)]));
    await collect(world().group(key, [await world().claim(buyer.signer, key, 250n, 2n)]));
    const { id, ...channel } = await world().channel(key);
    assert.deepEqual(channel, { collected: 250n, reserve: 350n, thawing: 0n, thawEndsAt: 0n });
    assert.equal(await world().pool(operator.address), 250n);
    assert.equal(await world().pool(buyer.address), 400n);
    const payee = getAddress(node.address);
    assert.deepEqual(world().events(first, "Collected"), [{ channel: id, collected: 200n }]);
    const beneficiary = getAddress(operator.address);
    const token = getAddress(world().usdc);
    assert.deepEqual(world().events(first, "PaidOut"), [
      { token, payee, beneficiary, amount: 200n, clusterShare: 0n, fee: 0n, pushed: false },
    ]);
  });

  it("draws on the reserve, then on the pool, then on what thaws, and bounces the rest", async () => {
    await world().deposit(buyer, 100n);
    await world().reserve(buyer, node.address, 90n);
    await world().write(buyer.wallet, "escrow", "thaw", [0n, node.address, world().usdc, 0n, 0, 30n]);
    const steps = [
      { total: 50n, collected: 50n, reserve: 10n, pool: 10n, thawing: 30n, missing: [] },
      { total: 65n, collected: 65n, reserve: 0n, pool: 5n, thawing: 30n, missing: [] },
      { total: 80n, collected: 80n, reserve: 0n, pool: 0n, thawing: 20n, missing: [] },
      { total: 130n, collected: 100n, reserve: 0n, pool: 0n, thawing: 0n, missing: [30n] },
      { total: 130n, collected: 100n, reserve: 0n, pool: 0n, thawing: 0n, missing: [30n] },
    ];
    for (const step of steps) {
      const receipt = await collect(world().group(key, [await world().claim(buyer.signer, key, step.total)]));
      const { collected, reserve, thawing } = await world().channel(key);
      const pool = await world().pool(buyer.address);
      const missing = world()
        .events(receipt, "Bounced")
        .map((event) => event.missing);
      assert.deepEqual({ total: step.total, collected, reserve, pool, thawing, missing }, step);
    }
    await world().deposit(buyer, 500n);
    await collect(world().group(key, [await world().claim(buyer.signer, key, 130n)]));
    assert.equal((await world().channel(key)).collected, 130n);
    assert.equal(await world().pool(operator.address), 130n);
  });

  it("keeps what thaws collectable until it is released", async () => {
    await world().deposit(buyer, 100n);
    await world().reserve(buyer, node.address, 100n);
    const args = [0n, node.address, world().usdc, 0n, 0];
    await world().write(buyer.wallet, "escrow", "thaw", [...args, 100n]);
    await world().wait(thawSeconds);
    await collect(world().group(key, [await world().claim(buyer.signer, key, 60n)]));
    await world().write(buyer.wallet, "escrow", "release", args);
    assert.equal(await world().pool(buyer.address), 40n);
    assert.equal(await world().pool(operator.address), 60n);
  });

  it("skips a replay, a smaller total and a total of zero", async () => {
    await world().deposit(buyer, 100n);
    await world().reserve(buyer, node.address, 100n);
    await collect(world().group(key, [await world().claim(buyer.signer, key, 60n, 9n)]));
    for (const total of [60n, 59n, 0n]) {
      await assertSkipped(world().group(key, [await world().claim(buyer.signer, key, total, 10n)]), reasons.nothingNew);
    }
    assert.equal((await world().channel(key)).collected, 60n);
  });

  it("skips every signature but the payer's own over exactly this voucher", async () => {
    await world().deposit(buyer, 100n);
    await world().reserve(buyer, node.address, 100n);
    const claim = await world().claim(buyer.signer, key, 60n);
    const s = BigInt(claim.vs) & (2n ** 255n - 1n);
    const parity = BigInt(claim.vs) >> 255n;
    const mirror = `0x${(((1n - parity) << 255n) | (order - s)).toString(16).padStart(64, "0")}` as Hex;
    const wrong = [
      { ...claim, total: claim.total + (1n << 64n) },
      { ...claim, total: claim.total + 1n },
      { ...claim, usageRoot: `0x${"01".repeat(32)}` },
      { ...claim, payer: operator.address },
      { ...claim, payer: zeroAddress },
      { ...claim, payer: zeroAddress, r: `0x${"00".repeat(32)}` },
      { ...claim, r: `0x${"00".repeat(32)}` },
      { ...claim, r: `0x${"ff".repeat(32)}` },
      { ...claim, vs: mirror },
      { ...(await world().claim(operator.signer, key, 60n)), payer: buyer.address },
    ];
    for (const item of wrong) await assertSkipped(world().group(key, [item]), reasons.signatureWrong);
    for (const change of [{ token: world().lpt }, { payee: (await world().join(4)).node.address }]) {
      await assertSkipped(world().group({ ...key, ...change }, [claim]), reasons.signatureWrong);
    }
    assert.equal(await world().pool(operator.address), 0n);
  });

  it("skips payees that nobody registered, until somebody does", async () => {
    const stranger = await world().actor(1_005);
    const to = world().key(buyer.address, stranger.address);
    await world().deposit(buyer, 100n);
    await world().reserve(buyer, stranger.address, 100n);
    const claim = await world().claim(buyer.signer, to, 60n);
    await assertSkipped(world().group(to, [claim]), reasons.payeeUnknown);
    const late = await world().join(5);
    await collect(world().group(to, [claim]));
    assert.equal(await world().pool(late.operator.address), 60n);
  });

  it("pays a revoked key what it earned", async () => {
    await world().deposit(buyer, 100n);
    await world().reserve(buyer, node.address, 100n);
    await world().write(operator.wallet, "operators", "revokeNode", [node.address]);
    await collect(world().group(key, [await world().claim(buyer.signer, key, 60n)]));
    assert.equal(await world().pool(operator.address), 60n);
  });

  it("never lets one bad claim stop the good ones, over payers, payees and tokens", async () => {
    const other = await world().join(4, { pushPayouts: true });
    const second = await world().actor(21);
    await world().deposit(buyer, 100n);
    await world().reserve(buyer, node.address, 100n);
    await world().deposit(second, 100n);
    await world().reserve(second, node.address, 100n);
    await world().deposit(second, 100n, second.address, world().lpt);
    const inLpt = world().key(second.address, other.node.address, { token: world().lpt });
    const bySecond = world().key(second.address, node.address);
    const bad = { ...(await world().claim(buyer.signer, key, 90n)), total: (90n << 64n) | 77n };
    const receipt = await collect(
      world().group(key, [
        bad,
        await world().claim(buyer.signer, key, 10n),
        await world().claim(second.signer, bySecond, 20n),
      ]),
      world().group(world().key(buyer.address, submitter.address), [bad]),
      world().group(inLpt, [await world().claim(second.signer, inLpt, 40n)]),
    );
    assert.equal(world().events(receipt, "ClaimSkipped").length, 2);
    assert.equal(await world().pool(operator.address), 30n);
    assert.equal(await world().balance(other.operator.address, world().lpt), 40n);
  });

  it("counts the same voucher once in a batch", async () => {
    await world().deposit(buyer, 100n);
    await world().reserve(buyer, node.address, 100n);
    const claim = await world().claim(buyer.signer, key, 30n);
    await collect(world().group(key, [claim, claim]), world().group(key, [claim]));
    assert.equal(await world().pool(operator.address), 30n);
  });

  it("still collects and withdraws while promises are paused", async () => {
    await world().deposit(buyer, 100n);
    await world().reserve(buyer, node.address, 50n);
    await govern("pause", []);
    await collect(world().group(key, [await world().claim(buyer.signer, key, 30n)]));
    await world().write(operator.wallet, "escrow", "withdraw", [0n, world().usdc, 30n, operator.address]);
    assert.equal(await world().balance(operator.address), 30n);
    await world().write(buyer.wallet, "escrow", "thaw", [0n, node.address, world().usdc, 0n, 0, 20n]);
  });

  describe("shares and fees", () => {
    it("pays the signed share to a cluster that the operator accepted, rounded up, even after it left", async () => {
      const [owner, balancer] = [await world().actor(1), await world().actor(2)];
      const { cluster, account } = await world().createCluster(owner, balancer);
      await world().write(operator.wallet, "clusters", "accept", [cluster, 150_000]);
      await world().write(operator.wallet, "clusters", "leaveCluster", [cluster]);
      await world().deposit(buyer, 1_000n);
      const shared = world().key(buyer.address, node.address, { cluster, clusterPpm: 150_000 });
      const receipt = await collect(world().group(shared, [await world().claim(buyer.signer, shared, 101n)]));
      assert.equal(await world().pool(account), 16n);
      assert.equal(await world().pool(operator.address), 85n);
      assert.equal(world().events(receipt, "PaidOut")[0]?.clusterShare, 16n);
    });

    it("skips a share that the operator never accepted", async () => {
      const [owner, balancer] = [await world().actor(1), await world().actor(2)];
      const { cluster } = await world().createCluster(owner, balancer);
      await world().deposit(buyer, 1_000n);
      const shared = world().key(buyer.address, node.address, { cluster, clusterPpm: 100_000 });
      const claim = await world().claim(buyer.signer, shared, 100n);
      await assertSkipped(world().group(shared, [claim]), reasons.shareNotAccepted);
      await world().write(operator.wallet, "clusters", "accept", [cluster, 100_000]);
      const greedy = { ...shared, clusterPpm: 100_001 };
      const tooMuch = world().group(greedy, [await world().claim(buyer.signer, greedy, 100n)]);
      await assertSkipped(tooMuch, reasons.shareNotAccepted);
      const homeless = { ...key, clusterPpm: 1 };
      const noCluster = world().group(homeless, [await world().claim(buyer.signer, homeless, 100n)]);
      await assertSkipped(noCluster, reasons.shareNotAccepted);
      await collect(world().group(shared, [claim]));
      assert.equal(await world().pool(operator.address), 90n);
    });

    it("sends no token where all of it is the cluster's share", async () => {
      const [owner, balancer] = [await world().actor(1), await world().actor(2)];
      const { cluster, account } = await world().createCluster(owner, balancer);
      await world().write(operator.wallet, "operators", "setPayout", [operator.address, true]);
      await world().write(operator.wallet, "clusters", "accept", [cluster, 1_000_000]);
      await world().deposit(buyer, 1_000n);
      const whole = world().key(buyer.address, node.address, { cluster, clusterPpm: 1_000_000 });
      const receipt = await collect(world().group(whole, [await world().claim(buyer.signer, whole, 100n)]));
      const [paid] = world().events(receipt, "PaidOut");
      assert.deepEqual([paid!.amount, paid!.clusterShare, paid!.pushed], [0n, 100n, false]);
      assert.equal(await world().pool(account), 100n);
      assert.equal(await world().balance(operator.address), 0n);
      assert.equal(await world().pool(operator.address), 0n);
    });

    it("takes the fee before the share, once its notice is over, and never above its cap", async () => {
      const treasury = toAddress(`0x${"fe".repeat(20)}`);
      await govern("setTreasury", [treasury]);
      await govern("setFee", [10_000]);
      await world().deposit(buyer, 100_000n);
      await collect(world().group(key, [await world().claim(buyer.signer, key, 1_000n)]));
      assert.equal(await world().pool(treasury), 0n);
      await world().wait(thawSeconds + day);
      await collect(world().group(key, [await world().claim(buyer.signer, key, 2_001n)]));
      assert.equal(await world().pool(treasury), 11n);
      assert.equal(await world().pool(operator.address), 1_990n);
    });
  });

  describe("clusters as payer and payee", () => {
    let cluster: bigint;
    let account: Address;
    let owner: Actor;
    let balancer: Actor;

    beforeEach(async () => {
      [owner, balancer] = [await world().actor(1), await world().actor(2)];
      ({ cluster, account } = await world().createCluster(owner, balancer));
    });

    it("credits a cluster's account, which funds its members from there", async () => {
      await world().deposit(buyer, 1_000n);
      await world().reserve(buyer, account, 500n);
      const toCluster = world().key(buyer.address, account);
      const claim = await world().claim(buyer.signer, toCluster, 300n);
      await collect(world().group(toCluster, [claim], { payeeCluster: cluster }));
      assert.equal(await world().pool(account), 300n);
      await world().reserve(balancer, node.address, 250n, { asCluster: cluster });
      const toNode = world().key(account, node.address);
      const voucher = await world().claim(balancer.signer, toNode, 240n);
      await collect(world().group(toNode, [voucher], { payerCluster: cluster }));
      assert.equal(await world().pool(operator.address), 240n);
    });

    it("knows a cluster's account as payee only under its id and without a share", async () => {
      await world().deposit(buyer, 1_000n);
      const toCluster = world().key(buyer.address, account);
      const claim = await world().claim(buyer.signer, toCluster, 300n);
      await assertSkipped(world().group(toCluster, [claim]), reasons.payeeUnknown);
      await assertSkipped(world().group(toCluster, [claim], { payeeCluster: 9n }), reasons.payeeUnknown);
      const second = await world().createCluster(owner, balancer);
      const elsewhere = world().group(toCluster, [claim], { payeeCluster: second.cluster });
      await assertSkipped(elsewhere, reasons.payeeUnknown);
      const shared = { ...toCluster, cluster, clusterPpm: 100_000 };
      const withShare = world().group(shared, [await world().claim(buyer.signer, shared, 1n)], {
        payeeCluster: cluster,
      });
      await assertSkipped(withShare, reasons.shareNotAccepted);
      const homeless = { ...toCluster, clusterPpm: 1 };
      const ofNobody = world().group(homeless, [await world().claim(buyer.signer, homeless, 1n)], {
        payeeCluster: cluster,
      });
      await assertSkipped(ofNobody, reasons.shareNotAccepted);
    });

    it("accepts a balancer's key for one thaw after its removal, and no other key", async () => {
      await world().deposit(buyer, 1_000n, account);
      const toNode = world().key(account, node.address);
      const clusters = { payerCluster: cluster };
      const byOwner = world().group(toNode, [await world().claim(owner.signer, toNode, 10n)], clusters);
      await assertSkipped(byOwner, reasons.signatureWrong);
      const malformed = { ...(await world().claim(balancer.signer, toNode, 10n)), vs: `0x${"00".repeat(32)}` };
      await assertSkipped(world().group(toNode, [malformed], clusters), reasons.signatureWrong);
      const byBalancer = world().group(toNode, [await world().claim(balancer.signer, toNode, 10n)]);
      await assertSkipped(byBalancer, reasons.signatureWrong);
      const forBuyer = world().key(buyer.address, node.address);
      const wrongPayer = world().group(forBuyer, [await world().claim(balancer.signer, forBuyer, 10n)], clusters);
      await assertSkipped(wrongPayer, reasons.payerNotCluster);
      await world().write(owner.wallet, "clusters", "removeBalancer", [cluster, balancer.address]);
      await world().wait(thawSeconds - 10n);
      await collect(world().group(toNode, [await world().claim(balancer.signer, toNode, 10n)], clusters));
      assert.equal(await world().pool(operator.address), 10n);
      await world().wait(20n);
      const late = world().group(toNode, [await world().claim(balancer.signer, toNode, 20n)], clusters);
      await assertSkipped(late, reasons.signatureWrong);
    });
  });
});
