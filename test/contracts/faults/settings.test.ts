import assert from "node:assert/strict";
import { getAddress } from "viem";
import { FaultWorld, stake } from "../support/fault-world.ts";
import { assertReverts, useWorld, zeroAddress } from "../support/world.ts";

describe("Faults: settings", () => {
  const world = useWorld({ withoutFaults: false });
  const faults = () => new FaultWorld(world());
  const govern = (name: string, args: readonly unknown[]) => faults().write(undefined, name, args);

  it("begin at the most that may be taken and the least time to answer", async () => {
    assert.equal(await faults().read("equivocationPpm", []), 50_000n);
    assert.equal(await faults().read("rewardPpm", []), 100_000n);
    assert.equal(await faults().read("answerPeriod", []), 86_400n);
    assert.deepEqual(await faults().read("answerGas", []), {
      gas: 250_000n,
      minimumFee: 10n ** 7n,
      maximumFee: 10n ** 11n,
    });
    assert.equal(await faults().read("sequencerFeed", []), zeroAddress);
    assert.equal(await faults().read("escrow", []), getAddress(world().addressOf("escrow")));
    assert.equal(await faults().read("operatorRegistry", []), getAddress(world().addressOf("operators")));
    assert.equal(await world().read("operators", "slasher", []), getAddress(world().addressOf("faults")));
    assert.equal(await faults().read("slashable", [world().usdc]), 0n);
  });

  it("stay within bounds that no governor can move", async () => {
    for (const [ppm, reward] of [
      [10_000, 0],
      [50_000, 100_000],
    ]) {
      await govern("setPenalties", [ppm, reward]);
    }
    for (const ppm of [9_999, 50_001]) {
      await assertReverts(govern("setPenalties", [ppm, 0]), "FaultsPenaltyOutOfBounds", [50_000n, BigInt(ppm)]);
    }
    await assertReverts(govern("setPenalties", [50_000, 100_001]), "FaultsRewardTooLarge", [100_000n, 100_001n]);
    for (const period of [86_400, 604_800]) await govern("setAnswerPeriod", [period]);
    for (const period of [86_399, 604_801]) {
      await assertReverts(govern("setAnswerPeriod", [period]), "FaultsAnswerPeriodOutOfBounds", [
        86_400n,
        604_800n,
        BigInt(period),
      ]);
    }
    const most = 500n * 10n ** 9n;
    await govern("setAnswerGas", [3_000_000n, most, most]);
    await assertReverts(govern("setAnswerGas", [3_000_001n, 0n, 0n]), "FaultsAnswerGasOutOfBounds");
    await assertReverts(govern("setAnswerGas", [1n, 0n, most + 1n]), "FaultsAnswerFeeOutOfBounds", [most, most + 1n]);
    await assertReverts(govern("setAnswerGas", [1n, 2n, 1n]), "FaultsAnswerFeeOutOfBounds", [1n, 2n]);
  });

  it("tell what they became", async () => {
    const changes = [
      ["setPenalties", [20_000, 50_000], "PenaltiesChanged", { equivocationPpm: 20_000n, rewardPpm: 50_000n }],
      ["setAnswerPeriod", [90_000], "AnswerPeriodChanged", { answerPeriod: 90_000n }],
      ["setAnswerGas", [1n, 2n, 3n], "AnswerGasChanged", { gas: 1n, minimumFee: 2n, maximumFee: 3n }],
      ["setSequencerFeed", [world().usdc], "SequencerFeedChanged", { feed: getAddress(world().usdc) }],
    ] as const;
    for (const [name, args, event, wanted] of changes) {
      assert.deepEqual(world().events(await govern(name, args), event), [wanted]);
    }
  });

  it("apply: a smaller penalty takes less, without a reward all is out of reach", async () => {
    await govern("setPenalties", [10_000, 0]);
    const { node } = await world().join(3);
    const reporter = await world().actor(9);
    const [event] = world().events(await faults().prove(node, reporter), "EquivocationProven");
    assert.deepEqual([event!.taken, event!.reward], [stake / 100n, 0n]);
    // The day's 5 % hold four more.
    for (const seq of [1n, 2n, 3n, 4n]) await faults().prove(node, reporter, seq);
    const sixth = await faults().equivocation(node, reporter.address, { seq: 5n });
    const [more] = world().events(await faults().write(reporter, "proveEquivocation", sixth), "EquivocationProven");
    assert.ok((more!.taken as bigint) < stake / 200n);
    await assertReverts(faults().prove(node, reporter, 6n), "FaultsCoolDown");
  });

  it("are the governor's alone", async () => {
    const stranger = await world().actor(50);
    for (const [name, args] of [
      ["setPenalties", [10_000, 0]],
      ["setAnswerPeriod", [86_400]],
      ["setAnswerGas", [1n, 1n, 1n]],
      ["setSequencerFeed", [zeroAddress]],
      ["pause", []],
      ["unpause", []],
    ] as const) {
      await assert.rejects(faults().write(stranger, name, args), /AccessManagedUnauthorized|0x068ca9d8/, name);
    }
  });

  it("need a registry and an escrow", async () => {
    const { accessManager, operatorRegistry, escrow } = world().chain.deployment;
    const deploy = (...args: string[]) => world().deploy("Faults.sol/Faults.json", [accessManager, ...args]);
    await assertReverts(deploy(zeroAddress, escrow, zeroAddress), "FaultsAddressZero");
    await assertReverts(deploy(operatorRegistry, zeroAddress, zeroAddress), "FaultsAddressZero");
  });
});
