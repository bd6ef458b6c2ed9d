import assert from "node:assert/strict";
import { getAddress } from "viem";
import { lpt, stake, useOperators } from "../support/operators.ts";
import { type Actor, assertReverts, day, noPermit, thawSeconds, zeroAddress } from "../support/world.ts";

describe("operator registry: sponsors and slashes", () => {
  const { world, write, govern, read, assertStake, permitFor, sponsor, makeSlasher } = useOperators();
  let operator: Actor;

  beforeEach(async () => {
    ({ operator } = await world().join(3));
  });

  const sponsorship = (of: Actor) => read<Record<string, bigint>>("sponsorshipOf", [operator.address, of.address]);
  const nothing = { stake: 0n, thawing: 0n, thawEndsAt: 0n };

  it("stand behind an operator by allowance or permit, and count to its stake", async () => {
    const first = await sponsor(operator, 20, 300n);
    const second = await world().actor(21);
    await world().mint(second.address, 200n, world().lpt);
    const permit = await permitFor(second, 200n);
    const receipt = await write(second, "stakeFor", [operator.address, 200n, permit]);
    assert.deepEqual(world().events(receipt, "StakeSponsored"), [
      { operator: getAddress(operator.address), sponsor: getAddress(second.address), amount: 200n, stake: 200n },
    ]);
    assert.deepEqual(world().events(receipt, "StakeChanged"), [
      { operator: getAddress(operator.address), stake: stake + 500n, thawing: 0n },
    ]);
    await assertStake(operator, { stake, sponsored: 500n });
    assert.deepEqual(await sponsorship(first), { ...nothing, stake: 300n });
    assert.deepEqual(await sponsorship(operator), nothing);
  });

  it("alone take out what they put in: own thaw, cancel, withdrawal", async () => {
    const actor = await sponsor(operator, 20, 300n);
    const other = await sponsor(operator, 21, 50n);
    const started = await write(actor, "thawSponsored", [operator.address, 100n]);
    const endsAt = (await world().now()) + thawSeconds;
    assert.deepEqual(world().events(started, "SponsorThawStarted"), [
      {
        operator: getAddress(operator.address),
        sponsor: getAddress(actor.address),
        amount: 100n,
        thawing: 100n,
        endsAt,
      },
    ]);
    await assertStake(operator, { stake, sponsored: 250n, sponsoredThawing: 100n });
    const canceled = await write(actor, "cancelSponsoredThaw", [operator.address]);
    assert.equal(world().events(canceled, "SponsorThawCanceled")[0]?.amount, 100n);
    assert.deepEqual(await sponsorship(actor), { ...nothing, stake: 300n });
    await write(actor, "thawSponsored", [operator.address, 300n]);
    await world().wait(thawSeconds - day);
    const early = write(actor, "withdrawSponsored", [operator.address, actor.address]);
    await assertReverts(early, "OperatorRegistryThawRunning");
    await world().wait(day);
    for (const thief of [other, operator]) {
      const stolen = write(thief, "withdrawSponsored", [operator.address, thief.address]);
      await assertReverts(stolen, "OperatorRegistryThawNone");
    }
    await assertReverts(write(operator, "withdraw", [operator.address]), "OperatorRegistryThawNone");
    await write(actor, "withdrawSponsored", [operator.address, world().usdc]);
    assert.equal(await world().balance(world().usdc, world().lpt), 300n);
    assert.deepEqual(await sponsorship(actor), nothing);
    assert.deepEqual(await sponsorship(other), { ...nothing, stake: 50n });
    await assertStake(operator, { stake, sponsored: 50n });
  });

  it("are refused what makes no sense", async () => {
    const actor = await sponsor(operator, 20, 300n);
    const stranger = await world().actor(40);
    const to = operator.address;
    await assertReverts(write(actor, "stakeFor", [stranger.address, 1n, noPermit]), "OperatorRegistryNotJoined", [
      stranger.address,
    ]);
    await assertReverts(write(operator, "stakeFor", [to, 1n, noPermit]), "OperatorRegistrySponsorSelf", [to]);
    await assertReverts(write(actor, "stakeFor", [to, 0n, noPermit]), "OperatorRegistryAmountZero");
    await assertReverts(write(actor, "stakeFor", [to, 2n ** 96n, noPermit]), "OperatorRegistryStakeTooLarge", [
      2n ** 96n - 1n,
      2n ** 96n + stake + 300n,
    ]);
    await assertReverts(write(actor, "stakeFor", [to, 1n, noPermit]), "ERC20InsufficientAllowance");
    await assertReverts(write(actor, "thawSponsored", [to, 0n]), "OperatorRegistryAmountZero");
    await assertReverts(write(actor, "thawSponsored", [to, 301n]), "OperatorRegistryStakeShort", [301n, 300n]);
    await assertReverts(write(stranger, "thawSponsored", [to, 1n]), "OperatorRegistryStakeShort", [1n, 0n]);
    await assertReverts(write(actor, "cancelSponsoredThaw", [to]), "OperatorRegistryThawNone");
    await assertReverts(write(actor, "withdrawSponsored", [to, actor.address]), "OperatorRegistryThawNone");
    await assertReverts(write(actor, "withdrawSponsored", [to, zeroAddress]), "OperatorRegistryAddressZero");
  });

  it("let no operator thaw what is theirs", async () => {
    await sponsor(operator, 20, 300n);
    await assertReverts(write(operator, "thaw", [stake + 1n]), "OperatorRegistryStakeShort", [stake + 1n, stake]);
    await write(operator, "thaw", [stake]);
    const { thawEndsAt } = await read<{ thawEndsAt: bigint }>("stakeOf", [operator.address]);
    await assertStake(operator, { thawing: stake, thawEndsAt, sponsored: 300n });
  });

  it("lose the same part as the operator, thawing or not", async () => {
    const [first, second] = [await sponsor(operator, 20, 600n * lpt), await sponsor(operator, 21, 400n * lpt)];
    const slasher = await makeSlasher();
    await write(operator, "thaw", [250n * lpt]);
    const { thawEndsAt } = await read<{ thawEndsAt: bigint }>("stakeOf", [operator.address]);
    await write(second, "thawSponsored", [operator.address, 100n * lpt]);
    const receipt = await write(slasher, "slash", [operator.address, 200n * lpt]);
    const changed = world().events(receipt, "StakeChanged")[0]!;
    assert.deepEqual([changed.stake, changed.thawing], [1_485n * lpt, 315n * lpt]);
    await assertStake(operator, {
      stake: 675n * lpt,
      thawing: 225n * lpt,
      thawEndsAt,
      sponsored: 810n * lpt,
      sponsoredThawing: 90n * lpt,
    });
    assert.equal((await sponsorship(first)).stake, 540n * lpt);
    const { stake: left, thawing } = await sponsorship(second);
    assert.deepEqual([left, thawing], [270n * lpt, 90n * lpt]);
    assert.equal(await world().balance(slasher.address, world().lpt), 200n * lpt);
    await world().wait(thawSeconds);
    await write(second, "withdrawSponsored", [operator.address, second.address]);
    assert.equal(await world().balance(second.address, world().lpt), 90n * lpt);
    await write(operator, "withdraw", [operator.address]);
    assert.equal(await world().balance(operator.address, world().lpt), 225n * lpt);
    assert.equal(await world().balance(world().addressOf("operators"), world().lpt), 1_485n * lpt);
  });

  it("who come after a slash buy in at what is left, and owe nothing for it", async () => {
    const slasher = await makeSlasher();
    await write(slasher, "slash", [operator.address, stake / 2n]);
    const late = await sponsor(operator, 20, 500n * lpt);
    await assertStake(operator, { stake: stake / 2n, sponsored: 500n * lpt });
    await write(slasher, "slash", [operator.address, 100n * lpt]);
    await assertStake(operator, { stake: 450n * lpt, sponsored: 450n * lpt });
    assert.equal((await sponsorship(late)).stake, 450n * lpt);
  });

  it("end with a slash of everything, and start anew", async () => {
    const slasher = await makeSlasher();
    const actor = await sponsor(operator, 20, 300n);
    await write(actor, "thawSponsored", [operator.address, 100n]);
    await write(operator, "thaw", [100n]);
    const receipt = await write(slasher, "slash", [operator.address, 2n ** 255n]);
    assert.equal(world().events(receipt, "StakeSlashed")[0]?.amount, stake + 300n);
    await assertStake(operator, {});
    assert.deepEqual(await sponsorship(actor), nothing);
    await world().wait(thawSeconds);
    const gone = write(actor, "withdrawSponsored", [operator.address, actor.address]);
    await assertReverts(gone, "OperatorRegistryThawNone");
    await assertReverts(write(operator, "withdraw", [operator.address]), "OperatorRegistryThawNone");
    assert.equal(await world().balance(world().addressOf("operators"), world().lpt), 0n);
    await world().fundStake(operator, 40n);
    await write(operator, "topUp", [40n, noPermit]);
    await sponsor(operator, 20, 60n);
    await assertStake(operator, { stake: 40n, sponsored: 60n });
    assert.deepEqual(await sponsorship(actor), { ...nothing, stake: 60n });
  });

  it("put nothing into what is all but gone, until the rest is taken out", async () => {
    const slasher = await makeSlasher();
    await write(slasher, "slash", [operator.address, stake - 3n]);
    const actor = await world().actor(20);
    await world().fundStake(actor, 10n);
    const call = write(actor, "stakeFor", [operator.address, 10n, noPermit]);
    await assertReverts(call, "OperatorRegistryStakeWorn", [3n * 65_536n, stake]);
    await assertReverts(write(operator, "topUp", [1n, noPermit]), "OperatorRegistryStakeWorn");
    await write(operator, "thaw", [3n]);
    await world().wait(thawSeconds);
    await write(operator, "withdraw", [operator.address]);
    assert.equal(await world().balance(operator.address, world().lpt), 3n);
    await write(actor, "stakeFor", [operator.address, 10n, noPermit]);
    await assertStake(operator, { sponsored: 10n });
  });

  it("are slashed by the slasher alone, and nobody's nothing is taken", async () => {
    const slasher = await world().actor(41);
    await assertReverts(write(slasher, "slash", [operator.address, 1n]), "OperatorRegistryNotSlasher", [
      zeroAddress,
      slasher.address,
    ]);
    await makeSlasher();
    await assertReverts(write(operator, "slash", [operator.address, 1n]), "OperatorRegistryNotSlasher", [
      slasher.address,
      operator.address,
    ]);
    await assertReverts(govern("slash", [operator.address, 1n]), "OperatorRegistryNotSlasher");
    const receipt = await write(slasher, "slash", [slasher.address, 5n]);
    assert.equal(world().events(receipt, "StakeSlashed")[0]?.amount, 0n);
    await assertStake(operator, { stake });
  });
});
