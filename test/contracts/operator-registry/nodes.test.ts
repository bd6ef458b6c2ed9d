import assert from "node:assert/strict";
import { getAddress } from "viem";
import { useOperators } from "../support/operators.ts";
import { type Actor, assertReverts, noPermit, zeroAddress } from "../support/world.ts";

describe("operator registry: node keys", () => {
  const { world, write, read, assertStake } = useOperators();

  it("adds more, each with proof, and never one twice or for two", async () => {
    const { operator, node } = await world().join(3);
    const { operator: rival } = await world().join(5);
    const second = await world().actor(50);
    await write(operator, "addNode", [
      operator.address,
      await world().nodeProof(operator, second),
      "https://second.example",
    ]);
    assert.equal(await read("operatorOf", [second.address]), getAddress(operator.address));
    for (const used of [node, second]) {
      const proof = await world().nodeProof(rival, used);
      await assertReverts(write(rival, "addNode", [rival.address, proof, ""]), "OperatorRegistryKeyUsed", [
        used.address,
        operator.address,
      ]);
    }
  });

  it("refuses proofs that are expired, for another operator, for another key, or malformed", async () => {
    const { operator } = await world().join(3);
    const { operator: rival } = await world().join(5);
    const node = await world().actor(50);
    const expired = await world().nodeProof(operator, node, 1n);
    await assertReverts(write(operator, "addNode", [operator.address, expired, ""]), "OperatorRegistryProofExpired");
    const stolen = await world().nodeProof(rival, node);
    await assertReverts(write(operator, "addNode", [operator.address, stolen, ""]), "OperatorRegistryProofWrong");
    const proof = await world().nodeProof(operator, node);
    const swapped = { ...proof, node: rival.address };
    await assertReverts(write(operator, "addNode", [operator.address, swapped, ""]), "OperatorRegistryProofWrong");
    const zero = { ...proof, node: zeroAddress, r: `0x${"00".repeat(32)}` };
    await assertReverts(write(operator, "addNode", [operator.address, zero, ""]), "OperatorRegistryProofWrong", [
      zeroAddress,
      zeroAddress,
    ]);
  });

  it("revokes for ever and keeps the key attributable", async () => {
    const { operator, node } = await world().join(3);
    await write(operator, "revokeNode", [node.address]);
    assert.equal(await read("isActiveNode", [node.address]), false);
    assert.equal(await read("revokedAt", [node.address]), await world().now());
    assert.equal(await read("operatorOf", [node.address]), getAddress(operator.address));
    assert.equal((await read<unknown[]>("payoutOf", [node.address]))[0], getAddress(operator.address));
    await assertReverts(write(operator, "revokeNode", [node.address]), "OperatorRegistryKeyRevoked", [node.address]);
    await assertReverts(write(operator, "setEndpoint", [node.address, "x"]), "OperatorRegistryKeyRevoked");
    const again = await world().nodeProof(operator, node);
    await assertReverts(write(operator, "addNode", [operator.address, again, ""]), "OperatorRegistryKeyUsed");
  });

  it("lets only the operator change an endpoint, within its length", async () => {
    const { operator, node } = await world().join(3);
    const { operator: rival } = await world().join(5);
    await write(operator, "setEndpoint", [node.address, "https://moved.example"]);
    assert.equal(await read("endpointOf", [node.address]), "https://moved.example");
    const call = write(rival, "setEndpoint", [node.address, "x"]);
    await assertReverts(call, "OperatorRegistryNotManager", [operator.address, rival.address]);
    await assertReverts(write(rival, "revokeNode", [node.address]), "OperatorRegistryNotManager");
    const long = write(operator, "setEndpoint", [node.address, "x".repeat(257)]);
    await assertReverts(long, "OperatorRegistryEndpointTooLong", [256n, 257n]);
  });

  it("knows nothing of a key that never was one", async () => {
    assert.deepEqual(await read("payoutOf", [world().lpt]), [zeroAddress, zeroAddress, false]);
    assert.equal(await read("isActiveNode", [world().lpt]), false);
  });

  it("changes the payout, zero meaning the operator itself", async () => {
    const { operator, node } = await world().join(3);
    await write(operator, "setPayout", [world().usdc, true]);
    assert.deepEqual((await read<unknown[]>("payoutOf", [node.address])).slice(1), [getAddress(world().usdc), true]);
    await write(operator, "setPayout", [zeroAddress, false]);
    assert.deepEqual((await read<unknown[]>("payoutOf", [node.address])).slice(1), [
      getAddress(operator.address),
      false,
    ]);
  });

  describe("rotation", () => {
    const rotate = (actor: Actor, old: Actor, proof: unknown, endpoint = "https://new.example") =>
      write(actor, "rotateNode", [old.address, proof, endpoint]);

    it("ends the lost key and adds the new one in one transaction, and forgets neither", async () => {
      const { operator, node } = await world().join(3);
      const fresh = await world().actor(50);
      const receipt = await rotate(operator, node, await world().nodeProof(operator, fresh));
      assert.deepEqual(world().events(receipt, "NodeRotated"), [
        {
          operator: getAddress(operator.address),
          oldNode: getAddress(node.address),
          newNode: getAddress(fresh.address),
        },
      ]);
      assert.equal(world().events(receipt, "NodeRevoked").length, 1);
      assert.equal(world().events(receipt, "NodeAdded")[0]?.endpoint, "https://new.example");
      assert.deepEqual(
        [await read("isActiveNode", [node.address]), await read("isActiveNode", [fresh.address])],
        [false, true],
      );
      assert.equal(await read("revokedAt", [node.address]), await world().now());
      for (const key of [node, fresh]) {
        assert.equal(await read("operatorOf", [key.address]), getAddress(operator.address));
        assert.equal((await read<unknown[]>("payoutOf", [key.address]))[0], getAddress(operator.address));
      }
      assert.equal(await read("endpointOf", [fresh.address]), "https://new.example");
    });

    it("refuses keys that are unknown, another's, revoked or used, and then changes nothing", async () => {
      const { operator, node } = await world().join(3);
      const { operator: rival, node: used } = await world().join(5);
      const fresh = await world().actor(50);
      const proof = await world().nodeProof(operator, fresh);
      await assertReverts(rotate(operator, fresh, proof), "OperatorRegistryKeyUnknown", [fresh.address]);
      await assertReverts(rotate(rival, node, await world().nodeProof(rival, fresh)), "OperatorRegistryNotManager", [
        operator.address,
        rival.address,
      ]);
      const taken = rotate(operator, node, await world().nodeProof(operator, used));
      await assertReverts(taken, "OperatorRegistryKeyUsed", [used.address, rival.address]);
      const itself = rotate(operator, node, await world().nodeProof(operator, node));
      await assertReverts(itself, "OperatorRegistryKeyUsed", [node.address, operator.address]);
      await assertReverts(rotate(operator, node, proof, "x".repeat(257)), "OperatorRegistryEndpointTooLong");
      const forged = await world().nodeProof(rival, fresh);
      await assertReverts(rotate(operator, node, forged), "OperatorRegistryProofWrong");
      assert.equal(await read("isActiveNode", [node.address]), true);
      await rotate(operator, node, proof);
      const next = await world().nodeProof(operator, await world().actor(51));
      await assertReverts(rotate(operator, node, next), "OperatorRegistryKeyRevoked", [node.address]);
    });
  });

  describe("manager", () => {
    let owner: Actor;
    let node: Actor;
    let manager: Actor;

    beforeEach(async () => {
      ({ operator: owner, node } = await world().join(3));
      manager = await world().actor(60);
      await write(owner, "setManager", [manager.address]);
    });

    const info = () => read<Record<string, unknown>>("operatorInfoOf", [owner.address]);

    it("adds, moves, rotates and revokes node keys", async () => {
      const [second, third] = [await world().actor(50), await world().actor(51)];
      await write(manager, "addNode", [owner.address, await world().nodeProof(owner, second), "https://2.example"]);
      await write(manager, "setEndpoint", [second.address, "https://moved.example"]);
      await write(manager, "rotateNode", [second.address, await world().nodeProof(owner, third), ""]);
      await write(manager, "revokeNode", [node.address]);
      assert.equal(await read("endpointOf", [second.address]), "https://moved.example");
      assert.equal(await read("operatorOf", [third.address]), getAddress(owner.address));
      assert.deepEqual(await info(), {
        joined: true,
        beneficiary: getAddress(owner.address),
        pushPayouts: false,
        manager: getAddress(manager.address),
        nodeCount: 1n,
      });
    });

    it("touches neither stake nor payout nor clusters, and makes no manager", async () => {
      const { cluster } = await world().createCluster(await world().actor(1), await world().actor(2));
      for (const [name, args] of [
        ["topUp", [1n, noPermit]],
        ["thaw", [1n]],
        ["cancelThaw", []],
        ["withdraw", [manager.address]],
        ["setPayout", [manager.address, true]],
        ["setManager", [manager.address]],
      ] as const) {
        await assertReverts(write(manager, name, args), "OperatorRegistryNotJoined", [manager.address]);
      }
      const accept = world().write(manager.wallet, "clusters", "accept", [cluster, 100_000]);
      await assertReverts(accept, "ClusterRegistryNotOperator", [manager.address]);
      await assertStake(owner, { stake: 1_000n * 10n ** 18n });
    });

    it("ends when the owner names another or none, and zero manages nothing", async () => {
      const second = await world().actor(50);
      const proof = await world().nodeProof(owner, second);
      const other = await world().actor(61);
      const receipt = await write(owner, "setManager", [other.address]);
      assert.equal(world().events(receipt, "ManagerChanged")[0]?.manager, getAddress(other.address));
      await assertReverts(write(manager, "addNode", [owner.address, proof, ""]), "OperatorRegistryNotManager", [
        owner.address,
        manager.address,
      ]);
      await assertReverts(write(manager, "revokeNode", [node.address]), "OperatorRegistryNotManager");
      await assertReverts(write(manager, "setEndpoint", [node.address, ""]), "OperatorRegistryNotManager");
      await write(owner, "setManager", [zeroAddress]);
      await assertReverts(write(other, "addNode", [owner.address, proof, ""]), "OperatorRegistryNotManager");
      await write(owner, "addNode", [owner.address, proof, ""]);
    });

    it("is no door into another operator", async () => {
      const { operator: rival, node: theirs } = await world().join(5);
      const fresh = await world().actor(50);
      const proof = await world().nodeProof(rival, fresh);
      await assertReverts(write(manager, "addNode", [rival.address, proof, ""]), "OperatorRegistryNotManager");
      await assertReverts(write(manager, "revokeNode", [theirs.address]), "OperatorRegistryNotManager");
      const stranger = await world().actor(40);
      const own = await world().nodeProof(stranger, fresh);
      await assertReverts(write(stranger, "addNode", [stranger.address, own, ""]), "OperatorRegistryNotJoined", [
        stranger.address,
      ]);
      await assertReverts(write(stranger, "setManager", [stranger.address]), "OperatorRegistryNotJoined");
      await assertReverts(write(stranger, "revokeNode", [fresh.address]), "OperatorRegistryKeyUnknown", [
        fresh.address,
      ]);
    });
  });
});
