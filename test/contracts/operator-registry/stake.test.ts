import assert from "node:assert/strict";
import { toAddress } from "../../../sdk/protocol/hex.ts";
import { stake, useOperators } from "../support/operators.ts";
import { assertReverts, day, noPermit, thawSeconds, zeroAddress } from "../support/world.ts";

describe("operator registry: stake", () => {
  const { world, write, read, assertStake, permitFor } = useOperators();

  it("rises by a top-up, thaws, comes back or leaves after the wait", async () => {
    const { operator } = await world().join(3);
    await world().fundStake(operator, 5n);
    await write(operator, "topUp", [5n, noPermit]);
    await write(operator, "thaw", [300n]);
    const first = await read<{ thawEndsAt: bigint }>("stakeOf", [operator.address]);
    assert.equal(first.thawEndsAt, (await world().now()) + thawSeconds);
    await world().wait(6n * day);
    await write(operator, "thaw", [5n]);
    const endsAt = (await world().now()) + thawSeconds;
    await assertStake(operator, { stake: stake - 300n, thawing: 305n, thawEndsAt: endsAt });
    await world().wait(2n * day);
    await assertReverts(write(operator, "withdraw", [operator.address]), "OperatorRegistryThawRunning");
    await world().wait(5n * day);
    const to = toAddress(`0x${"77".repeat(20)}`);
    await write(operator, "withdraw", [to]);
    assert.equal(await world().balance(to, world().lpt), 305n);
    await assertStake(operator, { stake: stake - 300n });
    await write(operator, "thaw", [1n]);
    await write(operator, "cancelThaw", []);
    await assertStake(operator, { stake: stake - 300n });
  });

  it("refuses what makes no sense", async () => {
    const { operator } = await world().join(3);
    const stranger = await world().actor(40);
    await assertReverts(write(operator, "topUp", [0n, noPermit]), "OperatorRegistryAmountZero");
    await assertReverts(write(operator, "thaw", [0n]), "OperatorRegistryAmountZero");
    await assertReverts(write(operator, "thaw", [stake + 1n]), "OperatorRegistryStakeShort", [stake + 1n, stake]);
    await assertReverts(write(operator, "cancelThaw", []), "OperatorRegistryThawNone");
    await assertReverts(write(operator, "withdraw", [operator.address]), "OperatorRegistryThawNone");
    await assertReverts(write(operator, "withdraw", [zeroAddress]), "OperatorRegistryAddressZero");
    await assertReverts(write(operator, "topUp", [2n ** 96n, noPermit]), "OperatorRegistryStakeTooLarge");
    for (const [name, args] of [
      ["topUp", [1n, noPermit]],
      ["thaw", [1n]],
      ["cancelThaw", []],
      ["withdraw", [stranger.address]],
      ["setPayout", [zeroAddress, true]],
      ["addNode", [stranger.address, await world().nodeProof(stranger, operator), ""]],
    ] as const) {
      await assertReverts(write(stranger, name, args), "OperatorRegistryNotJoined", [stranger.address]);
    }
  });

  it("keeps each operator's thaw its own, and starts the wait anew by an increase alone", async () => {
    const [{ operator: first }, { operator: second }] = [await world().join(3), await world().join(5)];
    await write(first, "thaw", [10n]);
    const endsAt = (await world().now()) + thawSeconds;
    await world().wait(day);
    await write(second, "thaw", [20n]);
    await assertStake(first, { stake: stake - 10n, thawing: 10n, thawEndsAt: endsAt });
    await assertReverts(write(first, "thaw", [stake]), "OperatorRegistryStakeShort", [stake, stake - 10n]);
    await assertReverts(write(first, "withdraw", [first.address]), "OperatorRegistryThawRunning");
    await world().wait(thawSeconds);
    await write(first, "withdraw", [first.address]);
    assert.equal(await world().balance(first.address, world().lpt), 10n);
    assert.equal(await world().balance(world().addressOf("operators"), world().lpt), 2n * stake - 10n);
  });

  it("is topped up by permit", async () => {
    const { operator } = await world().join(3);
    await world().mint(operator.address, 7n, world().lpt);
    await write(operator, "topUp", [7n, await permitFor(operator, 7n)]);
    await assertStake(operator, { stake: stake + 7n });
  });
});
