import assert from "node:assert/strict";
import { getAddress } from "viem";
import { createDomain } from "../../sdk/protocol/eip712.ts";
import { nodePossessionStructure } from "../../sdk/protocol/signed.ts";
import { toCompactSignature } from "../../sdk/protocol/statements.ts";
import {
  type Actor,
  assertReverts,
  type Contract,
  day,
  never,
  noPermit,
  thawSeconds,
  useWorld,
} from "./support/world.ts";

/** An indexer knows nothing but events: each change says what is then true. */
describe("events", () => {
  const world = useWorld();

  async function assertEvent(
    call: [from: Actor | undefined, contract: Contract, name: string, args: readonly unknown[]],
    eventName: string,
    wanted: Record<string, unknown>,
  ) {
    const [from, contract, name, args] = call;
    const receipt = await world().write(from?.wallet ?? world().governor, contract, name, args);
    const found = world().events(receipt, eventName);
    assert.equal(found.length, 1, eventName);
    const read = Object.fromEntries(Object.keys(wanted).map((field) => [field, found[0]![field]] as const));
    assert.deepEqual(read, wanted, eventName);
  }

  it("tell what happens to an operator", async () => {
    const { operator: actor, node } = await world().join(3);
    const operator = getAddress(actor.address);
    const slasher = await world().actor(41);
    const stake = 1_000n * 10n ** 18n;
    await world().fundStake(actor, 5n);
    await assertEvent([actor, "operators", "topUp", [5n, noPermit]], "StakeAdded", {
      operator,
      amount: 5n,
      stake: stake + 5n,
    });
    await assertEvent([actor, "operators", "thaw", [7n]], "StakeThawStarted", { operator, amount: 7n, thawing: 7n });
    await assertEvent([actor, "operators", "cancelThaw", []], "StakeThawCanceled", { operator, amount: 7n });
    await world().write(actor.wallet, "operators", "thaw", [9n]);
    await world().wait(thawSeconds);
    const to = getAddress(slasher.address);
    await assertEvent([actor, "operators", "withdraw", [to]], "StakeWithdrawn", { operator, to, amount: 9n });
    await assertEvent([undefined, "operators", "setSlasher", [to]], "SlasherSet", { slasher: to });
    await assertEvent([slasher, "operators", "slash", [operator, 3n]], "StakeSlashed", {
      operator,
      amount: 3n,
      slasher: to,
    });
    const payout = { operator, beneficiary: to, pushPayouts: true };
    await assertEvent([actor, "operators", "setPayout", [to, true]], "PayoutChanged", payout);
    const moved = { node: getAddress(node.address), endpoint: "x" };
    await assertEvent([actor, "operators", "setEndpoint", [node.address, "x"]], "NodeEndpointChanged", moved);
    await assertEvent([actor, "operators", "revokeNode", [node.address]], "NodeRevoked", {
      operator,
      node: moved.node,
    });
    await assertEvent([undefined, "operators", "setMinimumStake", [8n]], "MinimumStakeChanged", { minimumStake: 8n });
  });

  it("tell what happens to a cluster", async () => {
    const [owner, balancer, heir] = [await world().actor(1), await world().actor(2), await world().actor(42)];
    const account = await world().read("clusters", "accountOf", [1n]);
    const created = { cluster: 1n, owner: getAddress(owner.address), account };
    await assertEvent([owner, "clusters", "create", ["t", 0, 0, 5, []]], "ClusterCreated", created);
    const { operator } = await world().join(3);
    const member = { cluster: 1n, operator: getAddress(operator.address) };
    const proof = await world().balancerProof(1n, owner, balancer);
    const key = { cluster: 1n, balancer: getAddress(balancer.address) };
    await assertEvent([owner, "clusters", "addBalancer", [1n, proof]], "BalancerAdded", key);
    await assertEvent([owner, "clusters", "removeBalancer", [1n, balancer.address]], "BalancerRemoved", key);
    await assertEvent([owner, "clusters", "setTerms", [1n, "u"]], "ClusterTermsChanged", { cluster: 1n, terms: "u" });
    const access = { cluster: 1n, visibility: 1, admission: 1 };
    await assertEvent([owner, "clusters", "setAccess", [1n, 1, 1]], "ClusterAccessChanged", access);
    await assertEvent([owner, "clusters", "setShare", [1n, 4]], "ClusterShareChanged", { cluster: 1n, sharePpm: 4 });
    const accepted = { ...member, maximumSharePpm: 6, approved: false };
    await assertEvent([operator, "clusters", "accept", [1n, 6]], "MemberAccepted", accepted);
    const approval = [1n, operator.address, true];
    await assertEvent([owner, "clusters", "setApproval", approval], "MemberApprovalChanged", {
      ...member,
      approved: true,
    });
    await assertEvent([operator, "clusters", "leaveCluster", [1n]], "MemberLeft", member);
    const transfer = { cluster: 1n, newOwner: getAddress(heir.address) };
    await assertEvent([owner, "clusters", "startTransfer", [1n, heir.address]], "ClusterTransferStarted", transfer);
    await assertEvent([owner, "clusters", "cancelTransfer", [1n]], "ClusterTransferCanceled", { cluster: 1n });
    await world().write(owner.wallet, "clusters", "startTransfer", [1n, heir.address]);
    await world().wait(thawSeconds + day);
    const transferred = { ...transfer, oldOwner: getAddress(owner.address) };
    await assertEvent([heir, "clusters", "acceptTransfer", [1n]], "ClusterTransferred", transferred);
  });

  it("tell what happens to money", async () => {
    const [buyer, other] = [await world().actor(20), await world().actor(21)];
    const [payer, payee, token] = [getAddress(buyer.address), getAddress(other.address), getAddress(world().usdc)];
    await world().deposit(buyer, 100n);
    const key = [0n, payee, token, 0n, 0];
    const { id: channel } = await world().channel(world().key(buyer.address, other.address));
    const reserved = { payer, payee, token, channel, cluster: 0n, clusterPpm: 0, amount: 60n, reserve: 60n };
    await assertEvent([buyer, "escrow", "reserve", [...key, 60n]], "Reserved", reserved);
    const thawing = { payer, payee, channel, thawing: 20n };
    await assertEvent([buyer, "escrow", "thaw", [...key, 20n]], "ReserveThawStarted", thawing);
    await assertEvent([buyer, "escrow", "cancelThaw", key], "ReserveThawCanceled", {
      payer,
      payee,
      channel,
      amount: 20n,
    });
    const withdrawn = { token, account: payer, to: payee, amount: 40n };
    await assertEvent([buyer, "escrow", "withdraw", [0n, token, 40n, payee]], "Withdrawn", withdrawn);
    await assertEvent([undefined, "escrow", "setTokenAllowed", [token, false]], "TokenAllowed", {
      token,
      allowed: false,
    });
    await assertEvent([undefined, "escrow", "setTreasury", [payee]], "TreasuryChanged", { treasury: payee });
  });

  it("would tell nothing false of stake that did not arrive", async () => {
    const token = await world().deploy("mocks/TrickyToken.sol/TrickyToken.json");
    const { accessManager, clusterRegistry, chainId } = world().chain.deployment;
    const args = [accessManager, token, clusterRegistry, thawSeconds, 0n];
    const registry = await world().deploy("OperatorRegistry.sol/OperatorRegistry.json", args);
    const [operator, node] = [await world().actor(30), await world().actor(1_030)];
    const value = { operator: operator.address, node: node.address, validUntil: never };
    const signature = await node.signer.sign(nodePossessionStructure, createDomain(chainId, registry), value);
    const proof = { node: node.address, validUntil: never, ...toCompactSignature(signature) };
    const request = { ...(await world().joinRequest(operator, node)), stake: 1_000n, node: proof };
    await world().mint(operator.address, 1_000n, token);
    await world().write(operator.wallet, "token", "approve", [registry, 1_000n], token);
    const takesFee = [
      { type: "function", name: "setMode", stateMutability: "nonpayable", inputs: [{ type: "uint8" }], outputs: [] },
    ];
    const hash = await world().governor.writeContract({
      address: token,
      abi: takesFee,
      functionName: "setMode",
      args: [1],
    });
    await world().chain.publicClient.waitForTransactionReceipt({ hash });
    const join = world().write(operator.wallet, "operators", "join", [request], registry);
    await assertReverts(join, "OperatorRegistryTransferShort", [1_000n, 990n]);
  });
});
