import assert from "node:assert/strict";
import { encodeFunctionData, getAddress } from "viem";
import { buildContracts, keyOf } from "../../../scripts/deployment/local-chain.ts";
import { governorRole, guardianRole } from "../../../scripts/deployment/plan.ts";
import { paymentEscrowAbi } from "../../../sdk/protocol/abi/payment-escrow.ts";
import type { Address, Hex } from "../../../sdk/protocol/hex.ts";
import { nobleStatements } from "../../../sdk/protocol/statements.ts";
import { type Actor, assertReverts, openWorld, type World } from "../../contracts/support/world.ts";

const delaySeconds = 2n * 86_400n;

describe("deployContracts", () => {
  let world: World;
  let governor: Actor;
  let guardian: Actor;

  before(async function () {
    this.timeout(180_000);
    await buildContracts();
    const addressOf = (index: number) => nobleStatements.createSigner(keyOf(index)).address;
    world = await openWorld({
      governor: addressOf(70),
      guardian: addressOf(71),
      governanceDelaySeconds: Number(delaySeconds),
    });
    [governor, guardian] = [await world.actor(70), await world.actor(71)];
  });
  after(async () => await world?.close());

  it("leaves the deployer without any power", async () => {
    const deployer = world.governor;
    for (const role of [0n, governorRole, guardianRole]) {
      const [isMember] = await world.read<[boolean, number]>("manager", "hasRole", [role, deployer.account.address]);
      assert.equal(isMember, false);
    }
    const denied = "AccessManagedUnauthorized";
    await assertReverts(world.write(deployer, "escrow", "setFee", [0]), denied);
    await assertReverts(world.write(deployer, "escrow", "pause", []), denied);
    await assertReverts(world.write(deployer, "operators", "setMinimumStake", [0n]), denied);
  });

  /** What the governor scheduled, after its delay. */
  async function govern(target: Address, data: Hex): Promise<void> {
    await world.write(governor.wallet, "manager", "schedule", [target, data, 0]);
    await assertReverts(world.write(governor.wallet, "manager", "execute", [target, data]), "AccessManagerNotReady");
    await world.wait(delaySeconds);
    await world.write(governor.wallet, "manager", "execute", [target, data]);
  }

  it("makes the governor wait", async () => {
    const { escrow } = world.chain.deployment;
    await assertReverts(
      world.write(governor.wallet, "escrow", "setTreasury", [guardian.address]),
      "AccessManagerNotScheduled",
    );
    await govern(
      escrow,
      encodeFunctionData({ abi: paymentEscrowAbi, functionName: "setTreasury", args: [guardian.address] }),
    );
    assert.equal(await world.read("escrow", "treasury", []), getAddress(guardian.address));
  });

  it("lets the guardian pause at once and nothing else, and the governor alone allow again", async () => {
    const data = encodeFunctionData({ abi: paymentEscrowAbi, functionName: "unpause" });
    for (const contract of ["escrow", "operators", "clusters"] as const) {
      await world.write(guardian.wallet, contract, "pause", []);
      await assertReverts(world.write(guardian.wallet, contract, "unpause", []), "AccessManagedUnauthorized");
      await assertReverts(world.write(governor.wallet, contract, "unpause", []), "AccessManagerNotScheduled");
      await govern(world.addressOf(contract), data);
      await world.write(guardian.wallet, contract, "pause", []);
    }
    await assertReverts(world.write(guardian.wallet, "escrow", "setFee", [0]), "AccessManagedUnauthorized");
  });

  it("allows both tokens and wires the registries to each other", async () => {
    const { tokens, operatorRegistry, clusterRegistry } = world.chain.deployment;
    for (const token of [tokens.LPT, tokens.USDC]) {
      assert.equal(await world.read("escrow", "isTokenAllowed", [token]), true);
    }
    assert.equal(await world.read("clusters", "operatorRegistry", []), getAddress(operatorRegistry));
    assert.equal(await world.read("operators", "clusterRegistry", []), getAddress(clusterRegistry));
    assert.equal(await world.read("operators", "minimumStake", []), 100n * 10n ** 18n);
  });
});
