import assert from "node:assert/strict";
import { getAddress } from "viem";
import type { Hex } from "../../../sdk/protocol/hex.ts";
import { burnAddress, daily, FaultWorld, stake } from "../support/fault-world.ts";
import { type Actor, assertReverts, day, thawSeconds, useWorld, zeroAddress, zeroHash } from "../support/world.ts";

describe("Faults: equivocation", () => {
  const world = useWorld({ withoutFaults: false });
  let faults: FaultWorld;
  let operator: Actor;
  let node: Actor;
  let reporter: Actor;

  beforeEach(async () => {
    faults = new FaultWorld(world());
    ({ operator, node } = await world().join(3));
    reporter = await world().actor(9);
  });

  const left = async () =>
    (await world().read<{ slashable: bigint }>("operators", "stakeOf", [operator.address])).slashable;
  const lpt = (account: Hex) => world().balance(account, world().lpt);
  const write = (args: readonly unknown[]) => faults.write(reporter, "proveEquivocation", args);

  it("takes 5 % of the stake, gives a tenth of it to the reporter and puts the rest out of reach", async () => {
    const receipt = await faults.prove(node, reporter);
    assert.equal(await left(), stake - daily);
    assert.equal(await lpt(reporter.address), daily / 10n);
    assert.equal(await lpt(burnAddress), daily - daily / 10n);
    assert.equal(await lpt(world().addressOf("faults")), 0n);
    const { job, seq, attempt } = faults.receipt();
    assert.deepEqual(world().events(receipt, "EquivocationProven"), [
      {
        node: getAddress(node.address),
        operator: getAddress(operator.address),
        reporter: getAddress(reporter.address),
        job,
        seq,
        attempt,
        taken: daily,
        reward: daily / 10n,
      },
    ]);
    assert.equal(await faults.read("wasProven", [node.address, job, seq, attempt]), true);
    assert.equal(await faults.read("wasProven", [node.address, job, seq + 1n, attempt]), false);
  });

  it("counts a segment and attempt of a key once, in whatever order and with whatever third receipt", async () => {
    await faults.prove(node, reporter);
    await world().wait(day);
    const { job, seq, attempt } = faults.receipt();
    const again = [job, seq, BigInt(attempt)] as const;
    const [first, a, second, b, to] = await faults.equivocation(node, reporter.address);
    await assertReverts(write([second, b, first, a, to]), "FaultsAlreadyProven", again);
    const third = await faults.equivocation(node, reporter.address, {}, { frames: 1 });
    await assertReverts(write(third), "FaultsAlreadyProven", again);
    await faults.prove(node, reporter, 8n);
    assert.equal(await left(), stake - daily - (stake - daily) / 20n);
  });

  it("takes any field that differs for a lie, but for the three that say which work it was", async () => {
    const other: Record<string, unknown> = {
      quoteHash: zeroHash,
      inputHash: zeroHash,
      outputRoot: zeroHash,
      firstFrame: 1n,
      frames: 1,
      durationMs: 1,
      sizeBytes: 1n,
    };
    for (const [index, field] of Object.keys(other).entries()) {
      const first = faults.receipt({ seq: BigInt(index) });
      const second = { ...first, [field]: other[field] };
      await write([first, await faults.sign(node, first), second, await faults.sign(node, second), reporter.address]);
      await world().wait(day);
    }
    for (const change of [{ job: zeroHash }, { seq: 8n }, { attempt: 2 }]) {
      await assertReverts(
        write(await faults.equivocation(node, reporter.address, {}, change)),
        "FaultsReceiptsUnrelated",
      );
    }
  });

  it("proves nothing with one receipt twice, two signers, a signature that is malformed or of another network", async () => {
    const stranger = await world().actor(50);
    const [first, a, second, b, to] = await faults.equivocation(node, reporter.address);
    await assertReverts(write([first, a, first, a, to]), "FaultsReceiptsSame");
    const foreign = await faults.sign(stranger, second);
    await assertReverts(write([first, a, second, foreign, to]), "FaultsSignersDiffer", [
      node.address,
      stranger.address,
    ]);
    await assertReverts(write([first, a, second, { r: zeroHash, vs: zeroHash }, to]), "FaultsSignatureInvalid");
    const highS = `0x7f${"ff".repeat(31)}`;
    await assertReverts(write([first, a, second, { r: b.r, vs: highS }, to]), "FaultsSignatureInvalid");
    const unknown = await faults.equivocation(stranger, reporter.address);
    await assertReverts(write(unknown), "FaultsKeyUnknown", [stranger.address]);
    await assertReverts(write([first, a, second, b, zeroAddress]), "FaultsAddressZero");
    assert.equal(await left(), stake);
  });

  it("takes no more within a day than 5 %, and the rest of the proofs later", async () => {
    const receipt = await faults.prove(node, reporter);
    const { timestamp } = await world().chain.publicClient.getBlock({ blockHash: receipt.blockHash });
    assert.equal(await faults.read("slashable", [node.address]), 0n);
    const second = await faults.equivocation(node, reporter.address, { seq: 8n });
    await assertReverts(write(second), "FaultsCoolDown", [node.address]);
    await assertReverts(faults.writeAt(timestamp + day - 1n, reporter, "proveEquivocation", second), "FaultsCoolDown");
    await faults.writeAt(timestamp + day, reporter, "proveEquivocation", second);
    assert.equal(await left(), stake - daily - (stake - daily) / 20n);
  });

  it("gives every key of an operator its own day", async () => {
    const other = await world().actor(60);
    const proof = await world().nodeProof(operator, other);
    await world().write(operator.wallet, "operators", "addNode", [operator.address, proof, ""]);
    await faults.prove(node, reporter);
    await faults.prove(other, reporter);
    assert.equal(await left(), stake - daily - (stake - daily) / 20n);
  });

  it("takes what thaws too, and has nothing to take once all is gone", async () => {
    await world().write(operator.wallet, "operators", "thaw", [stake]);
    await faults.prove(node, reporter);
    assert.equal(await left(), stake - daily);
    await world().wait(thawSeconds);
    await world().write(operator.wallet, "operators", "withdraw", [operator.address]);
    assert.equal(await faults.read("slashable", [node.address]), 0n);
    const late = await faults.equivocation(node, reporter.address, { seq: 8n });
    await assertReverts(write(late), "FaultsNothingAtStake", [operator.address]);
    // It counts when there is a stake again: a lie is not washed away by an empty moment.
    await world().fundStake(operator, stake);
    await world().write(operator.wallet, "operators", "topUp", [
      stake,
      { deadline: 0n, v: 0, r: zeroHash, s: zeroHash },
    ]);
    await write(late);
    assert.equal(await left(), stake - daily);
  });

  it("holds a revoked key to what it signed for one thaw, and not a second longer", async () => {
    await world().write(operator.wallet, "operators", "revokeNode", [node.address]);
    const revokedAt = await world().now();
    const proof = await faults.equivocation(node, reporter.address);
    const until = revokedAt + thawSeconds;
    const snapshot = await world().chain.testClient.snapshot();
    await assertReverts(faults.writeAt(until + 1n, reporter, "proveEquivocation", proof), "FaultsEvidenceLate", [
      until,
      until + 1n,
    ]);
    assert.equal(await faults.read("slashable", [node.address]), 0n);
    await world().chain.testClient.revert({ id: snapshot });
    await faults.writeAt(until, reporter, "proveEquivocation", proof);
    assert.equal(await left(), stake - daily);
  });

  it("takes from a revoked key once: who stole it can not cost its operator 5 % a day", async () => {
    await world().write(operator.wallet, "operators", "revokeNode", [node.address]);
    await faults.prove(node, reporter, 1n);
    await world().wait(2n * day);
    assert.equal(await faults.read("slashable", [node.address]), 0n);
    const more = await faults.equivocation(node, reporter.address, { seq: 2n });
    await assertReverts(write(more), "FaultsCoolDown", [node.address]);
    assert.equal(await left(), stake - daily);
  });

  it("lets a penalty from before the revocation leave room for one after it", async () => {
    await faults.prove(node, reporter, 1n);
    await world().wait(day);
    await world().write(operator.wallet, "operators", "revokeNode", [node.address]);
    await faults.prove(node, reporter, 2n);
    assert.equal(await left(), stake - daily - (stake - daily) / 20n);
  });

  it("takes from sponsors what it takes from the operator, and holds a key that was rotated to what it signed", async () => {
    const sponsor = await world().actor(70);
    await world().fundStake(sponsor, stake);
    const noPermit = { deadline: 0n, v: 0, r: zeroHash, s: zeroHash };
    await world().write(sponsor.wallet, "operators", "stakeFor", [operator.address, stake, noPermit]);
    const next = await world().actor(71);
    const args = [node.address, await world().nodeProof(operator, next), ""];
    await world().write(operator.wallet, "operators", "rotateNode", args);
    await faults.prove(node, reporter);
    assert.equal(await left(), 2n * stake - 2n * daily);
    const { stake: own } = await world().read<{ stake: bigint }>("operators", "stakeOf", [operator.address]);
    assert.equal(own, stake - daily);
    assert.equal(await lpt(reporter.address), daily / 5n);
  });

  it("goes on while new challenges are paused", async () => {
    await faults.write(undefined, "pause", []);
    await faults.prove(node, reporter);
    assert.equal(await left(), stake - daily);
  });
});
