import assert from "node:assert/strict";
import { lpt, stake, useOperators } from "../support/operators.ts";
import { assertReverts, day, noPermit, thawSeconds, zeroAddress } from "../support/world.ts";

describe("operator registry: governance", () => {
  const { world, write, govern, read, assertStake } = useOperators();

  it("sets the minimum within its bound, for those who join from then on", async () => {
    const { operator } = await world().join(3);
    await govern("setMinimumStake", [2n * stake]);
    assert.equal(await read("minimumStake", []), 2n * stake);
    assert.equal(await read("isOperator", [operator.address]), true);
    await assertReverts(world().join(5), "OperatorRegistryStakeShort");
    await assertReverts(govern("setMinimumStake", [100_001n * lpt]), "OperatorRegistryMinimumTooLarge");
  });

  it("may ask for no stake: who joins with none has none to lose, and can stake later", async () => {
    await govern("setMinimumStake", [0n]);
    const operator = await world().actor(3);
    const request = { ...(await world().joinRequest(operator, await world().actor(50))), stake: 0n };
    await write(operator, "join", [request]);
    assert.equal(await read("isOperator", [operator.address]), true);
    await assertStake(operator, {});
    await assertReverts(write(operator, "thaw", [1n]), "OperatorRegistryStakeShort", [1n, 0n]);
    await world().fundStake(operator, 5n);
    await write(operator, "topUp", [5n, noPermit]);
    await assertStake(operator, { stake: 5n });
  });

  it("pauses promises and nothing else", async () => {
    const { operator, node } = await world().join(3);
    await write(operator, "thaw", [10n]);
    await govern("pause", []);
    await assertReverts(world().join(5), "EnforcedPause");
    await assertReverts(
      write(operator, "addNode", [operator.address, await world().nodeProof(operator, node), ""]),
      "EnforcedPause",
    );
    await assertReverts(write(operator, "topUp", [1n, noPermit]), "EnforcedPause");
    await world().wait(thawSeconds);
    await write(operator, "withdraw", [operator.address]);
    await write(operator, "thaw", [10n]);
    await write(operator, "cancelThaw", []);
    await write(operator, "setPayout", [zeroAddress, true]);
    await write(operator, "revokeNode", [node.address]);
    await govern("unpause", []);
    await world().join(5);
  });

  it("obeys nobody else", async () => {
    const stranger = await world().actor(40);
    for (const [name, args] of [
      ["setMinimumStake", [1n]],
      ["setSlasher", [stranger.address]],
      ["pause", []],
      ["unpause", []],
    ] as const) {
      await assertReverts(write(stranger, name, args), "AccessManagedUnauthorized", [stranger.address]);
    }
  });

  it("names the slasher once", async () => {
    const [slasher, other] = [await world().actor(41), await world().actor(42)];
    assert.equal(await read("slasher", []), zeroAddress);
    await assertReverts(govern("setSlasher", [zeroAddress]), "OperatorRegistryAddressZero");
    await govern("setSlasher", [slasher.address]);
    await assertReverts(govern("setSlasher", [other.address]), "OperatorRegistrySlasherSet", [slasher.address]);
  });

  it("cannot be deployed with waits or minimum out of bounds, or without its token or the clusters", async () => {
    const { accessManager, tokens, clusterRegistry } = world().chain.deployment;
    const deploy = (...args: readonly unknown[]) =>
      world().deploy("OperatorRegistry.sol/OperatorRegistry.json", [accessManager, ...args]);
    const thawBound = "OperatorRegistryThawOutOfBounds";
    await assertReverts(deploy(tokens.LPT, clusterRegistry, 3_599n, 0n), thawBound, [28n * day, 3_599n]);
    await assertReverts(deploy(tokens.LPT, clusterRegistry, 28n * day + 1n, 0n), thawBound);
    await assertReverts(deploy(zeroAddress, clusterRegistry, day, 0n), "OperatorRegistryAddressZero");
    await assertReverts(deploy(tokens.LPT, zeroAddress, day, 0n), "OperatorRegistryAddressZero");
    const most = 100_000n * lpt;
    await assertReverts(deploy(tokens.LPT, clusterRegistry, day, most + 1n), "OperatorRegistryMinimumTooLarge", [
      most,
      most + 1n,
    ]);
    await deploy(tokens.LPT, clusterRegistry, 28n * day, most);
    await deploy(tokens.LPT, clusterRegistry, 3_600n, 0n);
  });
});
