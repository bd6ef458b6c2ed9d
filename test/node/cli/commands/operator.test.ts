import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clusterAccountOf } from "@leat/sdk/protocol/cluster-account.ts";
import type { NodeKey } from "../../../../node/kernel/keys.ts";
import { formatTime } from "../../../../sdk/base/format-time.ts";
import { deposit, reserve } from "../../../../sdk/client/actions/account.ts";
import { createCluster } from "../../../../sdk/client/actions/cluster.ts";
import { getOperatorStatus } from "../../../../sdk/client/actions/operator.ts";
import { type AnvilChain, openAnvil } from "../../../support/anvil-chain.ts";
import { writeCliSettings } from "../../../support/cli-settings.ts";
import { collectVoucher } from "../../../support/collect-voucher.ts";
import { runLeat } from "../../../support/run-leat.ts";

const lpt = (whole: number) => (BigInt(whole * 10) * 10n ** 17n).toString();

interface Answer {
  readonly code: number;
  readonly answer: Record<string, unknown> & { readonly error?: Readonly<Record<string, string>> };
}

describe("cli/commands operator", function () {
  this.timeout(120_000);
  let anvil: AnvilChain;
  let folder: string;
  let [node, fresh, owner, manager, sponsor] = [] as unknown as NodeKey[];

  before(async () => {
    anvil = await openAnvil({ thawSeconds: 3_600n });
    folder = await mkdtemp(join(tmpdir(), "leat-operator-"));
    [node, fresh, owner, manager, sponsor] = await Promise.all([1, 2, 3, 4, 5].map((index) => anvil.key(index)));
    await writeCliSettings(anvil, folder, { node, fresh, owner, manager, sponsor });
    for (const key of [owner!, sponsor!]) {
      await anvil.mint(anvil.deployment.tokens.LPT, key.address, 500n * 10n ** 18n);
    }
    await createCluster(anvil.client(await anvil.key(6)), { terms: "", balancers: [], sharePpm: 100_000 });
  });
  after(async () => {
    await anvil?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const fileOf = (name: string) => join(folder, `${name}.key`);
  /** In this process: a program of its own for each of forty calls would take minutes. */
  async function leat(as: string, ...args: string[]): Promise<Answer> {
    const argv = ["operator", ...args, "--key", fileOf(as), "--config", join(folder, "leat.json"), "--json"];
    const { code, stdout } = await runLeat(...argv);
    return { code, answer: JSON.parse(stdout) };
  }
  const done = async (as: string, ...args: string[]) => {
    const { code, answer } = await leat(as, ...args);
    assert.equal(code, 0, JSON.stringify(answer));
    return answer;
  };
  const refused = async (wanted: string, as: string, ...args: string[]) => {
    const { code, answer } = await leat(as, ...args);
    assert.deepEqual([code, answer.error?.code], [1, wanted]);
    return answer.error!;
  };
  const status = () => runLeat("operator", "status", "--config", join(folder, "leat.json"));
  const pass = async (seconds: number) => {
    await anvil.testClient.increaseTime({ seconds });
    await anvil.mine(1);
  };

  it("joins, tops up, thaws, changes its mind, and withdraws after the wait", async () => {
    await refused("UNITS_AMOUNT_INVALID", "owner", "join", "a lot", "--endpoint", "https://n.example");
    await refused("CLIENT_BALANCE_SHORT", "owner", "join", "501", "--endpoint", "https://n.example");
    await refused("CLI_ENDPOINT_INVALID", "owner", "join", "150", "--endpoint", "nonsense");
    const joiningNone = ["150", "--endpoint", "https://n.example", "--cluster", "0"];
    await refused("CLIENT_CLUSTER_UNKNOWN", "owner", "join", ...joiningNone);
    for (const command of [
      ["thaw", "1"],
      ["set-payout", manager!.address],
      ["set-manager", manager!.address],
    ]) {
      assert.equal((await refused("CLIENT_OPERATOR_UNKNOWN", "owner", ...command)).account, owner!.address);
    }
    const joining = ["--endpoint", "https://n.example", "--cluster", "1", "--maximum-share", "12.5"];
    const joined = await done("owner", "join", "150", ...joining);
    assert.deepEqual([joined.operator, joined.node, joined.stake], [owner!.address, node!.address, lpt(150)]);
    assert.equal((await done("owner", "top-up", "0.5")).stake, lpt(150.5));
    const thawing = await done("owner", "thaw", "50.5");
    assert.deepEqual([thawing.stake, thawing.thawing, thawing.slashable], [lpt(100), lpt(50.5), lpt(150.5)]);
    assert.equal((await done("owner", "cancel-thaw")).stake, lpt(150.5));
    await done("owner", "thaw", "50.5");
    await refused("CLIENT_RECIPIENT_KEYLESS", "owner", "withdraw", "--to", anvil.deployment.escrow);
    const early = await refused("CLIENT_THAW_RUNNING", "owner", "withdraw");
    assert.equal(early.message, `what thaws is not free before ${formatTime(BigInt(early.endsAt!))}; come back then`);
    await pass(3_601);
    const left = await done("owner", "withdraw", "--to", manager!.address);
    assert.deepEqual([left.stake, left.thawing], [lpt(100), "0"]);
    await done("owner", "leave", "1");
    await done("owner", "accept", "1", "--maximum-share", "10");
    await refused("CLI_USAGE", "owner", "accept", "1", "--maximum-share", "101");
  });

  it("says what there is where more is asked for, and refuses nothing as an amount", async () => {
    const { wanted, found, message } = await refused("CLIENT_STAKE_SHORT", "owner", "thaw", "5000");
    assert.deepEqual([wanted, found], [lpt(5_000), lpt(100)]);
    assert.match(message!, /^100 LPT stand at stake .* 5000 were named; /);
    await refused("CLIENT_THAW_NONE", "owner", "withdraw");
    await refused("CLIENT_THAW_NONE", "owner", "cancel-thaw");
    for (const command of ["thaw", "top-up"]) await refused("UNITS_AMOUNT_ZERO", "owner", command, "0");
    await refused("UNITS_AMOUNT_ZERO", "sponsor", "sponsor", owner!.address, "0");
    const unknown = await refused("CLIENT_CLUSTER_UNKNOWN", "owner", "accept", "77", "--maximum-share", "10");
    assert.deepEqual([unknown.cluster, unknown.count], ["77", "1"]);
    await refused("CLIENT_CLUSTER_UNKNOWN", "owner", "leave", "77");
    const joining = ["--endpoint", "https://n.example"];
    await refused("CLIENT_CLUSTER_UNKNOWN", "sponsor", "join", "150", ...joining, "--cluster", "77");
    const { message: least } = await refused("CLIENT_JOIN_SHORT", "sponsor", "join", "0", ...joining);
    assert.match(least!, /^an operator joins this network with at least 100 LPT, and 0 were named; /);
  });

  it("shows what the escrow credited, and lets the beneficiary alone take it out", async () => {
    const { USDC } = anvil.deployment.tokens;
    const buyer = await anvil.key(7);
    await anvil.mint(USDC, buyer.address, 5_000_000n);
    const channel = { payee: node!.address, token: USDC };
    await deposit(anvil.client(buyer), { token: USDC, amount: 5_000_000n });
    await reserve(anvil.client(buyer), { ...channel, amount: 4_000_000n });
    await collectVoucher(anvil, buyer, { ...channel, total: 3_000_000n });
    const before = (await status()).stdout;
    assert.match(before, new RegExp(`^proceeds  credited in the escrow to ${owner!.address}$`, "m"));
    assert.match(before, /^endpoint {2}https:\/\/n\.example\nclusters {2}1 \(takes 10 % at most\)$/m);
    assert.match(before, /^USDC +3 +1 +3$/m);
    assert.match(before, /"leat operator withdraw-earnings AMOUNT TOKEN --key FILE"/);
    await refused("CLI_EARNINGS_SHORT", "node", "withdraw-earnings", "3", "USDC");
    await refused("CLI_EARNINGS_SHORT", "owner", "withdraw-earnings", "3.000001", "USDC");
    const out = await done("owner", "withdraw-earnings", "2", "USDC");
    assert.deepEqual([out.to, out.wallet, out.pool], [owner!.address, "2000000", "1000000"]);
    assert.equal((await done("owner", "withdraw-earnings", "1", "USDC", "--to", manager!.address)).pool, "0");
    const after = (await status()).stdout;
    assert.match(after, /^USDC +3 +1 +0$/m);
    assert.doesNotMatch(after, /withdraw-earnings/);
  });

  it("takes a sponsor's stake in and gives it back to the sponsor alone", async () => {
    const operator = owner!.address;
    const put = await done("sponsor", "sponsor", operator, "30");
    assert.deepEqual([put.sponsor, put.stake], [sponsor!.address, lpt(30)]);
    assert.equal((await done("sponsor", "thaw-sponsored", operator, "10")).thawing, lpt(10));
    assert.equal((await done("sponsor", "cancel-sponsored-thaw", operator)).thawing, "0");
    await done("sponsor", "thaw-sponsored", operator, "12");
    await pass(3_601);
    await refused("CLIENT_THAW_NONE", "owner", "withdraw-sponsored", operator);
    assert.equal((await done("sponsor", "withdraw-sponsored", operator)).stake, lpt(18));
    await refused("CLI_USAGE", "sponsor", "sponsor", "somebody", "1");
    const found = await getOperatorStatus(anvil.client(owner!), node!.address);
    assert.deepEqual([found?.stake, found?.sponsored], [100n * 10n ** 18n, 18n * 10n ** 18n]);
  });

  it("lets a manager replace a lost key, and nothing else", async () => {
    await done("owner", "set-manager", manager!.address);
    const newKey = ["--node.keyFile", fileOf("fresh")];
    const at = ["--endpoint", "https://new.example"];
    const rotated = await done("manager", "rotate", node!.address, ...at, ...newKey);
    assert.deepEqual([rotated.lost, rotated.node], [node!.address, fresh!.address]);
    await refused("CLIENT_OPERATOR_UNKNOWN", "manager", "thaw", "1");
    await refused("CLIENT_NODE_UNKNOWN", "manager", "rotate", sponsor!.address, ...at, ...newKey);
    for (const command of [
      ["rotate", fresh!.address, "--endpoint", "nonsense", ...newKey],
      ["add-node", "--endpoint", "nonsense"],
      ["set-endpoint", fresh!.address, "nonsense"],
    ]) {
      await refused("CLI_ENDPOINT_INVALID", "manager", ...command);
    }
    await done("manager", "set-endpoint", fresh!.address, "https://moved.example");
    const second = ["--node.keyFile", fileOf("sponsor"), "--operator", owner!.address];
    assert.equal((await done("manager", "add-node", ...at, ...second)).node, sponsor!.address);
    await done("manager", "revoke", sponsor!.address);
    await refused("CLIENT_RECIPIENT_KEYLESS", "owner", "set-payout", anvil.deployment.operatorRegistry);
    await refused("CLIENT_RECIPIENT_KEYLESS", "owner", "set-payout", clusterAccountOf(1n), "--push");
    await done("owner", "set-payout", clusterAccountOf(1n));
    await done("owner", "set-payout", manager!.address, "--push");
    await done("owner", "set-manager", "none");
    await refused("CLIENT_REVERTED", "manager", "revoke", fresh!.address);
    const found = await getOperatorStatus(anvil.client(owner!), fresh!.address);
    assert.deepEqual(
      [found?.nodeActive, found?.beneficiary, found?.pushPayouts, found?.manager],
      [true, manager!.address, true, undefined],
    );
    await done("owner", "leave", "1");
    assert.match((await status()).stdout, new RegExp(`^clusters  none\nproceeds  sent to ${manager!.address}$`, "m"));
  });
});
