import assert from "node:assert/strict";
import { getAddress } from "viem";
import { type Actor, assertReverts, day, thawSeconds, useWorld, zeroAddress } from "../support/world.ts";

describe("PaymentEscrow settings", () => {
  const world = useWorld();
  const govern = (name: string, args: readonly unknown[]) => world().write(world().governor, "escrow", name, args);
  const read = <T>(name: string, args: readonly unknown[] = []) => world().read<T>("escrow", name, args);

  it("is wired to the registries and speaks their thaw", async () => {
    const { operatorRegistry, clusterRegistry } = world().chain.deployment;
    assert.equal(await read("operatorRegistry"), getAddress(operatorRegistry));
    assert.equal(await read("clusterRegistry"), getAddress(clusterRegistry));
    assert.equal(await read("thawPeriod"), thawSeconds);
    assert.equal(await world().read("operators", "thawPeriod", []), thawSeconds);
    assert.equal(await world().read("clusters", "thawPeriod", []), thawSeconds);
    assert.equal(await world().read("operators", "stakeToken", []), getAddress(world().lpt));
  });

  it("raises the fee after a notice longer than the thaw, lowers it at once, and caps it at 1 %", async () => {
    await assertReverts(govern("setFee", [10_001]), "PaymentEscrowFeeTooLarge", [10_000n, 10_001n]);
    const receipt = await govern("setFee", [9_000]);
    const effectiveAt = (await world().now()) + thawSeconds + day;
    assert.deepEqual(world().events(receipt, "FeeScheduled"), [{ feePpm: 9_000n, effectiveAt }]);
    await world().wait(thawSeconds + day - 5n);
    assert.equal(await read("feePpm"), 0n);
    await world().wait(10n);
    assert.equal(await read("feePpm"), 9_000n);
    await govern("setFee", [10_000]);
    assert.equal(await read("feePpm"), 9_000n);
    await govern("setFee", [5_000]);
    assert.equal(await read("feePpm"), 5_000n);
    await world().wait(thawSeconds + day);
    assert.equal(await read("feePpm"), 5_000n);
  });

  it("stops new deposits and reserves of a token, and lets what is inside leave", async () => {
    const buyer = await world().actor(20);
    const payee = await world().actor(21);
    await world().deposit(buyer, 100n);
    await govern("setTokenAllowed", [world().usdc, false]);
    assert.equal(await read("isTokenAllowed", [world().usdc]), false);
    await assertReverts(world().deposit(buyer, 1n), "PaymentEscrowTokenNotAllowed");
    await assertReverts(world().reserve(buyer, payee.address, 1n), "PaymentEscrowTokenNotAllowed");
    await world().write(buyer.wallet, "escrow", "withdraw", [0n, world().usdc, 100n, buyer.address]);
    await assertReverts(govern("setTokenAllowed", [zeroAddress, true]), "PaymentEscrowAddressZero");
  });

  it("pauses deposits and reserves", async () => {
    const buyer = await world().actor(20);
    await world().deposit(buyer, 100n);
    await govern("pause", []);
    await assertReverts(world().deposit(buyer, 1n), "EnforcedPause");
    await assertReverts(world().reserve(buyer, buyer.address, 1n), "EnforcedPause");
    await world().write(buyer.wallet, "escrow", "withdraw", [0n, world().usdc, 100n, buyer.address]);
    await govern("unpause", []);
    await world().deposit(buyer, 1n);
  });

  it("obeys nobody but governance, and has a treasury", async () => {
    await assertReverts(govern("setTreasury", [zeroAddress]), "PaymentEscrowAddressZero");
    await govern("setTreasury", [world().usdc]);
    assert.equal(await read("treasury"), getAddress(world().usdc));
    const stranger: Actor = await world().actor(40);
    for (const [name, args] of [
      ["setFee", [0]],
      ["setTreasury", [stranger.address]],
      ["setTokenAllowed", [stranger.address, true]],
      ["pause", []],
    ] as const) {
      const call = world().write(stranger.wallet, "escrow", name, args);
      await assertReverts(call, "AccessManagedUnauthorized", [stranger.address]);
    }
  });

  it("cannot be deployed with waits out of bounds, no treasury, or registries that do not match", async () => {
    const { accessManager, operatorRegistry, clusterRegistry } = world().chain.deployment;
    const deploy = (name: string, args: readonly unknown[]) => world().deploy(`${name}.sol/${name}.json`, args);
    const treasury = world().usdc;
    const escrow = (operators: string, to: string, thaw: bigint) =>
      deploy("PaymentEscrow", [accessManager, operators, clusterRegistry, to, thaw]);
    const maximum = 28n * day;
    await assertReverts(escrow(operatorRegistry, treasury, maximum + 1n), "PaymentEscrowThawOutOfBounds", [
      maximum,
      maximum + 1n,
    ]);
    await assertReverts(escrow(operatorRegistry, treasury, 3_599n), "PaymentEscrowThawOutOfBounds");
    await assertReverts(escrow(operatorRegistry, treasury, day), "PaymentEscrowThawDiffers", [day, thawSeconds]);
    await assertReverts(escrow(operatorRegistry, zeroAddress, thawSeconds), "PaymentEscrowAddressZero");
    await assertReverts(escrow(zeroAddress, treasury, thawSeconds), "PaymentEscrowAddressZero");
    const operators = (token: string, clusters: string, thaw: bigint, minimum: bigint) =>
      deploy("OperatorRegistry", [accessManager, token, clusters, thaw, minimum]);
    await assertReverts(operators(zeroAddress, clusterRegistry, day, 0n), "OperatorRegistryAddressZero");
    await assertReverts(operators(treasury, zeroAddress, day, 0n), "OperatorRegistryAddressZero");
    await assertReverts(operators(treasury, clusterRegistry, 0n, 0n), "OperatorRegistryThawOutOfBounds");
    await assertReverts(operators(treasury, clusterRegistry, day, 10n ** 24n), "OperatorRegistryMinimumTooLarge");
    const clusters = (thaw: bigint) => deploy("ClusterRegistry", [accessManager, operatorRegistry, thaw]);
    await assertReverts(clusters(maximum + 1n), "ClusterRegistryThawOutOfBounds");
    await assertReverts(clusters(day), "ClusterRegistryWiringWrong");
  });
});
