import assert from "node:assert/strict";
import { encodeFunctionData, getAddress } from "viem";
import { accessManagerAbi } from "../../sdk/protocol/abi/access-manager.ts";
import { operatorRegistryAbi } from "../../sdk/protocol/abi/operator-registry.ts";
import { paymentEscrowAbi } from "../../sdk/protocol/abi/payment-escrow.ts";
import type { Hex } from "../../sdk/protocol/hex.ts";
import { nobleStatements } from "../../sdk/protocol/statements.ts";
import { type Actor, assertReverts, day, keyOf, useWorld } from "./support/world.ts";

const delaySeconds = 2n * day;
const [adminRole, governorRole, guardianRole] = [0n, 1n, 2n];
const addressOf = (index: number) => nobleStatements.createSigner(keyOf(index)).address;

/** Deployed as on a public chain: the governor and the guardian are others than the deployer. */
describe("governance", () => {
  const world = useWorld({
    governor: addressOf(70),
    guardian: addressOf(71),
    governanceDelaySeconds: Number(delaySeconds),
  });
  let [governor, guardian, stranger] = [] as unknown as Actor[];

  beforeEach(async () => {
    [governor, guardian, stranger] = await Promise.all([70, 71, 40].map((index) => world().actor(index)));
  });

  const manage = (actor: Actor, name: string, args: readonly unknown[]) =>
    world().write(actor.wallet, "manager", name, args);
  const grant = (role: bigint, account: string, delay: number): Hex =>
    encodeFunctionData({
      abi: accessManagerAbi,
      functionName: "grantRole",
      args: [role, account as `0x${string}`, delay],
    });

  it("makes even a change of roles wait, and nobody but the governor start one", async () => {
    const manager = world().addressOf("manager");
    const data = grant(guardianRole, stranger!.address, 0);
    const held = async () =>
      (await world().read<[boolean, number]>("manager", "hasRole", [guardianRole, stranger!.address]))[0];
    const args = [guardianRole, stranger!.address, 0];
    await assertReverts(manage(governor!, "grantRole", args), "AccessManagerNotScheduled");
    await assertReverts(manage(guardian!, "grantRole", args), "AccessManagerUnauthorizedAccount");
    await assertReverts(manage(stranger!, "schedule", [manager, data, 0]), "AccessManagerUnauthorizedCall");
    await assertReverts(manage(guardian!, "schedule", [manager, data, 0]), "AccessManagerUnauthorizedCall");
    await manage(governor!, "schedule", [manager, data, 0]);
    await assertReverts(manage(governor!, "execute", [manager, data]), "AccessManagerNotReady");
    assert.equal(await held(), false);
    await world().wait(delaySeconds);
    await manage(governor!, "execute", [manager, data]);
    assert.equal(await held(), true);
  });

  it("lets no governor shorten its own wait in less than five days", async () => {
    const manager = world().addressOf("manager");
    const data = grant(governorRole, governor!.address, 0);
    await manage(governor!, "schedule", [manager, data, 0]);
    await world().wait(delaySeconds);
    await manage(governor!, "execute", [manager, data]);
    await assertReverts(
      world().write(governor!.wallet, "operators", "setMinimumStake", [1n]),
      "AccessManagerNotScheduled",
    );
    await world().wait(5n * day);
    await world().write(governor!.wallet, "operators", "setMinimumStake", [1n]);
    assert.equal(await world().read("operators", "minimumStake", []), 1n);
  });

  it("lets a scheduled act go stale after a week, and be taken back before", async () => {
    const escrow = world().addressOf("escrow");
    const data = encodeFunctionData({ abi: paymentEscrowAbi, functionName: "setFee", args: [10] });
    await manage(governor!, "schedule", [escrow, data, 0]);
    await assertReverts(
      manage(guardian!, "cancel", [governor!.address, escrow, data]),
      "AccessManagerUnauthorizedCancel",
    );
    await manage(governor!, "cancel", [governor!.address, escrow, data]);
    await assertReverts(manage(governor!, "execute", [escrow, data]), "AccessManagerNotScheduled");
    await manage(governor!, "schedule", [escrow, data, 0]);
    await world().wait(delaySeconds + 7n * day);
    await assertReverts(manage(governor!, "execute", [escrow, data]), "AccessManagerExpired");
  });

  it("moves no bound, waited for or not", async () => {
    const operators = world().addressOf("operators");
    const args = [100_001n * 10n ** 18n] as const;
    const data = encodeFunctionData({ abi: operatorRegistryAbi, functionName: "setMinimumStake", args });
    await manage(governor!, "schedule", [operators, data, 0]);
    await world().wait(delaySeconds);
    await assertReverts(manage(governor!, "execute", [operators, data]), "OperatorRegistryMinimumTooLarge");
  });

  it("leaves every power with its one holder", async () => {
    const roles = { [`${adminRole}`]: governor, [`${governorRole}`]: governor, [`${guardianRole}`]: guardian };
    const everybody = [governor!, guardian!, stranger!].map(({ address }) => address);
    const deployer = getAddress(world().governor.account.address);
    for (const [role, holder] of Object.entries(roles)) {
      for (const account of [...everybody, deployer]) {
        const [isMember, delay] = await world().read<[boolean, number]>("manager", "hasRole", [BigInt(role), account]);
        const isHolder = account === holder!.address;
        assert.equal(isMember, isHolder, `${account} in role ${role}`);
        if (isHolder) assert.equal(BigInt(delay), BigInt(role) === guardianRole ? 0n : delaySeconds);
      }
    }
  });
});
