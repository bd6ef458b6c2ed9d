import assert from "node:assert/strict";
import type { NodeKey } from "../../../../node/kernel/keys.ts";
import {
  acceptTransfer,
  addBalancer,
  cancelTransfer,
  createCluster,
  getCluster,
  getClusterAccount,
  removeBalancer,
  setAccess,
  setShare,
  setTerms,
  startTransfer,
} from "../../../../sdk/client/actions/cluster.ts";
import {
  acceptCluster,
  acceptMember,
  getMembership,
  leaveCluster,
  listMembers,
  listMemberships,
  refuseMember,
} from "../../../../sdk/client/actions/memberships.ts";
import { joinOperator } from "../../../../sdk/client/actions/operator.ts";
import type { LeatClient } from "../../../../sdk/client/create-client.ts";
import { type AnvilChain, openAnvil } from "../../../support/anvil-chain.ts";

describe("client/actions cluster", function () {
  this.timeout(60_000);
  let anvil: AnvilChain;
  let client: LeatClient;
  let operator: NodeKey;
  let balancer: NodeKey;
  let cluster: bigint;
  before(async () => {
    anvil = await openAnvil();
    client = anvil.client(await anvil.key(1));
    [operator, balancer] = await Promise.all([anvil.key(2), anvil.key(3)]);
    await anvil.mint(anvil.deployment.tokens.LPT, operator.address, 100n * 10n ** 18n);
    const stake = 100n * 10n ** 18n;
    await joinOperator(anvil.client(operator), { stake, node: operator.signer, endpoint: "https://n.example" });
    cluster = (await createCluster(client, { terms: "", balancers: [] })).cluster;
  });
  after(() => anvil?.close());

  const refusal = async (acting: Promise<unknown>) => {
    const { detail } = await acting.then(
      () => assert.fail("it was not refused"),
      (error) => error,
    );
    return detail;
  };

  it("says that there is no such cluster before anything is signed or sent", async () => {
    for (const id of [0n, 2n, 10n ** 78n]) {
      const of = { cluster: id };
      const key = { ...of, operator: operator.address };
      for (const act of [
        () => getCluster(client, id),
        () => getClusterAccount(client, id),
        () => addBalancer(client, { ...of, balancer: balancer.signer }),
        () => removeBalancer(client, { ...of, balancer: balancer.address }),
        () => setShare(client, { ...of, sharePpm: 1 }),
        () => setAccess(client, { ...of, listed: true, approval: true }),
        () => setTerms(client, { ...of, terms: "" }),
        () => startTransfer(client, { ...of, newOwner: operator.address }),
        () => cancelTransfer(client, id),
        () => acceptTransfer(client, id),
        () => acceptMember(client, key),
        () => refuseMember(client, key),
        () => getMembership(client, key),
        () => listMembers(client, id),
        () => acceptCluster(client, { ...of, maximumSharePpm: 0 }),
        () => leaveCluster(client, id),
      ]) {
        assert.deepEqual(await refusal(act()), { code: "CLIENT_CLUSTER_UNKNOWN", cluster: id, count: 1n }, `${act}`);
      }
    }
  });

  it("says how much of a share and of terms the registry takes", async () => {
    const share = { code: "CLIENT_SHARE_TOO_LARGE", maximumPpm: 1_000_000n, foundPpm: 1_000_001n };
    assert.deepEqual(await refusal(setShare(client, { cluster, sharePpm: 1_000_001 })), share);
    const input = { terms: "", balancers: [], sharePpm: 1_000_001 };
    assert.deepEqual(await refusal(createCluster(client, input)), share);
    const long = "ä".repeat(257);
    const terms = { code: "CLIENT_TERMS_TOO_LONG", maximumBytes: 512n, foundBytes: 514n };
    assert.deepEqual(await refusal(setTerms(client, { cluster, terms: long })), terms);
    assert.deepEqual(await refusal(createCluster(client, { terms: long, balancers: [] })), terms);
  });

  it("tells members from those that left, and one cluster's from another's", async () => {
    const joining = anvil.client(operator);
    const of = { cluster, operator: operator.address };
    await acceptCluster(joining, { cluster, maximumSharePpm: 7 });
    const { cluster: other } = await createCluster(client, { terms: "", balancers: [] });
    const member = { ...of, accepted: true, approved: true, refused: false, maximumSharePpm: 7 };
    assert.deepEqual(await listMembers(client, cluster), [member]);
    assert.deepEqual(await listMembers(client, other), []);
    const membership = { cluster, approved: true, maximumSharePpm: 7 };
    assert.deepEqual(await listMemberships(client, operator.address), [membership]);
    assert.deepEqual(await listMemberships(client, balancer.address), []);
    await leaveCluster(joining, cluster);
    assert.deepEqual(await listMembers(client, cluster), []);
    assert.deepEqual(await getMembership(client, of), {
      ...member,
      accepted: false,
      approved: false,
      maximumSharePpm: 0,
    });
    assert.deepEqual(await refusal(leaveCluster(joining, cluster)), { code: "CLIENT_MEMBER_UNKNOWN", ...of });
  });
});
