import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NodeKey } from "../../../../node/kernel/keys.ts";
import { formatTime } from "../../../../sdk/base/format-time.ts";
import { joinOperator } from "../../../../sdk/client/actions/operator.ts";
import { clusterAccountOf } from "../../../../sdk/protocol/cluster-account.ts";
import { type AnvilChain, openAnvil } from "../../../support/anvil-chain.ts";
import { writeCliSettings } from "../../../support/cli-settings.ts";
import { runLeat } from "../../../support/run-leat.ts";

const HOUR = 3_600;
const DAY = 86_400;
const usdc = (whole: number) => String(whole * 1_000_000);

type Facts = Readonly<Record<string, unknown>>;

describe("cli/commands cluster", function () {
  this.timeout(120_000);
  let anvil: AnvilChain;
  let folder: string;
  let [node, owner, balancer, second, operator, heir] = [] as unknown as NodeKey[];

  before(async () => {
    anvil = await openAnvil({ thawSeconds: BigInt(HOUR) });
    folder = await mkdtemp(join(tmpdir(), "leat-cluster-"));
    [node, owner, balancer, second, operator, heir] = await Promise.all([1, 2, 3, 4, 5, 6].map((at) => anvil.key(at)));
    await writeCliSettings(anvil, folder, { node, owner, balancer, second, operator, heir });
    const { LPT, USDC } = anvil.deployment.tokens;
    await anvil.mint(LPT, operator!.address, 200n * 10n ** 18n);
    await anvil.mint(USDC, owner!.address, 10_000_000n);
    const joining = { stake: 150n * 10n ** 18n, node: node!.signer, endpoint: "https://n.example" };
    await joinOperator(anvil.client(operator!), joining);
  });
  after(async () => {
    await anvil?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const fileOf = (name: string) => join(folder, `${name}.key`);
  const withSettings = (args: readonly string[]) => [...args, "--config", join(folder, "leat.json")];
  const done = async (as: string, ...args: string[]): Promise<Facts> => {
    const { code, stdout } = await runLeat(...withSettings(["cluster", ...args, "--key", fileOf(as)]), "--json");
    assert.equal(code, 0, stdout);
    return JSON.parse(stdout);
  };
  const refused = async (wanted: string, as: string, ...args: string[]) => {
    const { code, stdout } = await runLeat(...withSettings(["cluster", ...args, "--key", fileOf(as)]), "--json");
    const { error } = JSON.parse(stdout) as { error: Record<string, string> };
    assert.deepEqual([code, error?.code], [1, wanted], args.join(" "));
    return error;
  };
  /** Without any key: what stands on chain is anybody's to read. */
  const seen = async (id = "1"): Promise<Facts> => {
    const nobody = ["--node.keyFile", join(folder, "none.key")];
    const { code, stdout } = await runLeat(...withSettings(["cluster", "show", id, ...nobody]), "--json");
    assert.equal(code, 0, stdout);
    return JSON.parse(stdout);
  };
  const told = async (id = "1") => (await runLeat(...withSettings(["cluster", "show", id]))).stdout;
  const pass = async (seconds: number) => {
    await anvil.testClient.increaseTime({ seconds });
    await anvil.mine(1);
  };
  const accept = async (as: string, id: string) => {
    const words = ["operator", "accept", id, "--maximum-share", "20", "--key", fileOf(as)];
    const { stdout } = await runLeat(...withSettings(words), "--json");
    return JSON.parse(stdout) as { readonly error?: Facts };
  };

  it("creates a cluster, with the keys that sign for it, and shows it", async () => {
    const terms = ["--terms", "https://video.example/terms"];
    await refused("CLI_USAGE", "owner", "create");
    await refused("CLI_TERMS_INVALID", "owner", "create", "--terms", "nonsense");
    await refused("CLI_TERMS_INVALID", "owner", "create", "--terms", `https://video.example/${"a".repeat(512)}`);
    await refused("CLI_USAGE", "owner", "create", ...terms, "--share", "100.1");
    await refused("KEY_FILE_MISSING", "owner", "create", ...terms, "--balancer-key", fileOf("nobody"));
    await refused("CLI_USAGE", "owner", "create", ...terms, "--balancer-key", "--approval");
    const twice = ["--balancer-key", fileOf("balancer"), "--balancer-key", fileOf("balancer")];
    const used = await refused("CLIENT_BALANCER_TWICE", "owner", "create", ...terms, ...twice);
    assert.equal(used.balancer, balancer!.address);
    const { stdout: none } = await runLeat(...withSettings(["cluster", "show", "1"]), "--json");
    assert.deepEqual([JSON.parse(none).error.code, JSON.parse(none).error.count], ["CLIENT_CLUSTER_UNKNOWN", "0"]);
    const keys = ["--balancer-key", fileOf("balancer"), "--balancer-key", fileOf("second")];
    const made = await done("owner", "create", ...terms, ...keys, "--share", "10", "--approval", "--unlisted");
    const account = clusterAccountOf(1n);
    assert.deepEqual([made.cluster, made.account, made.owner], ["1", account, owner!.address]);
    const { tokens, ...facts } = await seen();
    assert.deepEqual(facts, {
      cluster: "1",
      account,
      owner: owner!.address,
      listed: false,
      approval: true,
      sharePpm: 100_000,
      nextShare: null,
      terms: terms[1],
      balancers: [balancer!.address, second!.address],
      transfer: null,
      members: [],
      reserves: [],
    });
    assert.deepEqual(
      (tokens as Facts[]).map(({ name, pool }) => [name, pool]),
      [
        ["LPT", "0"],
        ["USDC", "0"],
      ],
    );
    assert.match(await told(), /^cluster {4}1, unlisted, for operators that its owner approves$/m);
    assert.match(
      await told(),
      new RegExp(`^balancers {2}${balancer!.address}, ${second!.address}\ntransfer {3}none$`, "m"),
    );
    await done("heir", "create", ...terms);
    const { listed, approval, sharePpm, balancers } = await seen("2");
    assert.deepEqual([listed, approval, sharePpm, balancers], [true, false, 0, []]);
  });

  it("lets operators in and keeps them out, and says who waits", async () => {
    const members = async () =>
      ((await seen()).members as Facts[]).map((one) => [one.operator, one.approved, one.refused, one.maximumSharePpm]);
    await accept("operator", "1");
    assert.deepEqual(await members(), [[operator!.address, false, false, 200_000]]);
    assert.match(await told(), new RegExp(`^${operator!.address} +no: waits for the owner +20 %$`, "m"));
    const approved = await done("owner", "approve", "1", operator!.address);
    assert.deepEqual([approved.accepted, approved.approved], [true, true]);
    assert.deepEqual(await members(), [[operator!.address, true, false, 200_000]]);
    const out = await done("owner", "refuse", "1", operator!.address);
    assert.deepEqual([out.approved, out.refused], [false, true]);
    const kept = (await accept("operator", "1")).error!;
    assert.deepEqual([kept.code, kept.operator], ["CLIENT_MEMBER_REFUSED", operator!.address]);
    for (const way of ["approve", "refuse"]) {
      const { operator: whose } = await refused("CLIENT_MEMBER_IS_NODE", "owner", way, "1", node!.address);
      assert.equal(whose, operator!.address);
    }
    const early = await done("owner", "approve", "1", heir!.address);
    assert.deepEqual([early.accepted, early.approved], [false, true]);
    const { owner: whose, account } = await refused("CLIENT_CLUSTER_NOT_OWNER", "heir", "approve", "1", heir!.address);
    assert.deepEqual([whose, account], [owner!.address, heir!.address]);
    await refused("CLIENT_CLUSTER_UNKNOWN", "owner", "refuse", "77", operator!.address);
    await refused("CLI_USAGE", "owner", "approve", "1", "somebody");
    assert.equal((await accept("heir", "1")).error?.code, "CLIENT_OPERATOR_UNKNOWN");
    await done("owner", "approve", "1", operator!.address);
  });

  it("adds and ends balancer keys, each once for ever and no more than the contract takes", async () => {
    const key = (name: string) => ["--balancer-key", fileOf(name)];
    const left = await done("owner", "remove-balancer", "1", second!.address);
    assert.deepEqual(left.balancers, [balancer!.address]);
    const gone = await refused("CLIENT_BALANCER_UNKNOWN", "owner", "remove-balancer", "1", second!.address);
    assert.deepEqual([gone.cluster, gone.balancer], ["1", second!.address]);
    await refused("CLIENT_BALANCER_USED", "owner", "add-balancer", "1", ...key("second"));
    await refused("CLIENT_BALANCER_USED", "owner", "add-balancer", "1", ...key("balancer"));
    const more = await done("owner", "add-balancer", "1", ...key("node"));
    assert.deepEqual(more.balancers, [balancer!.address, node!.address]);
    await refused("CLIENT_CLUSTER_NOT_OWNER", "balancer", "add-balancer", "1", ...key("heir"));
    await refused("CLIENT_CLUSTER_UNKNOWN", "owner", "add-balancer", "77", ...key("heir"));
    const many = await Promise.all(Array.from({ length: 33 }, (_, at) => anvil.key(100 + at)));
    const names = Object.fromEntries(many.map((one, at) => [`many-${at}`, one]));
    await writeCliSettings(anvil, folder, { node, ...names });
    const flags = Object.keys(names).flatMap(key);
    const most = await refused(
      "CLIENT_BALANCERS_TOO_MANY",
      "owner",
      "create",
      "--terms",
      "https://t.example",
      ...flags,
    );
    assert.equal(most.maximum, "32");
    const whole = await done("owner", "create", "--terms", "https://t.example", ...flags.slice(2));
    assert.deepEqual([whole.cluster, (whole.balancers as string[]).length], ["3", 32]);
    await refused("CLIENT_BALANCERS_TOO_MANY", "owner", "add-balancer", "3", ...key("many-0"));
    await done("owner", "remove-balancer", "3", many[32]!.address);
    assert.equal(((await done("owner", "add-balancer", "3", ...key("many-0"))).balancers as string[]).length, 32);
  });

  it("raises its share after a notice and lowers it at once", async () => {
    const raised = await done("owner", "share", "1", "12.5");
    const next = raised.nextShare as { readonly sharePpm: number; readonly at: string };
    assert.deepEqual([raised.sharePpm, next.sharePpm], [100_000, 125_000]);
    const { timestamp } = await anvil.client(owner!).publicClient.getBlock();
    assert.equal(BigInt(next.at), timestamp + BigInt(HOUR));
    const line = `share      10 % of a payment, 12.5 % from ${formatTime(BigInt(next.at))} on`;
    assert.ok((await told()).includes(line));
    await pass(HOUR);
    const later = await seen();
    assert.deepEqual([later.sharePpm, later.nextShare], [125_000, null]);
    const lowered = await done("owner", "share", "1", "5");
    assert.deepEqual([lowered.sharePpm, lowered.nextShare], [50_000, null]);
    await refused("CLI_USAGE", "owner", "share", "1", "101");
    await refused("CLIENT_CLUSTER_NOT_OWNER", "heir", "share", "1", "1");
    await done("owner", "share", "3", "30");
    await pass(HOUR);
    const { error } = await accept("operator", "3");
    assert.deepEqual(
      [error?.code, error?.sharePpm, error?.acceptedPpm],
      ["CLIENT_SHARE_ABOVE_ACCEPTED", "300000", "200000"],
    );
    assert.match(String(error?.message), /^the cluster asks 30 % of pay, and 20 % would be accepted; /);
  });

  it("changes who finds it and who comes in, each without the other, and its terms", async () => {
    const access = async (...flags: string[]) => {
      const { listed, approval } = await done("owner", "access", "1", ...flags);
      return [listed, approval];
    };
    assert.deepEqual(await access("--open"), [false, false]);
    assert.deepEqual(await access("--listed"), [true, false]);
    assert.deepEqual(await access("--approval"), [true, true]);
    assert.deepEqual(await access("--unlisted", "--open"), [false, false]);
    await refused("CLI_USAGE", "owner", "access", "1");
    await refused("CLI_USAGE", "owner", "access", "1", "--open", "--approval");
    await refused("CLIENT_CLUSTER_NOT_OWNER", "heir", "access", "1", "--listed");
    assert.equal((await done("owner", "terms", "1", "https://new.example")).terms, "https://new.example");
    await refused("CLI_TERMS_INVALID", "owner", "terms", "1", "https://me:secret@new.example");
  });

  it("pays its members from its own account, and brings money back to its owner alone", async () => {
    const account = clusterAccountOf(1n);
    const to = ["--payee", node!.address];
    await refused("CLIENT_CLUSTER_NOT_BALANCER", "owner", "deposit", "2", "1", "USDC");
    await refused("CLIENT_CLUSTER_UNKNOWN", "owner", "deposit", "77", "1", "USDC");
    await refused("UNITS_AMOUNT_ZERO", "owner", "deposit", "1", "0", "USDC");
    await refused("CLI_PAYEE_UNKNOWN", "owner", "deposit", "1", "1", "USDC", "--payee", heir!.address);
    const { deposited, amount, ...paid } = await done("owner", "deposit", "1", "4", "USDC");
    assert.deepEqual([paid.account, amount, typeof deposited], [account, usdc(4), "string"]);
    assert.equal((await done("owner", "deposit", "1", "2", "USDC", ...to)).payee, node!.address);
    assert.equal((await done("owner", "deposit", "2", "1", "USDC", "--force")).account, clusterAccountOf(2n));
    const forcedPayee = ["deposit", "2", "1", "USDC", ...to, "--force"];
    await refused("CLIENT_CLUSTER_NOT_BALANCER", "owner", ...forcedPayee);
    const money = async (as: string, ...args: string[]) => {
      const { reserve, thawing, pool, account: whose } = await done(as, ...args, ...to);
      assert.equal(whose, account);
      return [reserve, thawing, pool];
    };
    assert.deepEqual(await money("balancer", "reserve", "1", "1", "USDC"), [usdc(3), "0", usdc(3)]);
    await refused("CLI_PAYEE_UNKNOWN", "owner", "reserve", "1", "1", "USDC", "--payee", heir!.address);
    await refused("CLI_USAGE", "owner", "reserve", "1", "1", "USDC");
    await refused("CLIENT_CLUSTER_NOT_BALANCER", "heir", "reserve", "1", "1", "USDC", ...to);
    await refused("CLIENT_CLUSTER_NOT_BALANCER", "second", "thaw", "1", "1", "USDC", ...to);
    await refused("CLIENT_POOL_SHORT", "owner", "reserve", "1", "99", "USDC", ...to);
    assert.deepEqual(await money("owner", "thaw", "1", "2", "USDC"), [usdc(1), usdc(2), usdc(3)]);
    assert.deepEqual(await money("owner", "cancel-thaw", "1", "USDC"), [usdc(3), "0", usdc(3)]);
    const words = ["cluster", "thaw", "1", "2", "USDC", ...to, "--key", fileOf("owner")];
    const { stdout } = await runLeat(...withSettings(words));
    assert.ok(stdout.includes(`(then "leat cluster release 1 USDC --payee ${node!.address}")`), stdout);
    await refused("CLIENT_THAW_RUNNING", "owner", "release", "1", "USDC", ...to);
    assert.match(await told(), new RegExp(`^USDC +3\n\n.*\n${node!.address} +- +USDC +1 +2 until .* +0$`, "m"));
    await pass(HOUR + 1);
    assert.deepEqual(await money("balancer", "release", "1", "USDC"), [usdc(1), "0", usdc(5)]);
    await refused("CLIENT_CLUSTER_NOT_OWNER", "balancer", "withdraw", "1", "1", "USDC");
    await refused("CLIENT_RECIPIENT_KEYLESS", "owner", "withdraw", "1", "1", "USDC", "--to", account);
    const out = await done("owner", "withdraw", "1", "4.5", "USDC");
    assert.deepEqual([out.account, out.to, out.pool, out.wallet], [account, owner!.address, usdc(0.5), usdc(7.5)]);
    const elsewhere = await done("owner", "withdraw", "1", "0.25", "USDC", "--to", heir!.address);
    assert.deepEqual([elsewhere.to, elsewhere.pool], [heir!.address, usdc(0.25)]);
  });

  it("changes hands after a wait and within a window, or not at all", async () => {
    await refused("CLIENT_TRANSFER_NONE", "owner", "cancel-transfer", "1");
    await refused("CLIENT_TRANSFER_NONE", "heir", "take-over", "1");
    await refused("CLIENT_CLUSTER_UNKNOWN", "heir", "take-over", "77");
    await refused("CLIENT_CLUSTER_NOT_OWNER", "heir", "transfer", "1", heir!.address);
    await done("owner", "transfer", "1", second!.address);
    assert.equal((await done("owner", "cancel-transfer", "1")).transfer, null);
    const begun = await done("owner", "transfer", "1", heir!.address);
    const { newOwner, opensAt, endsAt } = begun.transfer as Record<string, string>;
    const { timestamp } = await anvil.client(owner!).publicClient.getBlock();
    assert.deepEqual(
      [newOwner, BigInt(opensAt!) - timestamp, BigInt(endsAt!) - BigInt(opensAt!)],
      [heir!.address, BigInt(HOUR + DAY), BigInt(30 * DAY)],
    );
    const window = `from ${formatTime(BigInt(opensAt!))} to ${formatTime(BigInt(endsAt!))}`;
    assert.ok((await told()).includes(`transfer   ${heir!.address} may take it over ${window}`));
    assert.equal((await refused("CLIENT_TRANSFER_EARLY", "heir", "take-over", "1")).opensAt, opensAt);
    const other = await refused("CLIENT_TRANSFER_OF_ANOTHER", "second", "take-over", "1");
    assert.deepEqual([other.newOwner, other.account], [heir!.address, second!.address]);
    await pass(HOUR + 31 * DAY + 1);
    assert.equal((await refused("CLIENT_TRANSFER_LATE", "heir", "take-over", "1")).endedAt, endsAt);
    await done("owner", "transfer", "1", heir!.address);
    await pass(HOUR + DAY);
    const taken = await done("heir", "take-over", "1");
    assert.deepEqual([taken.owner, taken.balancers, taken.transfer], [heir!.address, [], null]);
    await refused("CLIENT_CLUSTER_NOT_OWNER", "owner", "withdraw", "1", "0.25", "USDC");
    assert.equal((await done("heir", "withdraw", "1", "0.25", "USDC")).pool, "0");
  });
});
