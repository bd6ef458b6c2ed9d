import assert from "node:assert/strict";
import { getAddress } from "viem";
import { minimumStake, stake, useOperators } from "../support/operators.ts";
import { assertReverts } from "../support/world.ts";

describe("operator registry: joining", () => {
  const { world, write, read, assertStake, permitFor } = useOperators();

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
    const short = { ...request, stake: minimumStake - 1n };
    await assertReverts(write(other, "join", [short]), "OperatorRegistryStakeShort", [minimumStake, minimumStake - 1n]);
    const large = { ...request, stake: 2n ** 96n };
    await assertReverts(write(other, "join", [large]), "OperatorRegistryStakeTooLarge", [2n ** 96n - 1n, 2n ** 96n]);
    await assertReverts(write(other, "join", [request]), "ERC20InsufficientAllowance");
  });

  it("refuses a cluster whose share is above the maximum, or that does not exist", async () => {
    const [owner, balancer, operator, node] = await Promise.all([1, 2, 3, 4].map((index) => world().actor(index)));
    const { cluster } = await world().createCluster(owner!, balancer!, 300_000);
    await world().fundStake(operator!, stake);
    const request = await world().joinRequest(operator!, node!, { cluster });
    await assertReverts(write(operator!, "join", [request]), "ClusterRegistryShareAboveAccepted", [300_000n, 200_000n]);
    await assertReverts(write(operator!, "join", [{ ...request, cluster: 9n }]), "ClusterRegistryUnknown", [9n]);
  });
});
