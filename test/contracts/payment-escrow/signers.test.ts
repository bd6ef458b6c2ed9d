import assert from "node:assert/strict";
import { createDomain } from "../../../sdk/protocol/eip712.ts";
import { signerPossessionStructure } from "../../../sdk/protocol/signed.ts";
import { toCompactSignature } from "../../../sdk/protocol/statements.ts";
import { type Actor, assertReverts, type ChannelKey, day, never, thawSeconds, useWorld } from "../support/world.ts";

const reasons = { signatureWrong: 4, expired: 6, capExceeded: 7 };

describe("payment escrow: signers", () => {
  const world = useWorld();
  let buyer: Actor;
  let hot: Actor;
  let node: Actor;
  let operator: Actor;
  let key: ChannelKey;

  beforeEach(async () => {
    buyer = await world().actor(1);
    hot = await world().actor(2);
    ({ node, operator } = await world().join(3));
    key = world().key(buyer.address, node.address);
    await world().deposit(buyer, 1_000n);
    await world().reserve(buyer, node.address, 500n);
  });

  const proofOf = async (
    signer: Actor,
    payer = buyer.address,
    options: { validUntil?: bigint; escrow?: string } = {},
  ) => {
    const { validUntil = never, escrow = world().addressOf("escrow") } = options;
    const domain = createDomain(world().chain.deployment.chainId, escrow as typeof payer);
    const value = { payer, signer: signer.address, validUntil };
    const signature = await signer.signer.sign(signerPossessionStructure, domain, value);
    return { signer: signer.address, validUntil, ...toCompactSignature(signature) };
  };
  const allot = async (cap: bigint, validForSeconds = day, of: Partial<ChannelKey> & { proof?: unknown } = {}) => {
    const { payee = key.payee, token = key.token, cluster = 0n, clusterPpm = 0, proof = await proofOf(hot) } = of;
    const validUntil = (await world().now()) + validForSeconds;
    const args = [payee, token, cluster, clusterPpm, cap, validUntil, proof];
    await world().write(buyer.wallet, "escrow", "allotSigner", args);
    return validUntil;
  };
  const revoke = (signer = hot) =>
    world().write(buyer.wallet, "escrow", "revokeSigner", [key.payee, key.token, 0n, 0, signer.address]);
  const allotted = async () =>
    world().read<[bigint, bigint]>("escrow", "allotmentOf", [(await world().channel(key)).id, hot.address]);
  const collect = async (signer: Actor, cumulative: bigint, of = key) => {
    const claim = await world().claim(signer.signer, of, cumulative);
    return world().write(operator.wallet, "escrow", "collect", [[world().group(of, [claim])]]);
  };
  const assertSkipped = async (signer: Actor, cumulative: bigint, reason: number, of = key) => {
    const receipt = await collect(signer, cumulative, of);
    assert.deepEqual(
      world()
        .events(receipt, "ClaimSkipped")
        .map((event) => event.reason),
      [reason],
    );
  };

  it("pays what an allotted key signed, up to the channel's cap and no further", async () => {
    await assertSkipped(hot, 10n, reasons.signatureWrong);
    await allot(200n);
    await collect(hot, 150n);
    await assertSkipped(hot, 201n, reasons.capExceeded);
    // The cap is a total of the channel: what the payer signed itself counts too.
    await collect(buyer, 190n);
    await collect(hot, 200n);
    assert.equal((await world().channel(key)).collected, 200n);
    await assertSkipped(hot, 210n, reasons.capExceeded);
    await collect(buyer, 210n);
    assert.equal(await world().pool(operator.address), 210n);
  });

  it("lets two keys of one channel spend the same money, not twice as much", async () => {
    const second = await world().actor(4);
    await allot(100n);
    await allot(100n, day, { proof: await proofOf(second) });
    await collect(hot, 100n);
    const receipt = await collect(second, 100n);
    assert.deepEqual(
      world()
        .events(receipt, "ClaimSkipped")
        .map((event) => event.reason),
      [3],
    );
    assert.equal((await world().channel(key)).collected, 100n);
  });

  it("counts a key on its own channel alone", async () => {
    await allot(100n);
    const other = await world().join(5);
    await world().reserve(buyer, other.node.address, 100n);
    await assertSkipped(hot, 50n, reasons.signatureWrong, world().key(buyer.address, other.node.address));
    await assertSkipped(hot, 50n, reasons.signatureWrong, { ...key, token: world().lpt });
    assert.equal(await world().pool(other.operator.address), 0n);
  });

  it("keeps vouchers collectable one thaw after the end, and no longer", async () => {
    const validUntil = await allot(100n);
    await world().wait(validUntil - (await world().now()) + thawSeconds - 60n);
    await collect(hot, 60n);
    await world().wait(120n);
    await assertSkipped(hot, 70n, reasons.expired);
    await collect(buyer, 70n);
  });

  it("ends a key at once for new time and after one thaw for what it signed", async () => {
    await allot(100n, 30n * day);
    const [, before] = await allotted();
    await revoke();
    const [cap, validUntil] = await allotted();
    assert.deepEqual([cap, validUntil], [100n, await world().now()]);
    assert.ok(validUntil < before);
    await assertReverts(revoke(), "PaymentEscrowSignerNotAllotted");
    await world().wait(thawSeconds - 60n);
    await collect(hot, 40n);
    await world().wait(120n);
    await assertSkipped(hot, 50n, reasons.expired);
  });

  it("lowers no cap while vouchers of the key count", async () => {
    await allot(100n);
    await assertReverts(allot(99n), "PaymentEscrowCapFell", [100n, 99n]);
    await allot(120n);
    await revoke();
    await assertReverts(allot(99n), "PaymentEscrowCapFell", [120n, 99n]);
    await world().wait(thawSeconds + 60n);
    await allot(50n);
    await collect(hot, 50n);
    await assertSkipped(hot, 51n, reasons.capExceeded);
  });

  it("refuses a cap of nothing, a time out of bounds, and a key that did not agree", async () => {
    await assertReverts(allot(0n), "PaymentEscrowAmountZero");
    await assertReverts(allot(1n, -1n), "PaymentEscrowValidityOutOfBounds");
    await assertReverts(allot(1n, 401n * day), "PaymentEscrowValidityOutOfBounds");
    const stranger = await world().actor(6);
    const good = await proofOf(hot);
    const operators = world().addressOf("operators");
    const zero = `0x${"00".repeat(20)}`;
    for (const proof of [
      { ...good, signer: stranger.address },
      await proofOf(hot, stranger.address),
      await proofOf(hot, buyer.address, { escrow: operators }),
      { ...good, r: `0x${"00".repeat(32)}` },
      { ...good, signer: zero, r: `0x${"00".repeat(32)}` },
    ]) {
      await assertReverts(allot(1n, day, { proof }), "PaymentEscrowProofWrong");
    }
    const late = await proofOf(hot, buyer.address, { validUntil: (await world().now()) - 1n });
    await assertReverts(allot(1n, day, { proof: late }), "PaymentEscrowProofExpired");
  });

  it("allots nobody while paused, and revokes all the same", async () => {
    await allot(100n);
    await world().write(world().governor, "escrow", "pause", []);
    await assertReverts(allot(200n), "EnforcedPause");
    await revoke();
    await collect(hot, 30n);
    assert.equal((await world().channel(key)).collected, 30n);
  });

  it("never draws more than the cap, also beyond the reserve", async () => {
    await allot(600n);
    await collect(hot, 600n);
    await assertSkipped(hot, 601n, reasons.capExceeded);
    assert.equal(await world().pool(buyer.address), 400n);
  });
});
