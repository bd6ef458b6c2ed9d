import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NodeKey } from "../../../../node/kernel/keys.ts";
import { createCluster, getOperatorStatus } from "../../../../sdk/client/actions/operator.ts";
import { bytesToHex } from "../../../../sdk/protocol/hex.ts";
import { type AnvilChain, openAnvil } from "../../../support/anvil-chain.ts";
import { runLeat } from "../../../support/run-leat.ts";

const lpt = (whole: number) => (BigInt(whole * 10) * 10n ** 17n).toString();

interface Answer {
  readonly code: number;
  readonly answer: Record<string, unknown> & { readonly error?: { readonly code: string } };
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
    for (const [name, key] of Object.entries({ node, fresh, owner, manager, sponsor })) {
      await writeFile(fileOf(name), `${bytesToHex(key!.secret)}\n`, { mode: 0o600 });
    }
    const deployment = { ...anvil.deployment, deployedAtBlock: anvil.deployment.deployedAtBlock.toString() };
    const { chainId } = deployment;
    const network = { name: "local", chainId, confirmedDepth: 2, rpcUrls: [anvil.rpcUrl], deployment };
    await writeFile(join(folder, "network.json"), JSON.stringify(network));
    const settings = { node: { keyFile: fileOf("node"), networkFile: join(folder, "network.json") } };
    await writeFile(join(folder, "leat.json"), JSON.stringify(settings));
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
  };
  const pass = async (seconds: number) => {
    await anvil.testClient.increaseTime({ seconds });
    await anvil.mine(1);
  };

  it("joins, tops up, thaws, changes its mind, and withdraws after the wait", async () => {
    await refused("UNITS_AMOUNT_INVALID", "owner", "join", "a lot", "--endpoint", "https://n.example");
    await refused("CLIENT_BALANCE_SHORT", "owner", "join", "501", "--endpoint", "https://n.example");
    const joining = ["--endpoint", "https://n.example", "--cluster", "1", "--maximum-share", "12.5"];
    const joined = await done("owner", "join", "150", ...joining);
    assert.deepEqual([joined.operator, joined.node, joined.stake], [owner!.address, node!.address, lpt(150)]);
    assert.equal((await done("owner", "top-up", "0.5")).stake, lpt(150.5));
    const thawing = await done("owner", "thaw", "50.5");
    assert.deepEqual([thawing.stake, thawing.thawing, thawing.slashable], [lpt(100), lpt(50.5), lpt(150.5)]);
    assert.equal((await done("owner", "cancel-thaw")).stake, lpt(150.5));
    await done("owner", "thaw", "50.5");
    await refused("CLIENT_REVERTED", "owner", "withdraw");
    await pass(3_601);
    const left = await done("owner", "withdraw", "--to", manager!.address);
    assert.deepEqual([left.stake, left.thawing], [lpt(100), "0"]);
    await done("owner", "leave", "1");
    await done("owner", "accept", "1", "--maximum-share", "10");
    await refused("CLI_USAGE", "owner", "accept", "1", "--maximum-share", "101");
  });

  it("takes a sponsor's stake in and gives it back to the sponsor alone", async () => {
    const operator = owner!.address;
    const put = await done("sponsor", "sponsor", operator, "30");
    assert.deepEqual([put.sponsor, put.stake], [sponsor!.address, lpt(30)]);
    assert.equal((await done("sponsor", "thaw-sponsored", operator, "10")).thawing, lpt(10));
    assert.equal((await done("sponsor", "cancel-sponsored-thaw", operator)).thawing, "0");
    await done("sponsor", "thaw-sponsored", operator, "12");
    await pass(3_601);
    await refused("CLIENT_REVERTED", "owner", "withdraw-sponsored", operator);
    assert.equal((await done("sponsor", "withdraw-sponsored", operator)).stake, lpt(18));
    await refused("CLI_USAGE", "sponsor", "sponsor", "somebody", "1");
    const status = await getOperatorStatus(anvil.client(owner!), node!.address);
    assert.deepEqual([status?.stake, status?.sponsored], [100n * 10n ** 18n, 18n * 10n ** 18n]);
  });

  it("lets a manager replace a lost key, and nothing else", async () => {
    await done("owner", "set-manager", manager!.address);
    const newKey = ["--node.keyFile", fileOf("fresh")];
    const rotated = await done("manager", "rotate", node!.address, "--endpoint", "https://new.example", ...newKey);
    assert.deepEqual([rotated.lost, rotated.node], [node!.address, fresh!.address]);
    await refused("CLIENT_REVERTED", "manager", "thaw", "1");
    await refused("CLIENT_NODE_UNKNOWN", "manager", "rotate", sponsor!.address, "--endpoint", "", ...newKey);
    await done("manager", "set-endpoint", fresh!.address, "https://moved.example");
    const second = ["--node.keyFile", fileOf("sponsor"), "--operator", owner!.address];
    assert.equal((await done("manager", "add-node", "--endpoint", "", ...second)).node, sponsor!.address);
    await done("manager", "revoke", sponsor!.address);
    await done("owner", "set-payout", manager!.address, "--push");
    await done("owner", "set-manager", "none");
    await refused("CLIENT_REVERTED", "manager", "revoke", fresh!.address);
    const status = await getOperatorStatus(anvil.client(owner!), fresh!.address);
    assert.deepEqual(
      [status?.nodeActive, status?.beneficiary, status?.pushPayouts, status?.manager],
      [true, manager!.address, true, undefined],
    );
  });
});
