import assert from "node:assert/strict";
import { encodeAbiParameters, getAddress, keccak256, parseAbiParameters } from "viem";
import { type Actor, assertReverts, day, thawSeconds, useWorld, zeroAddress } from "./support/world.ts";

const transferNotice = thawSeconds + day;

describe("ClusterRegistry", () => {
  const world = useWorld();
  let owner: Actor;
  let balancer: Actor;
  let stranger: Actor;
  let cluster: bigint;

  beforeEach(async () => {
    [owner, balancer, stranger] = [await world().actor(1), await world().actor(2), await world().actor(40)];
    ({ cluster } = await world().createCluster(owner, balancer));
  });

  const write = (actor: Actor, name: string, args: readonly unknown[]) =>
    world().write(actor.wallet, "clusters", name, args);
  const read = <T>(name: string, args: readonly unknown[]) => world().read<T>("clusters", name, args);
  const info = () => read<Record<string, unknown>>("clusterOf", [cluster]);

  it("creates clusters that count from 1, with balancer keys that proved possession", async () => {
    assert.equal(cluster, 1n);
    assert.equal(await read("clusterCount", []), 1n);
    assert.deepEqual(await info(), {
      owner: getAddress(owner.address),
      visibility: 0,
      admission: 0,
      sharePpm: 100_000,
      nextSharePpm: 0,
      nextShareAt: 0,
      pendingOwner: zeroAddress,
      transferAt: 0,
      terms: "https://cluster.example/terms",
    });
    assert.equal(await read("ownerOf", [cluster]), getAddress(owner.address));
    assert.equal(await read("operatorRegistry", []), getAddress(world().addressOf("operators")));
    assert.equal(await read("isBalancer", [cluster, balancer.address]), true);
    assert.equal(await read("isVoucherSigner", [cluster, balancer.address]), true);
    assert.equal(await read("isVoucherSigner", [cluster, stranger.address]), false);
  });

  it("binds a cluster's account to its id", async () => {
    for (const id of [0n, 1n, 2n ** 256n - 1n]) {
      const hash = keccak256(encodeAbiParameters(parseAbiParameters("string, uint256"), ["leat.cluster", id]));
      assert.equal(await read("accountOf", [id]), getAddress(`0x${hash.slice(-40)}`));
    }
  });

  it("refuses proofs that are expired, for another cluster or owner, malformed, or used", async () => {
    const fresh = await world().actor(50);
    const add = (actor: Actor, proof: unknown) => write(actor, "addBalancer", [cluster, proof]);
    const proof = await world().balancerProof(cluster, owner, fresh);
    await assertReverts(
      add(owner, await world().balancerProof(cluster, owner, fresh, 1n)),
      "ClusterRegistryProofExpired",
    );
    await assertReverts(add(owner, await world().balancerProof(2n, owner, fresh)), "ClusterRegistryProofWrong");
    await assertReverts(add(owner, await world().balancerProof(cluster, stranger, fresh)), "ClusterRegistryProofWrong");
    const zero = { ...proof, balancer: zeroAddress, r: `0x${"00".repeat(32)}` };
    await assertReverts(add(owner, zero), "ClusterRegistryProofWrong", [zeroAddress, zeroAddress]);
    await assertReverts(add(stranger, proof), "ClusterRegistryNotOwner", [owner.address, stranger.address]);
    await add(owner, proof);
    await assertReverts(add(owner, proof), "ClusterRegistryBalancerUsed", [cluster, fresh.address]);
  });

  it("removes a balancer at once for promises, after one thaw for vouchers, and for ever", async () => {
    await write(owner, "removeBalancer", [cluster, balancer.address]);
    assert.equal(await read("isBalancer", [cluster, balancer.address]), false);
    assert.equal(await read("isVoucherSigner", [cluster, balancer.address]), true);
    await world().wait(thawSeconds - 5n);
    assert.equal(await read("isVoucherSigner", [cluster, balancer.address]), true);
    await world().wait(10n);
    assert.equal(await read("isVoucherSigner", [cluster, balancer.address]), false);
    const proof = await world().balancerProof(cluster, owner, balancer);
    await assertReverts(write(owner, "addBalancer", [cluster, proof]), "ClusterRegistryBalancerUsed");
    const again = write(owner, "removeBalancer", [cluster, balancer.address]);
    await assertReverts(again, "ClusterRegistryBalancerUnknown", [cluster, balancer.address]);
  });

  it("lowers the share at once and raises it after one thaw", async () => {
    await write(owner, "setShare", [cluster, 50_000]);
    assert.equal((await info()).sharePpm, 50_000);
    await write(owner, "setShare", [cluster, 200_000]);
    const effectiveAt = Number((await world().now()) + thawSeconds);
    const raised = await info();
    assert.deepEqual([raised.sharePpm, raised.nextSharePpm, raised.nextShareAt], [50_000, 200_000, effectiveAt]);
    await world().wait(thawSeconds);
    const after = await info();
    assert.deepEqual([after.sharePpm, after.nextSharePpm, after.nextShareAt], [200_000, 0, 0]);
    await write(owner, "setShare", [cluster, 300_000]);
    await write(owner, "setShare", [cluster, 0]);
    await world().wait(thawSeconds);
    assert.equal((await info()).sharePpm, 0);
    await assertReverts(write(owner, "setShare", [cluster, 1_000_001]), "ClusterRegistryShareTooLarge", [
      1_000_000n,
      1_000_001n,
    ]);
  });

  it("admits members to an open cluster, remembers the largest share they accepted, and lets them leave", async () => {
    const { operator } = await world().join(3);
    await write(operator, "accept", [cluster, 150_000]);
    assert.equal(await read("isMember", [cluster, operator.address]), true);
    await write(operator, "accept", [cluster, 120_000]);
    await write(operator, "leaveCluster", [cluster]);
    assert.equal(await read("isMember", [cluster, operator.address]), false);
    assert.deepEqual(await read("highestAcceptedShare", [cluster, operator.address]), [true, 150_000]);
    assert.deepEqual(await read("membershipOf", [cluster, operator.address]), {
      accepted: false,
      everAccepted: true,
      approved: false,
      refused: false,
      acceptedPpm: 0,
      highestAcceptedPpm: 150_000,
    });
    const again = write(operator, "leaveCluster", [cluster]);
    await assertReverts(again, "ClusterRegistryNotMember", [cluster, operator.address]);
    assert.deepEqual(await read("highestAcceptedShare", [cluster, stranger.address]), [false, 0]);
  });

  it("asks for approval where the cluster wants it, before or after", async () => {
    await write(owner, "setAccess", [cluster, 1, 1]);
    const early = await world().join(3);
    await write(owner, "setApproval", [cluster, early.operator.address, true]);
    await write(early.operator, "accept", [cluster, 100_000]);
    assert.equal(await read("isMember", [cluster, early.operator.address]), true);
    const late = await world().join(4, { cluster });
    assert.equal(await read("isMember", [cluster, late.operator.address]), false);
    await write(owner, "setApproval", [cluster, late.operator.address, true]);
    assert.equal(await read("isMember", [cluster, late.operator.address]), true);
    await write(owner, "setApproval", [cluster, late.operator.address, false]);
    assert.equal(await read("isMember", [cluster, late.operator.address]), false);
  });

  it("keeps an operator out of an open cluster until its owner approves it", async () => {
    const { operator } = await world().join(3, { cluster });
    const isMember = () => read("isMember", [cluster, operator.address]);
    assert.equal(await isMember(), true);
    await write(owner, "setApproval", [cluster, operator.address, false]);
    assert.equal(await isMember(), false);
    const again = write(operator, "accept", [cluster, 100_000]);
    await assertReverts(again, "ClusterRegistryMemberRefused", [cluster, operator.address]);
    await write(operator, "leaveCluster", [cluster]);
    await assertReverts(write(operator, "accept", [cluster, 100_000]), "ClusterRegistryMemberRefused");
    const fresh = await world().actor(5);
    await write(owner, "setApproval", [cluster, fresh.address, false]);
    await assertReverts(world().join(5, { cluster }), "ClusterRegistryMemberRefused", [cluster, fresh.address]);
    await write(owner, "setApproval", [cluster, operator.address, true]);
    assert.equal(await isMember(), false);
    const receipt = await write(operator, "accept", [cluster, 100_000]);
    assert.equal(world().events(receipt, "MemberAccepted")[0]?.approved, true);
    assert.equal(await isMember(), true);
    // What was earned before stays collectable at the share of that time, refused or not.
    assert.deepEqual(await read("highestAcceptedShare", [cluster, operator.address]), [true, 200_000]);
  });

  it("forgets the approval of whoever leaves", async () => {
    await write(owner, "setAccess", [cluster, 0, 1]);
    const { operator } = await world().join(3, { cluster });
    await write(owner, "setApproval", [cluster, operator.address, true]);
    await write(operator, "leaveCluster", [cluster]);
    const receipt = await write(operator, "accept", [cluster, 100_000]);
    assert.equal(world().events(receipt, "MemberAccepted")[0]?.approved, false);
    assert.equal(await read("isMember", [cluster, operator.address]), false);
    await write(owner, "setApproval", [cluster, operator.address, true]);
    assert.equal(await read("isMember", [cluster, operator.address]), true);
  });

  it("keeps its members when it begins to want approval", async () => {
    const { operator } = await world().join(3, { cluster });
    await write(owner, "setAccess", [cluster, 1, 1]);
    await write(operator, "accept", [cluster, 110_000]);
    assert.equal(await read("isMember", [cluster, operator.address]), true);
  });

  it("refuses acceptances below the share, of strangers, of no cluster, or in another's name", async () => {
    const { operator } = await world().join(3);
    const low = write(operator, "accept", [cluster, 99_999]);
    await assertReverts(low, "ClusterRegistryShareAboveAccepted", [100_000n, 99_999n]);
    await assertReverts(write(operator, "accept", [9n, 99_999]), "ClusterRegistryUnknown", [9n]);
    await assertReverts(write(operator, "accept", [cluster, 1_000_001]), "ClusterRegistryShareTooLarge");
    await assertReverts(write(stranger, "accept", [cluster, 100_000]), "ClusterRegistryNotOperator", [
      stranger.address,
    ]);
    const forged = write(stranger, "acceptFor", [operator.address, cluster, 100_000]);
    await assertReverts(forged, "ClusterRegistryNotOperatorRegistry", [
      world().addressOf("operators"),
      stranger.address,
    ]);
  });

  it("changes hands after a notice longer than the thaw, if the new owner takes it", async () => {
    await write(owner, "startTransfer", [cluster, stranger.address]);
    await assertReverts(write(owner, "acceptTransfer", [cluster]), "ClusterRegistryNotPendingOwner", [
      stranger.address,
      owner.address,
    ]);
    await world().wait(transferNotice - 10n);
    await assertReverts(write(stranger, "acceptTransfer", [cluster]), "ClusterRegistryTransferEarly");
    await world().wait(10n);
    await write(stranger, "acceptTransfer", [cluster]);
    assert.equal(await read("ownerOf", [cluster]), getAddress(stranger.address));
    await assertReverts(write(stranger, "acceptTransfer", [cluster]), "ClusterRegistryTransferNone", [cluster]);
    await assertReverts(write(owner, "setTerms", [cluster, "mine"]), "ClusterRegistryNotOwner");
    await write(stranger, "startTransfer", [cluster, owner.address]);
    await write(stranger, "cancelTransfer", [cluster]);
    await assertReverts(write(stranger, "cancelTransfer", [cluster]), "ClusterRegistryTransferNone");
    await assertReverts(write(owner, "acceptTransfer", [cluster]), "ClusterRegistryTransferNone");
    await assertReverts(write(stranger, "startTransfer", [cluster, zeroAddress]), "ClusterRegistryAddressZero");
  });

  it("ends the old owner's balancer keys with a transfer, their vouchers one thaw later", async () => {
    const second = await world().actor(50);
    await write(owner, "addBalancer", [cluster, await world().balancerProof(cluster, owner, second)]);
    await write(owner, "startTransfer", [cluster, stranger.address]);
    await world().wait(transferNotice);
    const receipt = await write(stranger, "acceptTransfer", [cluster]);
    const validUntil = (await world().now()) + thawSeconds;
    const removed = [balancer, second].map((key) => ({ cluster, balancer: getAddress(key.address), validUntil }));
    assert.deepEqual(world().events(receipt, "BalancerRemoved"), removed);
    assert.deepEqual(await read("balancersOf", [cluster]), []);
    for (const key of [balancer, second]) {
      assert.equal(await read("isBalancer", [cluster, key.address]), false);
      assert.equal(await read("isVoucherSigner", [cluster, key.address]), true);
    }
    const own = await world().actor(51);
    await write(stranger, "addBalancer", [cluster, await world().balancerProof(cluster, stranger, own)]);
    await world().wait(thawSeconds + 1n);
    assert.equal(await read("isVoucherSigner", [cluster, balancer.address]), false);
    assert.equal(await read("isVoucherSigner", [cluster, own.address]), true);
    assert.deepEqual(await read("balancersOf", [cluster]), [getAddress(own.address)]);
  });

  it("lets a transfer go stale when nobody takes it for 30 days", async () => {
    await write(owner, "startTransfer", [cluster, stranger.address]);
    const { transferAt } = (await info()) as { transferAt: number };
    await world().wait(transferNotice + 30n * day);
    await assertReverts(write(stranger, "acceptTransfer", [cluster]), "ClusterRegistryTransferLate", [
      BigInt(transferAt) + 30n * day,
      (await world().now()) + 1n,
    ]);
    await write(owner, "startTransfer", [cluster, stranger.address]);
    await world().wait(transferNotice + 29n * day);
    await write(stranger, "acceptTransfer", [cluster]);
    assert.equal(await read("ownerOf", [cluster]), getAddress(stranger.address));
  });

  it("holds at most 32 balancer keys, in a list that follows every change", async () => {
    const keys = await Promise.all(Array.from({ length: 32 }, (_, at) => world().actor(200 + at)));
    const proofs = await Promise.all(keys.map((key) => world().balancerProof(cluster, owner, key)));
    for (const proof of proofs.slice(0, 31)) await write(owner, "addBalancer", [cluster, proof]);
    await assertReverts(write(owner, "addBalancer", [cluster, proofs[31]]), "ClusterRegistryBalancersTooMany", [32n]);
    const list = async () => (await read<string[]>("balancersOf", [cluster])).toSorted();
    const wanted = (actors: readonly Actor[]) => actors.map(({ address }) => getAddress(address)).toSorted();
    assert.deepEqual(await list(), wanted([balancer, ...keys.slice(0, 31)]));
    // The first, the last and one between.
    for (const gone of [balancer, keys[30]!, keys[7]!]) {
      await write(owner, "removeBalancer", [cluster, gone.address]);
    }
    const left = keys.slice(0, 30).filter((_, at) => at !== 7);
    assert.deepEqual(await list(), wanted(left));
    await write(owner, "addBalancer", [cluster, proofs[31]]);
    assert.deepEqual(await list(), wanted([...left, keys[31]!]));
    const many = await Promise.all(
      Array.from({ length: 33 }, async (_, at) => world().balancerProof(2n, owner, await world().actor(300 + at))),
    );
    await assertReverts(write(owner, "create", ["", 0, 0, 0, many]), "ClusterRegistryBalancersTooMany", [32n]);
    await write(owner, "create", ["", 0, 0, 0, many.slice(1)]);
    assert.equal((await read<string[]>("balancersOf", [2n])).length, 32);
  });

  it("gives notice anew when a raised share is raised again", async () => {
    await write(owner, "setShare", [cluster, 200_000]);
    await world().wait(thawSeconds - day);
    await write(owner, "setShare", [cluster, 300_000]);
    await world().wait(2n * day);
    assert.equal((await info()).sharePpm, 100_000);
    await world().wait(thawSeconds);
    assert.equal((await info()).sharePpm, 300_000);
    await write(owner, "setShare", [cluster, 300_000]);
    assert.deepEqual([(await info()).sharePpm, (await info()).nextShareAt], [300_000, 0]);
  });

  it("cannot be deployed with waits out of bounds or beside registries that do not name it", async () => {
    const { accessManager, operatorRegistry } = world().chain.deployment;
    const deploy = (thaw: bigint) =>
      world().deploy("ClusterRegistry.sol/ClusterRegistry.json", [accessManager, operatorRegistry, thaw]);
    await assertReverts(deploy(3_599n), "ClusterRegistryThawOutOfBounds", [28n * day, 3_599n]);
    await assertReverts(deploy(28n * day + 1n), "ClusterRegistryThawOutOfBounds");
    await assertReverts(deploy(thawSeconds), "ClusterRegistryWiringWrong");
  });

  it("keeps terms within their length, and everything to its owner", async () => {
    await write(owner, "setTerms", [cluster, "ipfs://terms"]);
    assert.equal((await info()).terms, "ipfs://terms");
    const long = write(owner, "setTerms", [cluster, "x".repeat(513)]);
    await assertReverts(long, "ClusterRegistryTermsTooLong", [512n, 513n]);
    for (const [name, args] of [
      ["removeBalancer", [cluster, balancer.address]],
      ["setTerms", [cluster, ""]],
      ["setAccess", [cluster, 0, 0]],
      ["setShare", [cluster, 0]],
      ["setApproval", [cluster, stranger.address, true]],
      ["startTransfer", [cluster, stranger.address]],
      ["cancelTransfer", [cluster]],
    ] as const) {
      await assertReverts(write(stranger, name, args), "ClusterRegistryNotOwner", [owner.address, stranger.address]);
      await assertReverts(write(stranger, name, [9n, ...args.slice(1)]), "ClusterRegistryUnknown", [9n]);
    }
    await assertReverts(write(owner, "create", ["", 0, 0, 1_000_001, []]), "ClusterRegistryShareTooLarge");
  });

  it("pauses promises and nothing else", async () => {
    const { operator } = await world().join(3, { cluster });
    const pause = (paused: boolean) => world().write(world().governor, "clusters", paused ? "pause" : "unpause", []);
    await assertReverts(write(stranger, "pause", []), "AccessManagedUnauthorized");
    await pause(true);
    await assertReverts(write(owner, "create", ["", 0, 0, 0, []]), "EnforcedPause");
    await assertReverts(write(operator, "accept", [cluster, 100_000]), "EnforcedPause");
    const proof = await world().balancerProof(cluster, owner, stranger);
    await assertReverts(write(owner, "addBalancer", [cluster, proof]), "EnforcedPause");
    await assertReverts(world().join(4, { cluster }), "EnforcedPause");
    await write(operator, "leaveCluster", [cluster]);
    await write(owner, "removeBalancer", [cluster, balancer.address]);
    await pause(false);
    await write(owner, "create", ["", 0, 0, 0, []]);
  });
});
