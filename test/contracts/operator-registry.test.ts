import assert from "node:assert/strict";
import { getAddress } from "viem";
import { toAddress } from "../../sdk/protocol/hex.ts";
import { permitTypes } from "../../sdk/protocol/permit.ts";
import {
  type Actor,
  assertReverts,
  day,
  never,
  noPermit,
  thawSeconds,
  useWorld,
  zeroAddress,
} from "./support/world.ts";

const lpt = 10n ** 18n;
const minimum = 100n * lpt;
const stake = 1_000n * lpt;

describe("OperatorRegistry", () => {
  const world = useWorld();
  const write = (actor: Actor, name: string, args: readonly unknown[]) =>
    world().write(actor.wallet, "operators", name, args);
  const govern = (name: string, args: readonly unknown[]) => world().write(world().governor, "operators", name, args);
  const read = <T>(name: string, args: readonly unknown[]) => world().read<T>("operators", name, args);

  async function assertStake(operator: Actor, wanted: { stake: bigint; thawing?: bigint; thawEndsAt?: bigint }) {
    const own = { thawing: 0n, thawEndsAt: 0n, ...wanted };
    const sums = { sponsored: 0n, sponsoredThawing: 0n, slashable: own.stake + own.thawing };
    assert.deepEqual(await read("stakeOf", [operator.address]), { ...own, ...sums });
  }

  async function permitFor(actor: Actor, value: bigint, deadline = never) {
    const signature = await actor.wallet.signTypedData({
      account: actor.wallet.account,
      domain: { name: "Livepeer Token", version: "1", chainId: 31337, verifyingContract: world().lpt },
      types: permitTypes,
      primaryType: "Permit",
      message: { owner: actor.address, spender: world().addressOf("operators"), value, nonce: 0n, deadline },
    });
    return {
      deadline,
      v: Number.parseInt(signature.slice(130), 16),
      r: `0x${signature.slice(2, 66)}`,
      s: `0x${signature.slice(66, 130)}`,
    };
  }

  describe("join", () => {
    it("stakes by permit, adds the node, publishes its endpoint and accepts a cluster in one transaction", async () => {
      const [owner, balancer, operator, node] = await Promise.all([1, 2, 3, 4].map((index) => world().actor(index)));
      const { cluster } = await world().createCluster(owner!, balancer!);
      await world().mint(operator!.address, stake, world().lpt);
      const request = await world().joinRequest(operator!, node!, { cluster, pushPayouts: true });
      const receipt = await write(operator!, "join", [{ ...request, permit: await permitFor(operator!, stake) }]);
      await assertStake(operator!, { stake });
      assert.equal(await read("operatorOf", [node!.address]), getAddress(operator!.address));
      assert.equal(await read("isOperator", [operator!.address]), true);
      assert.equal(await read("isActiveNode", [node!.address]), true);
      assert.equal(await read("endpointOf", [node!.address]), "https://node.example/offer");
      const own = getAddress(operator!.address);
      assert.deepEqual(await read("payoutOf", [node!.address]), [own, own, true]);
      assert.equal(await world().read("clusters", "isMember", [cluster, operator!.address]), true);
      assert.equal(await world().balance(world().addressOf("operators"), world().lpt), stake);
      assert.equal(world().events(receipt, "NodeAdded").length, 1);
      assert.equal(world().events(receipt, "OperatorJoined")[0]?.stake, stake);
    });

    it("works although somebody else used the permit first", async () => {
      const [operator, node, other] = await Promise.all([3, 4, 5].map((index) => world().actor(index)));
      await world().mint(operator!.address, stake, world().lpt);
      const permit = await permitFor(operator!, stake);
      const { deadline, v, r, s } = permit;
      const args = [operator!.address, world().addressOf("operators"), stake, deadline, v, r, s];
      await world().write(other!.wallet, "token", "permit", args, world().lpt);
      await write(operator!, "join", [{ ...(await world().joinRequest(operator!, node!)), permit }]);
      assert.equal(await read("isOperator", [operator!.address]), true);
    });

    it("sends proceeds to the beneficiary that it names", async () => {
      const { operator, node } = await world().join(3, { beneficiary: `0x${"be".repeat(20)}` });
      assert.deepEqual(await read("payoutOf", [node.address]), [
        getAddress(operator.address),
        getAddress(`0x${"be".repeat(20)}`),
        false,
      ]);
    });

    it("refuses a second time, too little, too much, and stake that is not there", async () => {
      const { operator } = await world().join(3);
      const fresh = await world().actor(6);
      const again = await world().joinRequest(operator, fresh);
      await assertReverts(write(operator, "join", [again]), "OperatorRegistryAlreadyJoined", [operator.address]);
      const other = await world().actor(7);
      const request = await world().joinRequest(other, fresh);
      const short = { ...request, stake: minimum - 1n };
      await assertReverts(write(other, "join", [short]), "OperatorRegistryStakeShort", [minimum, minimum - 1n]);
      const large = { ...request, stake: 2n ** 96n };
      await assertReverts(write(other, "join", [large]), "OperatorRegistryStakeTooLarge", [2n ** 96n - 1n, 2n ** 96n]);
      await assertReverts(write(other, "join", [request]), "ERC20InsufficientAllowance");
    });

    it("refuses a cluster whose share is above the maximum, or that does not exist", async () => {
      const [owner, balancer, operator, node] = await Promise.all([1, 2, 3, 4].map((index) => world().actor(index)));
      const { cluster } = await world().createCluster(owner!, balancer!, 300_000);
      await world().fundStake(operator!, stake);
      const request = await world().joinRequest(operator!, node!, { cluster });
      await assertReverts(write(operator!, "join", [request]), "ClusterRegistryShareAboveAccepted", [
        300_000n,
        200_000n,
      ]);
      await assertReverts(write(operator!, "join", [{ ...request, cluster: 9n }]), "ClusterRegistryUnknown", [9n]);
    });
  });

  describe("node keys", () => {
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

  describe("stake", () => {
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

    it("is slashed by the slasher alone, the thawing part in proportion", async () => {
      const { operator } = await world().join(3);
      const slasher = await world().actor(41);
      await assertReverts(write(slasher, "slash", [operator.address, 1n]), "OperatorRegistryNotSlasher", [
        zeroAddress,
        slasher.address,
      ]);
      await assertReverts(govern("setSlasher", [zeroAddress]), "OperatorRegistryAddressZero");
      await govern("setSlasher", [slasher.address]);
      await assertReverts(govern("setSlasher", [operator.address]), "OperatorRegistrySlasherSet", [slasher.address]);
      await assertReverts(write(operator, "slash", [operator.address, 1n]), "OperatorRegistryNotSlasher");
      await write(operator, "thaw", [(stake * 3n) / 4n]);
      const endsAt = (await world().now()) + thawSeconds;
      await write(slasher, "slash", [operator.address, stake / 10n]);
      const left = { stake: (stake * 9n) / 40n, thawing: (stake * 27n) / 40n, thawEndsAt: endsAt };
      await assertStake(operator, left);
      await write(slasher, "slash", [operator.address, 2n * stake]);
      assert.equal(await world().balance(slasher.address, world().lpt), stake);
      await world().wait(thawSeconds);
      await assertReverts(write(operator, "withdraw", [operator.address]), "OperatorRegistryThawNone");
    });
  });

  describe("governance", () => {
    it("sets the minimum within its bound, for those who join from then on", async () => {
      const { operator } = await world().join(3);
      await govern("setMinimumStake", [2n * stake]);
      assert.equal(await read("minimumStake", []), 2n * stake);
      assert.equal(await read("isOperator", [operator.address]), true);
      await assertReverts(world().join(5), "OperatorRegistryStakeShort");
      await assertReverts(govern("setMinimumStake", [100_001n * lpt]), "OperatorRegistryMinimumTooLarge");
    });

    it("pauses promises and nothing else", async () => {
      const { operator, node } = await world().join(3);
      await write(operator, "thaw", [10n]);
      await govern("pause", []);
      await assertReverts(world().join(5), "EnforcedPause");
      await assertReverts(
        write(operator, "addNode", [operator.address, await world().nodeProof(operator, node), ""]),
        "EnforcedPause",
      );
      await assertReverts(write(operator, "topUp", [1n, noPermit]), "EnforcedPause");
      await world().wait(thawSeconds);
      await write(operator, "withdraw", [operator.address]);
      await write(operator, "thaw", [10n]);
      await write(operator, "cancelThaw", []);
      await write(operator, "setPayout", [zeroAddress, true]);
      await write(operator, "revokeNode", [node.address]);
      await govern("unpause", []);
      await world().join(5);
    });

    it("obeys nobody else", async () => {
      const stranger = await world().actor(40);
      for (const [name, args] of [
        ["setMinimumStake", [1n]],
        ["setSlasher", [stranger.address]],
        ["pause", []],
      ] as const) {
        await assertReverts(write(stranger, name, args), "AccessManagedUnauthorized", [stranger.address]);
      }
    });
  });
});
