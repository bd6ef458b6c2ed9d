import assert from "node:assert/strict";
import { getAddress } from "viem";
import type { Hex } from "../../../sdk/protocol/hex.ts";
import { storageRoot } from "../../../sdk/protocol/storage-tree.ts";
import { burnAddress, daily, FaultWorld, stake } from "../support/fault-world.ts";
import { type Actor, assertReverts, day, thawSeconds, useWorld, zeroAddress } from "../support/world.ts";

const states = { none: 0n, open: 1n, pinned: 2n, over: 3n, defaulted: 4n };

describe("Faults: storage default", () => {
  const world = useWorld({ withoutFaults: false });
  let faults: FaultWorld;
  let operator: Actor;
  let node: Actor;
  let buyer: Actor;

  beforeEach(async () => {
    faults = new FaultWorld(world());
    ({ operator, node } = await world().join(3));
    buyer = await world().actor(9);
  });

  const left = async () =>
    (await world().read<{ slashable: bigint }>("operators", "stakeOf", [operator.address])).slashable;
  const setCode = (address: Hex, bytecode: Hex) => world().chain.testClient.setCode({ address, bytecode });
  const stateOf = async (hash: Hex) => BigInt((await faults.challenge(hash)).state);

  describe("opening", () => {
    it("holds the bond, sends the rest back and names the block that will fix the leaf", async () => {
      const deal = await faults.deal(node, buyer);
      const receipt = await faults.open(buyer, deal);
      const [event] = world().events(receipt, "ChallengeOpened");
      const bond = event!.bond as bigint;
      assert.deepEqual(event, {
        deal: deal.hash,
        node: getAddress(node.address),
        buyer: getAddress(buyer.address),
        pinBlock: receipt.blockNumber + 2n,
        bond,
      });
      assert.equal(await faults.ether(world().addressOf("faults")), bond);
      assert.equal((await faults.challenge(deal.hash)).bond, bond);
      assert.equal(await faults.read("dealHashOf", [deal.value]), deal.hash);
    });

    it("asks for twice the gas of an answer, at a price of gas between two bounds", async () => {
      const bond = (sizeBytes: bigint) => faults.read<bigint>("challengeBond", [sizeBytes]);
      const set = (gas: bigint, low: bigint, high: bigint) => faults.write(undefined, "setAnswerGas", [gas, low, high]);
      await set(100_000n, 7n, 7n);
      assert.equal(await bond(1n), 2n * 100_000n * 7n);
      assert.equal(await bond(1_024n), 2n * 100_000n * 7n);
      assert.equal(await bond(1_025n), 2n * (100_000n + 1_500n) * 7n);
      assert.equal(await bond(2n ** 64n - 1n), 2n * (100_000n + 54n * 1_500n) * 7n);
      await set(100_000n, 0n, 500n * 10n ** 9n);
      const free = await faults.deal(node, buyer, { nonce: 2n });
      const { blockNumber } = await faults.open(buyer, free);
      const { baseFeePerGas } = await world().chain.publicClient.getBlock({ blockNumber });
      // Between the bounds the block's own price counts. 5,121 bytes are six leaves on three levels.
      assert.equal((await faults.challenge(free.hash)).bond, 2n * (100_000n + 3n * 1_500n) * baseFeePerGas!);
      const deal = await faults.deal(node, buyer);
      await set(100_000n, 10n ** 9n, 10n ** 9n);
      const wanted = await bond(deal.value.sizeBytes);
      await assertReverts(faults.open(buyer, deal, wanted - 1n), "FaultsBondShort", [wanted, wanted - 1n]);
      await faults.open(buyer, deal, wanted);
      assert.equal((await faults.challenge(deal.hash)).bond, wanted);
    });

    it("is for the deal's buyer, on a deal that the node signed, within its term", async () => {
      const stranger = await world().actor(50);
      const deal = await faults.deal(node, buyer);
      await assertReverts(faults.open(stranger, deal), "FaultsNotBuyer", [buyer.address, stranger.address]);
      const forged = await faults.deal({ ...node, signer: stranger.signer }, buyer);
      await assertReverts(faults.open(buyer, forged), "FaultsDealSigner", [node.address, stranger.address]);
      const foreign = await faults.deal(stranger, buyer);
      await assertReverts(faults.open(buyer, foreign), "FaultsKeyUnknown", [stranger.address]);
      const malformed = { ...deal, signature: { r: deal.hash, vs: `0x7f${"ff".repeat(31)}` } };
      await assertReverts(faults.open(buyer, malformed), "FaultsSignatureInvalid");
      const now = await world().now();
      for (const terms of [{ sizeBytes: 0n }, { startsAt: now, expiresAt: now }]) {
        await assertReverts(faults.open(buyer, await faults.deal(node, buyer, terms)), "FaultsDealTerms");
      }
      for (const terms of [{ startsAt: now + 1_000n }, { expiresAt: now + day }, { startsAt: 1n, expiresAt: 2n }]) {
        await assertReverts(faults.open(buyer, await faults.deal(node, buyer, terms)), "FaultsDealNotRunning");
      }
    });

    it("happens once at a time and once a day for a deal, and for each deal by itself", async () => {
      const deal = await faults.deal(node, buyer);
      await faults.open(buyer, deal);
      await assertReverts(faults.open(buyer, deal), "FaultsChallengeState", [states.open]);
      await faults.open(buyer, await faults.deal(node, buyer, { nonce: 2n }));
      const leaf = await faults.pin(buyer, deal);
      await assertReverts(faults.open(buyer, deal), "FaultsChallengeState", [states.pinned]);
      await faults.write(node, "answerChallenge", faults.answer(deal, leaf));
      const { openedAt } = await faults.challenge(deal.hash);
      await assertReverts(faults.open(buyer, deal), "FaultsChallengeTooSoon");
      await world().wait(openedAt + day - (await world().now()));
      await faults.open(buyer, deal);
      assert.equal(await stateOf(deal.hash), states.open);
    });

    it("stops while paused; what is open goes on", async () => {
      const deal = await faults.deal(node, buyer);
      const other = await faults.deal(node, buyer, { nonce: 2n });
      await faults.open(buyer, deal);
      await faults.open(buyer, other);
      await faults.write(undefined, "pause", []);
      const third = await faults.deal(node, buyer, { nonce: 3n });
      await assert.rejects(faults.open(buyer, third), /EnforcedPause|0xd93c0665/);
      const leaf = await faults.pin(buyer, deal);
      await faults.write(node, "answerChallenge", faults.answer(deal, leaf));
      await faults.pin(buyer, other);
      await world().wait(day + 1n);
      await faults.write(buyer, "proveDefault", [other.value]);
      await faults.write(undefined, "unpause", []);
      await faults.open(buyer, third);
    });

    it("works against a revoked key for one thaw", async () => {
      const deal = await faults.deal(node, buyer);
      await world().write(operator.wallet, "operators", "revokeNode", [node.address]);
      await world().wait(thawSeconds - 10n);
      await faults.open(buyer, deal);
      await world().wait(20n);
      const later = await faults.deal(node, buyer, { nonce: 2n });
      await assertReverts(faults.open(buyer, later), "FaultsEvidenceLate");
    });
  });

  describe("the leaf", () => {
    it("is not known before its block is over", async () => {
      const deal = await faults.deal(node, buyer);
      const { blockNumber } = await faults.open(buyer, deal);
      await assertReverts(faults.write(buyer, "pinLeaf", [deal.value]), "FaultsLeafTooEarly");
      await world().chain.testClient.mine({ blocks: 2 });
      await assertReverts(faults.write(buyer, "pinLeaf", [deal.value]), "FaultsLeafTooEarly", [
        blockNumber + 3n,
        blockNumber + 2n,
      ]);
      await world().chain.testClient.mine({ blocks: 1 });
      const receipt = await faults.write(await world().actor(50), "pinLeaf", [deal.value]);
      const [event] = world().events(receipt, "LeafPinned");
      const { leaf, pinnedAt } = await faults.challenge(deal.hash);
      assert.deepEqual(event, {
        deal: deal.hash,
        node: getAddress(node.address),
        leaf,
        answerBy: pinnedAt + day,
      });
      assert.ok(leaf < 6n);
      await assertReverts(faults.write(buyer, "pinLeaf", [deal.value]), "FaultsChallengeState", [states.pinned]);
    });

    it("that nobody fixed while its block was known ends the challenge; the bond goes back", async () => {
      const deal = await faults.deal(node, buyer);
      await faults.open(buyer, deal);
      const { bond, pinBlock } = await faults.challenge(deal.hash);
      const { testClient, publicClient } = world().chain;
      await testClient.mine({ blocks: 255 });
      const snapshot = await testClient.snapshot();
      // The last block that still knows it.
      await testClient.mine({ blocks: Number(pinBlock + 255n - (await publicClient.getBlockNumber())) });
      await faults.write(node, "pinLeaf", [deal.value]);
      assert.equal(await stateOf(deal.hash), states.pinned);
      await testClient.revert({ id: snapshot });
      await testClient.mine({ blocks: Number(pinBlock + 256n - (await publicClient.getBlockNumber())) });
      const before = await faults.ether(buyer.address);
      const receipt = await faults.write(node, "pinLeaf", [deal.value]);
      assert.equal(world().events(receipt, "ChallengeLapsed").length, 1);
      assert.equal(await faults.ether(buyer.address), before + bond);
      assert.equal(await stateOf(deal.hash), states.over);
      assert.equal(await left(), stake);
      await world().wait(day);
      await faults.open(buyer, deal);
    });

    it("is not fixed so late that the answer would be due after the deal's end", async () => {
      const now = await world().now();
      const deal = await faults.deal(node, buyer, { expiresAt: now + day + 100n });
      await faults.open(buyer, deal);
      await world().wait(120n);
      await faults.pin(node, deal);
      assert.equal(await stateOf(deal.hash), states.over);
      assert.equal(await faults.ether(world().addressOf("faults")), 0n);
    });
  });

  describe("an answer", () => {
    it("shows any leaf of content of any size, and earns the bond", async () => {
      for (const [index, sizeBytes] of [1, 1_024, 1_025, 3_000, 5_121, 7_168].entries()) {
        const content = faults.content(sizeBytes);
        const terms = { nonce: BigInt(index), contentRoot: storageRoot(content), sizeBytes: BigInt(sizeBytes) };
        const deal = await faults.deal(node, buyer, terms);
        const leaf = await faults.openAndPin(buyer, deal);
        const { bond } = await faults.challenge(deal.hash);
        const before = await faults.ether(node.address);
        // By whoever has the bytes: the bond is the node's.
        const receipt = await faults.write(buyer, "answerChallenge", faults.answer(deal, leaf, content));
        assert.equal(world().events(receipt, "ChallengeAnswered").length, 1);
        assert.equal(await faults.ether(node.address), before + bond);
        assert.equal(await stateOf(deal.hash), states.over);
      }
    });

    it("with another leaf, altered or cut bytes, or siblings too few or too many is none", async () => {
      const deal = await faults.deal(node, buyer);
      const leaf = await faults.openAndPin(buyer, deal);
      const answer = (args: readonly unknown[]) => faults.write(node, "answerChallenge", args);
      const [value, data, proof] = faults.answer(deal, leaf);
      const other = faults.answer(deal, leaf === 0 ? 1 : 0);
      if (leaf !== 5) await assertReverts(answer(other), "FaultsLeafWrong");
      await assertReverts(answer([value, data, proof.slice(1)]), "FaultsLeafWrong", [
        deal.value.contentRoot,
        `0x${"00".repeat(32)}`,
      ]);
      await assertReverts(answer([value, data, [...proof, deal.hash]]), "FaultsLeafWrong");
      await assertReverts(answer([value, `${data.slice(0, -2)}ff`, proof]), "FaultsLeafWrong");
      await assertReverts(answer([value, data.slice(0, -2), proof]), "FaultsLeafSize");
      await assertReverts(answer([value, `${data}00`, proof]), "FaultsLeafSize");
      await assertReverts(answer([{ ...value, nonce: 9n }, data, proof]), "FaultsChallengeState", [states.none]);
      await answer([value, data, proof]);
      await assertReverts(answer([value, data, proof]), "FaultsChallengeState", [states.over]);
    });

    it("that is late still counts while nobody proved the default", async () => {
      const deal = await faults.deal(node, buyer);
      const leaf = await faults.openAndPin(buyer, deal);
      await world().wait(2n * day);
      await faults.write(node, "answerChallenge", faults.answer(deal, leaf));
      await assertReverts(faults.write(buyer, "proveDefault", [deal.value]), "FaultsChallengeState", [states.over]);
      assert.equal(await left(), stake);
    });

    it("earns a credit where the node refuses ether", async () => {
      const deal = await faults.deal(node, buyer);
      const leaf = await faults.openAndPin(buyer, deal);
      const { bond } = await faults.challenge(deal.hash);
      await setCode(node.address, "0x60006000fd");
      const receipt = await faults.write(buyer, "answerChallenge", faults.answer(deal, leaf));
      assert.deepEqual(world().events(receipt, "EtherCredited"), [{ account: getAddress(node.address), amount: bond }]);
      assert.equal(await faults.read("creditOf", [node.address]), bond);
      await setCode(node.address, "0x");
      await faults.write(undefined, "pause", []);
      await setCode("0x00000000000000000000000000000000000000f1", "0x60006000fd");
      const withdraw = (from: Actor, to: Hex) => faults.write(from, "withdrawCredit", [to]);
      await assertReverts(withdraw(buyer, buyer.address), "FaultsCreditNone", [buyer.address]);
      await assertReverts(withdraw(node, zeroAddress), "FaultsAddressZero");
      const refuser = "0x00000000000000000000000000000000000000f1";
      await assertReverts(withdraw(node, refuser), "FaultsEtherRefused", [refuser]);
      const before = await faults.ether(operator.address);
      await withdraw(node, operator.address);
      assert.equal(await faults.ether(operator.address), before + bond);
      await assertReverts(withdraw(node, operator.address), "FaultsCreditNone");
    });
  });

  describe("a default", () => {
    it("takes the bond and what was left to store, a tenth of it for the buyer, and gives the ether back", async () => {
      const deal = await faults.deal(node, buyer);
      await world().wait(15n * day);
      await faults.openAndPin(buyer, deal);
      const { openedAt, bond } = await faults.challenge(deal.hash);
      await world().wait(day + 1n);
      const before = await faults.ether(buyer.address);
      const receipt = await faults.write(buyer, "proveDefault", [deal.value]);
      const { termValue, expiresAt, startsAt, bond: fixed } = deal.value;
      const taken = fixed + (termValue * (expiresAt - openedAt)) / (expiresAt - startsAt);
      const [event] = world().events(receipt, "StorageDefaulted");
      assert.deepEqual(event, {
        deal: deal.hash,
        node: getAddress(node.address),
        operator: getAddress(operator.address),
        buyer: getAddress(buyer.address),
        taken,
        reward: taken / 10n,
      });
      assert.equal(await left(), stake - taken);
      assert.equal(await world().balance(buyer.address, world().lpt), taken / 10n);
      assert.equal(await world().balance(burnAddress, world().lpt), taken - taken / 10n);
      assert.equal(await faults.ether(buyer.address), before + bond - receipt.gasUsed * receipt.effectiveGasPrice);
      await world().wait(day);
      await assertReverts(faults.open(buyer, deal), "FaultsChallengeState", [states.defaulted]);
    });

    it("is the buyer's to prove, and only when the time is over", async () => {
      const deal = await faults.deal(node, buyer);
      await assertReverts(faults.write(buyer, "proveDefault", [deal.value]), "FaultsChallengeState", [states.none]);
      await faults.openAndPin(buyer, deal);
      const { pinnedAt } = await faults.challenge(deal.hash);
      await assertReverts(faults.write(node, "proveDefault", [deal.value]), "FaultsNotBuyer");
      await assertReverts(faults.writeAt(pinnedAt + day, buyer, "proveDefault", [deal.value]), "FaultsAnswerTimeLeft", [
        pinnedAt + day,
        pinnedAt + day,
      ]);
      await faults.writeAt(pinnedAt + day + 1n, buyer, "proveDefault", [deal.value]);
      assert.equal(await stateOf(deal.hash), states.defaulted);
    });

    it("shares the day's 5 % with whatever else the key did", async () => {
      const dear = await faults.deal(node, buyer, { bond: stake });
      const cheap = await faults.deal(node, buyer, { nonce: 2n, termValue: 0n, bond: 7n });
      const third = await faults.deal(node, buyer, { nonce: 3n });
      for (const deal of [dear, cheap, third]) await faults.openAndPin(buyer, deal);
      await world().wait(day + 10n);
      await faults.write(buyer, "proveDefault", [cheap.value]);
      assert.equal(await faults.read("slashable", [node.address]), daily - 7n);
      await faults.prove(node, buyer);
      assert.equal(await left(), stake - daily);
      // Nothing is left of the day: the deal is over all the same, and the ether is the buyer's again.
      const receipt = await faults.write(buyer, "proveDefault", [third.value]);
      assert.equal(world().events(receipt, "StorageDefaulted")[0]!.taken, 0n);
      await world().wait(day);
      await faults.write(buyer, "proveDefault", [dear.value]);
      assert.equal(await left(), stake - daily - (stake - daily) / 20n);
      assert.equal(await faults.ether(world().addressOf("faults")), 0n);
    });
  });

  describe("the sequencer", () => {
    const mode = { answers: 0, reverts: 1, short: 2 };

    async function setFeed(): Promise<(m: number, answer: bigint, startedAt: bigint) => Promise<unknown>> {
      const feed = await world().deploy("mocks/SwitchedFeed.sol/SwitchedFeed.json");
      await faults.write(undefined, "setSequencerFeed", [feed]);
      const { abi } = await import("../../../artifacts/contracts/mocks/SwitchedFeed.sol/SwitchedFeed.json", {
        with: { type: "json" },
      }).then((file) => file.default);
      return async (m, answer, startedAt) => {
        const { chain, governor } = world();
        const call = { address: feed, abi, functionName: "set", args: [m, answer, startedAt] };
        const hash = await governor.writeContract(call as Parameters<typeof governor.writeContract>[0]);
        await chain.publicClient.waitForTransactionReceipt({ hash });
      };
    }

    it("that came back gives a node the whole time from then on", async () => {
      const say = await setFeed();
      const deal = await faults.deal(node, buyer);
      await faults.openAndPin(buyer, deal);
      const { pinnedAt } = await faults.challenge(deal.hash);
      await world().wait(day + 1n);
      await say(mode.answers, 0n, pinnedAt + 1_000n);
      const prove = () => faults.write(buyer, "proveDefault", [deal.value]);
      await assertReverts(prove(), "FaultsAnswerTimeLeft");
      await world().wait(1_000n);
      await prove();
      assert.equal(await stateOf(deal.hash), states.defaulted);
    });

    it("that came back before the leaf was fixed changes nothing", async () => {
      const say = await setFeed();
      const deal = await faults.deal(node, buyer);
      await faults.openAndPin(buyer, deal);
      await say(mode.answers, 0n, 1n);
      await world().wait(day + 1n);
      await faults.write(buyer, "proveDefault", [deal.value]);
    });

    it("that is down, or of which nothing can be believed, lets no default be proven; answers go on", async () => {
      const say = await setFeed();
      const feed = (await faults.read<Hex>("sequencerFeed", [])).toLowerCase();
      const deal = await faults.deal(node, buyer);
      const leaf = await faults.openAndPin(buyer, deal);
      await world().wait(2n * day);
      const prove = () => faults.write(buyer, "proveDefault", [deal.value]);
      const now = await world().now();
      await say(mode.answers, 1n, 1n);
      await assertReverts(prove(), "FaultsSequencerDown");
      for (const [m, answer, startedAt] of [
        [mode.answers, 0n, 0n],
        [mode.answers, 2n, 1n],
        [mode.answers, -1n, 1n],
        [mode.answers, 0n, now + 10n * day],
        [mode.reverts, 0n, 1n],
        [mode.short, 0n, 1n],
      ] as const) {
        await say(m, answer, startedAt);
        await assertReverts(prove(), "FaultsSequencerUnknown", [feed]);
      }
      await faults.write(undefined, "setSequencerFeed", [operator.address]);
      await assertReverts(prove(), "FaultsSequencerUnknown", [operator.address]);
      await faults.write(node, "answerChallenge", faults.answer(deal, leaf));
    });
  });
});
