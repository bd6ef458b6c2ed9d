import assert from "node:assert/strict";
import { type Actor, assertReverts, day, thawSeconds, useWorld, zeroAddress } from "../support/world.ts";

describe("PaymentEscrow funds", () => {
  const world = useWorld();
  let buyer: Actor;
  let payee: Actor;

  beforeEach(async () => {
    [buyer, payee] = [await world().actor(20), await world().actor(21)];
  });

  const write = (actor: Actor, name: string, args: readonly unknown[]) =>
    world().write(actor.wallet, "escrow", name, args);
  const channelArgs = () => [0n, payee.address, world().usdc, 0n, 0] as const;
  const channel = () => world().channel(world().key(buyer.address, payee.address));

  it("deposits for oneself or another, and withdraws from the pool at once", async () => {
    const receipt = await world().deposit(buyer, 100n, payee.address);
    assert.equal(world().events(receipt, "Deposited")[0]?.amount, 100n);
    assert.equal(await world().pool(payee.address), 100n);
    await assertReverts(write(buyer, "withdraw", [0n, world().usdc, 1n, buyer.address]), "PaymentEscrowPoolShort", [
      1n,
      0n,
    ]);
    await write(payee, "withdraw", [0n, world().usdc, 60n, buyer.address]);
    assert.equal(await world().balance(buyer.address), 60n);
    assert.equal(await world().pool(payee.address), 40n);
  });

  it("refuses deposits of nothing, to nobody, or of a token that is not allowed", async () => {
    const { usdc } = world();
    await assertReverts(write(buyer, "deposit", [usdc, buyer.address, 0n]), "PaymentEscrowAmountZero");
    await assertReverts(write(buyer, "deposit", [usdc, zeroAddress, 1n]), "PaymentEscrowAddressZero");
    await assertReverts(write(buyer, "deposit", [payee.address, buyer.address, 1n]), "PaymentEscrowTokenNotAllowed", [
      payee.address,
    ]);
    await assertReverts(write(buyer, "withdraw", [0n, usdc, 0n, buyer.address]), "PaymentEscrowAmountZero");
    await assertReverts(write(buyer, "withdraw", [0n, usdc, 1n, zeroAddress]), "PaymentEscrowAddressZero");
  });

  it("reserves from the pool, thaws, restarts the wait when more thaws, and releases into the pool", async () => {
    await world().deposit(buyer, 100n);
    await world().reserve(buyer, payee.address, 70n);
    await world().reserve(buyer, payee.address, 10n);
    assert.equal((await channel()).reserve, 80n);
    await write(buyer, "thaw", [...channelArgs(), 30n]);
    await world().wait(6n * day);
    await write(buyer, "thaw", [...channelArgs(), 5n]);
    const endsAt = (await world().now()) + thawSeconds;
    const { id: _, ...found } = await channel();
    assert.deepEqual(found, { collected: 0n, reserve: 45n, thawing: 35n, thawEndsAt: endsAt });
    await world().wait(2n * day);
    await assertReverts(write(buyer, "release", channelArgs()), "PaymentEscrowThawRunning");
    await world().wait(5n * day);
    const receipt = await write(buyer, "release", channelArgs());
    assert.equal(world().events(receipt, "ReserveReleased")[0]?.amount, 35n);
    assert.equal(await world().pool(buyer.address), 55n);
  });

  it("takes a thaw back", async () => {
    await world().deposit(buyer, 100n);
    await world().reserve(buyer, payee.address, 80n);
    await write(buyer, "thaw", [...channelArgs(), 30n]);
    await write(buyer, "cancelThaw", channelArgs());
    const { id: _, ...found } = await channel();
    assert.deepEqual(found, { collected: 0n, reserve: 80n, thawing: 0n, thawEndsAt: 0n });
    await assertReverts(write(buyer, "release", channelArgs()), "PaymentEscrowThawNone");
    await assertReverts(write(buyer, "cancelThaw", channelArgs()), "PaymentEscrowThawNone");
  });

  it("refuses reserves and thaws that make no sense", async () => {
    await world().deposit(buyer, 100n);
    const reserve = (payeeAddress: string, cluster: bigint, ppm: number, amount: bigint) =>
      write(buyer, "reserve", [0n, payeeAddress, world().usdc, cluster, ppm, amount]);
    await assertReverts(reserve(payee.address, 0n, 0, 101n), "PaymentEscrowPoolShort", [101n, 100n]);
    await assertReverts(reserve(payee.address, 0n, 0, 0n), "PaymentEscrowAmountZero");
    await assertReverts(reserve(zeroAddress, 0n, 0, 1n), "PaymentEscrowAddressZero");
    await assertReverts(reserve(payee.address, 0n, 1, 1n), "PaymentEscrowShareInvalid", [0n, 1n]);
    await assertReverts(reserve(payee.address, 1n, 1_000_001, 1n), "PaymentEscrowShareInvalid", [1n, 1_000_001n]);
    await assertReverts(write(buyer, "thaw", [...channelArgs(), 0n]), "PaymentEscrowAmountZero");
    await assertReverts(write(buyer, "thaw", [...channelArgs(), 1n]), "PaymentEscrowReserveShort", [1n, 0n]);
    const { lpt } = world();
    await world().deposit(buyer, 2n ** 128n, buyer.address, lpt);
    const large = write(buyer, "reserve", [0n, payee.address, lpt, 0n, 0, 2n ** 128n]);
    await assertReverts(large, "PaymentEscrowReserveTooLarge", [2n ** 128n - 1n, 2n ** 128n]);
  });

  it("lets balancers move a cluster's money between pool and reserves, and its owner alone take it out", async () => {
    const [owner, balancer] = [await world().actor(1), await world().actor(2)];
    const { cluster, account } = await world().createCluster(owner, balancer);
    await world().deposit(buyer, 100n, account);
    const args = [cluster, payee.address, world().usdc, 0n, 0];
    await write(balancer, "reserve", [...args, 60n]);
    await write(owner, "thaw", [...args, 60n]);
    await write(balancer, "cancelThaw", args);
    await write(balancer, "thaw", [...args, 10n]);
    await world().wait(thawSeconds);
    await write(balancer, "release", args);
    assert.equal(await world().pool(account), 50n);
    const { usdc } = world();
    const byBalancer = write(balancer, "withdraw", [cluster, usdc, 1n, balancer.address]);
    await assertReverts(byBalancer, "PaymentEscrowNotOwner", [owner.address, balancer.address]);
    await assertReverts(write(buyer, "reserve", [...args, 1n]), "PaymentEscrowNotBalancer", [cluster, buyer.address]);
    await assertReverts(write(buyer, "withdraw", [9n, usdc, 1n, buyer.address]), "PaymentEscrowNotOwner");
    await assertReverts(write(buyer, "reserve", [9n, ...args.slice(1), 1n]), "PaymentEscrowNotBalancer");
    await write(owner, "withdraw", [cluster, usdc, 50n, owner.address]);
    assert.equal(await world().balance(owner.address), 50n);
    await world().write(owner.wallet, "clusters", "removeBalancer", [cluster, balancer.address]);
    await assertReverts(write(balancer, "thaw", [...args, 1n]), "PaymentEscrowNotBalancer");
  });
});
